"""Words of a technician to the right action: measured on phrases, and safe with whatever is typed."""

from __future__ import annotations

import hashlib
import threading
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cipp_mcp.catalog import manifests, shipped
from cipp_mcp.catalog.api import Api, Document
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.intent import CHANGE, LOOK, TAKE, asked_for
from cipp_mcp.catalog.search import Search, thesaurus
from cipp_mcp.catalog.wording import near, stem, stems

API = Api(manifests.load())
SEARCH = Search(API.documents())


def read(file: str) -> dict[str, list[str]]:
    """Phrase -> the endpoints that are an acceptable answer."""
    return tomllib.loads(Path(__file__).with_name(file).read_text(encoding="utf-8"))


PHRASES, ABROAD = read("phrases.toml"), read("phrases_abroad.toml")
ORDER = sorted(PHRASES, key=lambda phrase: hashlib.sha256(phrase.encode()).hexdigest())
HELD_BACK, WORKED_WITH = ORDER[:100], ORDER[100:]
"""A third was not looked at while the search was made; the hash decides which."""


def shares(phrases: list[str]) -> tuple[float, float]:
    """The share whose first hit is acceptable, and the share with an acceptable one among five."""
    first = among = 0
    for phrase in phrases:
        wanted = {endpoint.casefold() for endpoint in (PHRASES | ABROAD)[phrase]}
        found = [hit.endpoint.casefold() for hit in SEARCH.find(phrase, 5)]
        first += found[:1] != [] and found[0] in wanted
        among += any(endpoint in wanted for endpoint in found)
    return first / len(phrases), among / len(phrases)


def test_the_phrases_name_operations_and_are_not_copied_from_the_words() -> None:
    known = shipped.read()
    words = {w.casefold() for d in API.documents() for w in d.words if " " in w}
    assert len(PHRASES) == 300
    assert all(endpoint.casefold() in known for wanted in PHRASES.values() for endpoint in wanted)
    assert len([p for p in PHRASES if p.casefold() in words]) <= 6
    assert len({endpoint for wanted in PHRASES.values() for endpoint in wanted}) >= 250


def test_phrases_that_were_held_back_find_their_action() -> None:
    first, among = shares(HELD_BACK)
    assert among >= 0.95
    assert first >= 0.73


def test_phrases_that_were_worked_with_find_their_action() -> None:
    first, among = shares(WORKED_WITH)
    assert among >= 0.95
    assert first >= 0.76


def test_phrases_in_german_french_and_spanish_find_their_action() -> None:
    first, among = shares(list(ABROAD))
    assert among >= 0.95
    assert first >= 0.85


@pytest.mark.parametrize(
    ("phrase", "action"),
    [
        ("kick the attacker out", "ExecBECRemediate"),
        ("source anchor", "clear_user_immutable_id"),
        ("phone lost", "reset_user_mfa"),
        ("who can see the boss's calendar", "list_calendar_permissions"),
    ],
)
def test_the_four_of_the_issue_come_first(phrase: str, action: str) -> None:
    assert SEARCH.find(phrase)[0].action == action


@pytest.mark.parametrize("name", ["list_users", "LISTMAILBOXRULES", "ExecBECCheck", "ListGroups"])
def test_a_name_that_is_written_out_is_that_action_and_clear(name: str) -> None:
    hit = SEARCH.find(name)[0]
    assert name.casefold() in {hit.action.casefold(), hit.endpoint.casefold()}
    assert hit.clear


def test_every_action_is_found_by_its_own_name_and_can_be_asked_for() -> None:
    for d in API.documents():
        assert SEARCH.find(d.action, 1)[0].action == d.action
        if not d.left_out:
            assert API.get(d.action).name == d.action


def test_at_most_the_first_hit_is_clear_and_limits_hold() -> None:
    for phrase in ORDER[100:160]:
        hits = SEARCH.find(phrase, 7)
        assert len(hits) <= 7
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
        assert not any(h.clear for h in hits[1:])
    assert SEARCH.find("mailbox", 0) == []
    assert SEARCH.find("", 5) == [] and SEARCH.find("how do I", 5) == []


def test_reads_only_gives_reads_only() -> None:
    assert {h.effect for p in ORDER[100:200] for h in SEARCH.find(p, 5, reads_only=True)} == {Effect.READ}


def test_what_is_left_out_is_found_with_its_reason_and_never_clear() -> None:
    hit = SEARCH.find("raw logs of the container")[0]
    assert hit.action == "ListContainerLogs"
    assert hit.left_out and not hit.clear


def test_slips_of_the_finger_are_forgiven_and_named() -> None:
    assert SEARCH.suggest("quarentine relase") == {"quarentine": "quarantine", "relase": "release"}
    assert SEARCH.suggest("release from quarantine") == {}
    assert "ExecQuarantineManagement" in [h.action for h in SEARCH.find("quarentine relase", 3)]


def test_the_verb_decides_between_looking_and_changing() -> None:
    assert SEARCH.find("show transport rules")[0].action == "ListTransportRules"
    assert SEARCH.find("delete a transport rule")[0].action == "RemoveTransportRule"
    assert asked_for("which rules exist") == {LOOK}
    assert TAKE in asked_for("please remove him") and CHANGE in asked_for("turning it off")
    assert asked_for("mailbox rules") == frozenset()


def test_templates_come_up_only_when_they_are_asked_for() -> None:
    assert "Template" not in SEARCH.find("spam filter policy of a tenant")[0].action
    assert SEARCH.find("saved spam filter template")[0].action == "ListSpamFilterTemplates"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_whatever_is_typed_gives_an_answer(text: str) -> None:
    assert len(SEARCH.find(text, 5)) <= 5
    SEARCH.suggest(text)


def test_nothing_is_read_before_the_first_question() -> None:
    read: list[str] = []

    def documents() -> Iterator[Document]:
        read.append("read")
        yield Document("list_users", "ListUsers", Effect.READ, "List users", "List users.", ("people",))

    search = Search(documents())
    assert not read
    assert search.find("people")[0].action == "list_users"
    assert read == ["read"]


def test_those_who_ask_first_at_the_same_moment_all_get_the_answer() -> None:
    search, together = Search(API.documents()), threading.Barrier(8, timeout=60)

    def first(_: int) -> str:
        together.wait()
        return search.find("mailbox rules")[0].action

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(first, range(8))) == {SEARCH.find("mailbox rules")[0].action}


def test_forms_of_a_word_meet() -> None:
    for forms in (
        "license licence licences licensing",
        "policy policies",
        "organisation organization organisations",
        "synchronise synchronised synchronizing",
        "email e-mail mails",
        "permission permissions",
        "block blocked blocking blocks",
    ):
        assert len({stem for form in forms.split() for stem in stems(form)}) == 1, forms
    assert stems("the user's log-in") == stems("user sign in")
    assert stems("réinitialiser l’accès") == stems("REINITIALISER acces") and stems("Straße") == stems("strasse")
    assert near("mailbx", ["mailbox", "mail"]) == "mailbox"
    assert near("x", ["y"]) is None


def test_the_thesaurus_is_mutual() -> None:
    table = thesaurus()
    assert len(table) > 300
    assert all(term in table[other] for term, others in table.items() for other in others)
    assert stem("boss") and (stem("boss"),) in table
