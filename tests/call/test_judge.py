"""An answer is a claim and a read-back is evidence: which of the two may lead to which word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.judge import Verdict, judge_write, with_evidence
from cipp_mcp.call.verify import Evidence, Seen
from cipp_mcp.message import Response, Word
from tests.call.making import ANA_ID, case, many, response, user
from tests.call.test_decode import BODIES, KINDS

ANA = user()
CLEAR = case("clear_user_immutable_id", {"user_id": ANA.name}, ANA)
BLOCK = case("set_user_sign_in", {"user_id": ANA.name, "enabled": False}, ANA)
OFFBOARD = case("offboard_user", {"users": [ANA.name], "disable_sign_in": True}, ANA)
STANDARDS = case("run_standards", {"template_id": ANA_ID})
CASES = [CLEAR, BLOCK, OFFBOARD, STANDARDS]

SUCCESS_WORDS = {Word.DONE, Word.UNCHANGED, Word.CLAIMED, Word.ACCEPTED}
TEXTS = st.sampled_from(
    [
        "Successfully did it",
        "Task removed successfully.",
        "Failed to do it",
        "Scheduled job with id 7 as Graph was busy",
        "already cleared",
        "Received it",
        "",
        {"resultText": "x", "state": "success"},
        {"resultText": "Successfully", "state": "Error"},
        {"Error": "x"},
    ]
)
RESULTS = TEXTS.map(lambda t: {"Results": t}) | st.lists(TEXTS, max_size=4).map(lambda t: {"Results": t})
EVIDENCE = st.none() | st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(Seen), min_size=1).map(
    lambda seen: Evidence(seen, {})
)

# The 200s and their kin: body, status, content type -> the word before any read-back, and whether anything changed.
ANSWERS = [
    ({"Results": "Successfully cleared it"}, 200, Word.CLAIMED, "yes"),
    ({"Results": ["Successfully a", "Successfully b"]}, 200, Word.CLAIMED, "yes"),
    ({"Results": "Failed to clear it"}, 200, Word.FAILED, "unknown"),
    ({"Results": "Could not do it: the mailbox is busy"}, 200, Word.FAILED, "unknown"),
    ({"Results": "Received it"}, 200, Word.FAILED, "unknown"),
    ({"Results": ["Successfully a", "Failed b"]}, 200, Word.PARTIAL, "yes"),
    ({"Results": [{"resultText": "a", "state": "Success"}, {"resultText": "b", "state": "ERROR"}]}, 200, Word.PARTIAL, "yes"),
    ({"Results": "It is already cleared"}, 200, Word.UNCHANGED, "no"),
    ({"Results": "Scheduled job with id 7 as Graph API was too busy."}, 200, Word.ACCEPTED, "unknown"),
    ({"Results": [], "Metadata": {"Queued": True, "QueueId": "q"}}, 200, Word.ACCEPTED, "unknown"),
    ({"Results": "It has been created", "Metadata": {"Success": False}}, 200, Word.FAILED, "unknown"),
    ({"Results": ["Successfully set"], "success": False}, 200, Word.FAILED, "unknown"),
    ({"Results": "Successfully set", "Metadata": {"Success": True}}, 200, Word.CLAIMED, "yes"),
    ({"Results": [*["Successfully a"] * 20_000, "Failed b"]}, 200, Word.UNKNOWN, "unknown"),
    (b"", 200, Word.UNKNOWN, "unknown"),
    (b"", 204, Word.UNKNOWN, "unknown"),
    (b"null", 200, Word.UNKNOWN, "unknown"),
    ({"Results": ""}, 200, Word.UNKNOWN, "unknown"),
    (b'{"Results": "Succ', 200, Word.UNKNOWN, "unknown"),
    (b"<html></html>", 200, Word.UNKNOWN, "unknown"),
    (b"<html>502</html>", 502, Word.UNKNOWN, "unknown"),
    (b"", 504, Word.UNKNOWN, "unknown"),
    (b"", 404, Word.UNKNOWN, "unknown"),
    (b"", 302, Word.FAILED, "no"),
    (b"", 401, Word.FAILED, "no"),
    (b"", 429, Word.FAILED, "no"),
    (b"Endpoint not found", 404, Word.FAILED, "no"),
    (b"Access to this tenant is not allowed", 403, Word.FAILED, "no"),
    (b"This feature has been disabled: x", 503, Word.FAILED, "no"),
    ({"Results": "Failed to do it. Error: Insufficient privileges"}, 403, Word.FAILED, "unknown"),
    ({"Results": "Task removed successfully."}, 400, Word.FAILED, "unknown"),
    (b"Object reference not set to an instance of an object.", 500, Word.FAILED, "unknown"),
    ({"Results": ["Successfully queued ana", "Failed to queue ben"]}, 403, Word.PARTIAL, "yes"),
    ({"Results": "Successfully removed MFA methods (a). However, failed to remove (b)."}, 500, Word.PARTIAL, "yes"),
]


@pytest.mark.parametrize(("body", "status", "word", "changed"), ANSWERS)
def test_what_an_answer_alone_is_worth(body: Any, status: int, word: Word, changed: str) -> None:
    verdict = judge_write(CLEAR, read_answer(response(body, status)))
    assert (verdict.word, verdict.changed) == (word, changed)
    assert verdict.says


def test_what_was_so_before_says_nothing_of_what_else_the_call_does() -> None:
    exclude = case("set_ca_exclusion", {"policy_id": ANA_ID, "users": [ANA.name], "exclusion_type": "Add"}, ANA)
    for one, changed in ((BLOCK, "no"), (exclude, "unknown")):
        verdict = with_evidence(one, judge_write(one, read_answer(response(b""))), Evidence({ANA.id: Seen.SHOWN}), True)
        assert (verdict.word, verdict.changed) == (Word.UNCHANGED, changed)


def test_what_cipp_does_later_is_only_accepted() -> None:
    for one in (OFFBOARD, STANDARDS):
        assert judge_write(one, read_answer(response({"Results": "Successfully added it"}))).word is Word.ACCEPTED


@many
@given(one=st.sampled_from(CASES), body=RESULTS | BODIES, status=st.integers(100, 599), kind=KINDS)
def test_no_answer_alone_is_ever_done_and_400_or_more_is_never_a_success(one: Case, body: Any, status: int, kind: str) -> None:
    verdict = judge_write(one, read_answer(response(body, status, kind)))
    assert verdict.word is not Word.DONE
    assert verdict.word not in SUCCESS_WORDS or status < 300
    if verdict.changed == "no":
        assert verdict.word in {Word.UNCHANGED, Word.FAILED}


@many
@given(
    one=st.sampled_from(CASES),
    body=RESULTS | BODIES,
    status=st.sampled_from([200, 204, 302, 400, 401, 403, 404, 429, 500, 502, 503, 504]),
    evidence=EVIDENCE,
    was_so=st.booleans(),
)
def test_done_stands_on_evidence_for_every_target(
    one: Case, body: Any, status: int, evidence: Evidence | None, was_so: bool
) -> None:
    first = judge_write(one, read_answer(response(body, status)))
    final = with_evidence(one, first, evidence, was_so)
    shown = evidence is not None and evidence.all_shown
    if final.word is Word.DONE:
        assert shown and not was_so
        assert final.changed == "yes"
    if final.word is Word.CLAIMED:
        assert evidence is None
        assert not one.effect.types_name, "what has no way back is never left at a claim"
    if final.changed == "no":
        assert first.changed == "no" or (was_so and shown)
    if status >= 400 and not shown:
        assert final.word not in SUCCESS_WORDS
    if evidence is not None and evidence.some_shown and not shown:
        assert final.word is Word.PARTIAL
    assert final.says
    if final.word in {Word.UNKNOWN, Word.ACCEPTED} and one.effect.asks and first.word in {Word.CLAIMED, Word.ACCEPTED}:
        assert final.next_step


def seen(*states: Seen) -> Evidence:
    return Evidence(dict(zip("abc", states, strict=False)), {})


ALL, NONE, BLIND = seen(Seen.SHOWN), seen(Seen.NOT_SHOWN), seen(Seen.UNREADABLE)
CLAIMED = Verdict(Word.CLAIMED, "yes", "CIPP reports success.")
FAILED = Verdict(Word.FAILED, "unknown", "CIPP answered 500.")
LOST = Verdict(Word.UNKNOWN, "unknown", "The connection broke.")
PART = Verdict(Word.PARTIAL, "yes", "CIPP reports that a part was done and a part was not.")

ENDS = [
    (CLAIMED, ALL, False, Word.DONE, "yes"),
    (CLAIMED, ALL, True, Word.UNCHANGED, "no"),
    (CLAIMED, NONE, False, Word.PENDING, "unknown"),
    (CLAIMED, BLIND, False, Word.PENDING, "unknown"),
    (CLAIMED, seen(Seen.SHOWN, Seen.NOT_SHOWN), False, Word.PARTIAL, "yes"),
    (FAILED, ALL, False, Word.DONE, "yes"),
    (FAILED, ALL, True, Word.FAILED, "unknown"),
    (FAILED, NONE, False, Word.FAILED, "unknown"),
    (FAILED, BLIND, False, Word.FAILED, "unknown"),
    (PART, ALL, False, Word.DONE, "yes"),
    (PART, seen(Seen.SHOWN, Seen.NOT_SHOWN), False, Word.PARTIAL, "yes"),
    (PART, NONE, False, Word.PARTIAL, "unknown"),
    (PART, BLIND, False, Word.PARTIAL, "unknown"),
    (PART, None, False, Word.PARTIAL, "yes"),
    (LOST, ALL, False, Word.DONE, "yes"),
    (LOST, NONE, False, Word.UNKNOWN, "unknown"),
    (LOST, None, False, Word.UNKNOWN, "unknown"),
    (CLAIMED, None, False, Word.UNKNOWN, "unknown"),
]


@pytest.mark.parametrize(("first", "evidence", "was_so", "word", "changed"), ENDS)
def test_a_read_back_outranks_status_and_text(
    first: Verdict, evidence: Evidence | None, was_so: bool, word: Word, changed: str
) -> None:
    final = with_evidence(CLEAR, first, evidence, was_so)
    assert (final.word, final.changed) == (word, changed)


@pytest.mark.parametrize("text", ["No LAPS password found for x", "No FileVault recovery key found for x", ""])
def test_a_secret_that_is_not_there_is_a_failure_and_not_a_change_that_nobody_needed(text: str) -> None:
    one = case("reveal_local_admin_password", {"device_id": ANA_ID})
    assert judge_write(one, read_answer(response({"Results": text}))).word is Word.FAILED


@pytest.mark.parametrize(
    ("body", "word"), [({"Results": []}, Word.FAILED), ({"Results": None}, Word.UNKNOWN), (b"", Word.UNKNOWN)]
)
def test_where_cipp_has_a_line_for_each_deed_an_empty_list_of_them_is_no_riddle(body: Any, word: Word) -> None:
    one = case("edit_group", {"group_id": ANA_ID, "visibility": "Private"})
    assert judge_write(one, read_answer(response(body))).word is word
    assert judge_write(CLEAR, read_answer(response(body))).word is Word.UNKNOWN


def test_what_was_so_and_needed_nothing_is_unchanged() -> None:
    none_needed = Verdict(Word.UNCHANGED, "no", "CIPP says that nothing needed to change.")
    evidence = replace(ALL, was_so=True)
    assert with_evidence(CLEAR, none_needed, evidence, False).word is Word.UNCHANGED


@pytest.mark.parametrize(
    ("first", "word"),
    [
        (CLAIMED, Word.DONE),
        (PART, Word.PARTIAL),
        (FAILED, Word.PARTIAL),
        (LOST, Word.PARTIAL),
        (Verdict(Word.ACCEPTED, "unknown", "CIPP queued the work."), Word.ACCEPTED),
    ],
)
def test_that_it_was_made_does_not_make_a_failure_beside_it_good(first: Verdict, word: Word) -> None:
    final = with_evidence(CLEAR, first, replace(ALL, partly=True), False)
    assert (final.word, final.changed) == (word, "yes")


def test_work_that_was_put_off_stays_accepted_while_nothing_shows_it() -> None:
    put_off = judge_write(BLOCK, read_answer(response({"Results": "Scheduled job with id 7 as Graph API was too busy."})))
    assert with_evidence(BLOCK, put_off, NONE, False).word is Word.ACCEPTED
    assert with_evidence(BLOCK, put_off, ALL, False).word is Word.DONE


@pytest.mark.parametrize("text", ["Service Unavailable", "", "<html>503</html>"])
def test_a_503_that_nobody_says_to_retry_is_no_proof_that_nothing_happened(text: str) -> None:
    assert judge_write(CLEAR, read_answer(response(text.encode(), 503, "text/html"))).changed == "unknown"


def test_a_503_that_says_when_to_come_again_is_a_clean_refusal() -> None:
    answer = read_answer(Response(503, {"content-type": "text/html", "retry-after": "1"}, b""))
    assert (judge_write(CLEAR, answer).word, judge_write(CLEAR, answer).changed) == (Word.FAILED, "no")


def test_a_503_of_a_function_is_a_failure_like_any_other() -> None:
    assert judge_write(CLEAR, read_answer(response({"Results": "Failed to do it"}, 503))).changed == "unknown"
