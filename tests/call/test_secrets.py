"""A secret is found by name, by value and by shape, and is taken out of everything."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cipp_mcp.call.secrets import FEW, MASK, Found, find_secrets, is_secret_name
from tests.call.making import many, texts_in

NAMES = ["copyField", "CopyField", "password", "newPassword", "initialPassword", "temporaryAccessPass", "recoveryKey", "pwd"]
NAMES += ["BitLockerRecoveryKey", "clientSecret", "client_secret", "ApplicationSecret", "secretText", "apiKey", "APIKey"]
NAMES += ["accessKey", "refresh_token", "accessToken", "ConnectionString", "sasToken"]
HARMLESS = ["lastPasswordChangeDateTime", "passwordPolicies", "passwordType", "forceChangePassword", "mustChangePassword"]
HARMLESS += ["displayName", "id", "keyId", "userPrincipalName", "secretCount", "passwordExpires", "PasswordNeverExpires"]

CANARY = st.text(alphabet="abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789#!-_+/=&?\\\"'é", min_size=8, max_size=24).map(
    lambda t: f"kanari{t}"
)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_such_a_name_holds_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_facts_about_secrets_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@st.composite
def answers(draw: st.DrawFn) -> tuple[Any, str]:
    """An answer of CIPP that gives a secret away once under a telling name and then anywhere else."""
    secret = draw(CANARY)
    named = {draw(st.sampled_from(NAMES)): draw(st.sampled_from([secret, [secret], {"value": secret}]))}
    text = f"The new password is {secret}. Tell nobody {secret}"
    places = [text, {"resultText": text}, [text, "done"], {f"of {secret}": 1}, {"deep": [{"er": text}]}, ["x" + secret + "y"]]
    other = draw(st.lists(st.sampled_from(places), max_size=4))
    return draw(st.sampled_from([{"Results": [named, *other]}, [named, *other], {"Results": named, "more": other}])), secret


@many
@given(answers())
def test_a_secret_that_is_named_once_survives_nowhere(given_away: tuple[Any, str]) -> None:
    answer, secret = given_away
    found = find_secrets(answer)
    assert secret in found.values
    assert not any(secret in t for t in texts_in(found.mask_all(answer)))
    assert secret not in repr(found)
    assert secret not in found.mask(f"a sentence with {secret} in it")


@pytest.mark.parametrize("before", ["", " ", "\r\n\t", "\ufeff"])
def test_a_secret_in_a_text_that_is_json_is_found_whatever_blanks_it_begins_with(before: str) -> None:
    answer = {"raw": f'{before}[{{"password": "kanari-12345"}}]', "note": "it is kanari-12345"}
    assert not any("kanari" in t for t in texts_in(find_secrets(answer).mask_all(answer)))


def test_the_paths_of_a_manifest_name_secrets_too() -> None:
    answer = {"Results": [{"odd": "kanari-12345", "resultText": "it is kanari-12345 now"}]}
    found = find_secrets(answer, ("Results[].odd",))
    assert not any("kanari" in t for t in texts_in(found.mask_all(answer)))


SENTENCES = [
    "The new password is kanari#77",
    "The new password is: kanari#77",
    "New Password: kanari#77.",
    "Successfully reset the password for Ana, ana@fabrikam.example. Must change it: True. The new password is kanari#77",
    "The TAP code is kanari#77 - usable for 60 minutes",
]


@pytest.mark.parametrize("text", SENTENCES)
def test_an_action_that_issues_a_secret_finds_it_inside_a_sentence(text: str) -> None:
    found = find_secrets({"Results": text}, sentences=True)
    assert "kanari" not in found.mask(text)


SHAPES = [
    "123456-234567-345678-456789-567890-678901-789012-890123",
    "eyJ" + base64.urlsafe_b64encode(b'{"alg":"RS256"}').decode().strip("=") + ".eyJzdWIiOiIxIn0.c2ln",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SHAPES)
def test_what_looks_like_a_secret_is_masked_without_being_named(secret: str) -> None:
    assert secret not in find_secrets(None).mask(f"see {secret} there")


def test_a_number_that_is_a_secret_is_masked_as_a_number_too() -> None:
    answer = {"temporaryAccessPass": 48129437, "note": ["code 48129437", 48129437]}
    assert not any("48129437" in t for t in texts_in(find_secrets(answer).mask_all(answer)))


def test_who_was_meant_stays_readable_although_it_stands_in_the_same_field() -> None:
    answer = {"Results": [{"resultText": "ana@fabrikam.example", "copyField": "ana@fabrikam.example"}]}
    assert find_secrets(answer).mask("for ana@fabrikam.example") == "for ana@fabrikam.example"


def test_the_longest_secret_is_masked_first() -> None:
    answer = {"password": "kanari12", "copyField": "kanari12extra"}
    masked = find_secrets(answer).mask("kanari12extra and kanari12")
    assert masked == f"{MASK} and {MASK}"


@many
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda i: st.lists(i, max_size=4) | st.dictionaries(st.text(), i, max_size=4),
        max_leaves=8,
    )
)
def test_masking_leaves_the_shape_of_any_value(value: Any) -> None:
    found = find_secrets(value, ("Results[].x", "a.b[0]"), sentences=True)
    masked = found.mask_all(value)
    assert type(masked) is type(value) or (found.values and isinstance(masked, str))


@many
@given(st.lists(st.text("ab1", min_size=1, max_size=7), min_size=FEW + 1, max_size=FEW + 40), st.text("ab1 ", max_size=60))
@example(["1"] * FEW + ["ab1a", "b1a1"], "ab1a1")
@example(["1"] * FEW + ["b1a1", "ab1a"], "ab1a1")
def test_very_many_secrets_are_masked_like_a_few(values: list[str], text: str) -> None:
    ordered = tuple(sorted(values, key=len, reverse=True))
    masked = text
    for value in ordered:
        if value in text:
            masked = masked.replace(value, MASK)
    assert Found(ordered).mask(text) == masked
    assert Found(ordered).touches(text) is any(value in text for value in values)
