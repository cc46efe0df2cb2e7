"""Tenant text is untrusted: what is taken out, and that a quoted value cannot leave its quotes."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.text import clean, clean_all, hidden_in, marked, quoted
from tests.call.making import many

HIDDEN = {
    "C0": "\x00\x01\x08\x0b\x0c\x0d\x1f",
    "delete and C1": "\x7f\x80\x85\x9b\x9f",
    "soft hyphen and joiners": "\u00ad\u034f\u200b\u200c\u200d\u2060\ufeff",
    "directions": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "variation selectors": "\ufe00\ufe0f\U000e0100\U000e01ef",
    "fillers": "\u115f\u1160\u3164\uffa0\u17b4\u17b5",
    "Mongolian": "\u180b\u180c\u180d\u180e\u180f",
    "shorthand": "\U0001bca0\U0001bca3",
    "musical": "\U0001d173\U0001d17a",
    "invisible operators": "\u2061\u2062\u2063\u2064\u206a\u206f",
    "private use": "\ue000\uf8ff\U000f0000\U0010fffd",
    "lone surrogates": "\ud800\udfff",
    "specials": "\ufff0\ufff9\ufffb",
}
ESCAPES = ["\x1b[31m", "\x1b[0;1;4m", "\x1b]0;owned\x07", "\x1b]8;;https://evil.example\x1b\\", "\x1b[2J", "\x1bM", "\x1b[?25l"]
WRITING = [
    "Ana Ruiz",
    "Zoë Ångström",
    "李小龍",
    "Наталія",
    "نادية",
    "line one\nline two\twith a tab",
    "👩 works",
    "a – b … c",
    "100 %",
]


@pytest.mark.parametrize("characters", HIDDEN.values(), ids=HIDDEN.keys())
def test_characters_that_nobody_sees_are_taken_out_and_counted(characters: str) -> None:
    text = "a" + "".join(f"{c}b" for c in characters)
    assert clean(text) == "a" + "b" * len(characters)
    assert hidden_in(text) == len(characters)


@pytest.mark.parametrize("escape", ESCAPES)
def test_terminal_sequences_leave_whole(escape: str) -> None:
    assert clean(f"before{escape}after") == "beforeafter"


@pytest.mark.parametrize("text", WRITING)
def test_writing_that_people_use_stays(text: str) -> None:
    assert clean(text) == text
    assert hidden_in(text) == 0


ANY = st.text() | st.lists(st.sampled_from(["".join(HIDDEN.values()), *ESCAPES, "\x1b", "[", "]", "m", '"', "\\", *WRITING])).map(
    "".join
)


@many
@given(ANY)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert (hidden_in(text) == 0) == (once == text)
    assert not any(unicodedata.category(c) in {"Cs", "Co"} for c in once)
    assert not any(unicodedata.category(c) == "Cc" and c not in "\t\n" for c in once)
    once.encode("utf-8")


@many
@given(ANY, st.integers(4, 90))
def test_a_quoted_value_is_one_short_line_that_its_quotes_hold(text: str, longest: int) -> None:
    shown = quoted(text, longest)
    assert shown[0] == shown[-1] == '"'
    assert '"' not in shown[1:-1]
    assert len(shown) <= longest + 2
    assert len(shown.splitlines()) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@many
@given(VALUES)
def test_every_text_of_a_value_is_cleaned_keys_included(value: Any) -> None:
    cleaned, taken = clean_all(value)
    assert clean_all(cleaned) == (cleaned, 0)
    assert taken >= 0


def test_a_long_text_is_cut_with_a_sign() -> None:
    assert clean("x" * 50, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    "key", ["ana@fabrikam.example", "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01", "mira_x.example#EXT#@f.example", "a-b"]
)
def test_a_key_stands_in_a_sentence_as_it_is(key: str) -> None:
    assert marked(key) == key


@many
@given(ANY)
def test_any_other_name_stands_in_a_sentence_in_quotes(name: str) -> None:
    shown = marked(name)
    assert shown == name or shown == quoted(name, 120)
    assert len(shown.splitlines()) == 1
    assert " " not in shown or shown[0] == shown[-1] == '"'
