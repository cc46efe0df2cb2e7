"""Whatever bytes come back are read into an `Answer`, and only clear words read as success."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.decode import Shape, read_answer
from cipp_mcp.call.tones import Tone, tone_of
from cipp_mcp.message import Response
from tests.call.making import many, response

SIGN_IN = b"<!DOCTYPE html><html><head><title>Sign in to your account</title></head></html>"

HOSTILE = {
    "depth 10,000": (b"[" * 10_000 + b"]" * 10_000, Shape.BROKEN),
    "depth 10,000 of objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, Shape.BROKEN),
    "depth 10,000 never closed": (b"[" * 10_000, Shape.BROKEN),
    "closed more often than opened": (b"[]" + b"]" * 10_000, Shape.BROKEN),
    "NaN": (b'{"Results": NaN}', Shape.BROKEN),
    "Infinity": (b'[{"count": -Infinity}]', Shape.BROKEN),
    "a number of 5,000 digits": (b"[" + b"9" * 5_000 + b"]", Shape.BROKEN),
    "cut in the middle": (b'{"Results": "Successfully', Shape.BROKEN),
    "two values": (b'{"Results": "ok"}{"Results": "ok"}', Shape.BROKEN),
    "not UTF-8": (b'{"Results": "Successfully \xff\xfe"}', Shape.BROKEN),
    "UTF-16": ('{"Results": "ok"}'.encode("utf-16"), Shape.BROKEN),
    "a lone quote": (b'"', Shape.BROKEN),
    "nothing": (b"", Shape.EMPTY),
    "blanks": (b" \r\n\t ", Shape.EMPTY),
    "a byte order mark": (b"\xef\xbb\xbf", Shape.EMPTY),
    "null": (b"null", Shape.EMPTY),
    "an empty text": (b'""', Shape.EMPTY),
    "an empty object": (b"{}", Shape.EMPTY),
    "an empty list": (b"[]", Shape.JSON),
    "duplicate keys": (b'{"Results": "Failed", "Results": "Successfully done"}', Shape.JSON),
    "lone surrogates": (b'[{"displayName": "\\ud800\\udc00 \\udfff"}]', Shape.JSON),
    "a NUL": (b'[{"displayName": "a\\u0000b"}]', Shape.JSON),
    "a page": (SIGN_IN, Shape.HTML),
    "a page in capitals": (b"  <HTML><body>", Shape.HTML),
    "plain words": (b"Endpoint not found, perhaps", Shape.TEXT),
}


@pytest.mark.parametrize(("body", "shape"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bodies_are_named_and_never_data_when_broken(body: bytes, shape: Shape) -> None:
    answer = read_answer(response(body))
    assert answer.shape is shape
    if shape in {Shape.BROKEN, Shape.HTML}:
        assert answer.data is None
        assert answer.rows() == []
        assert answer.lines == ()


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_too_large_for_json_never_reaches_the_result(number: str) -> None:
    answer = read_answer(response(f'[{{"count": {number}}}]'.encode()))
    json.dumps(answer.data, allow_nan=False)


def test_reading_takes_time_in_proportion_to_the_body() -> None:
    body = b'["' + b'\\"' * 20_000
    began = time.monotonic()
    assert read_answer(response(body)).shape is Shape.BROKEN
    assert time.monotonic() - began < 1.0


SENTENCES = st.sampled_from(
    ["Successfully did it", "Failed to do it", "Scheduled job with id 7", "Loading data", "nothing", "", "already enabled"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | SENTENCES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["Results", "results", "resultText", "state", "error", "Metadata", "QueueMessage", "id"]) | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=300) | VALUES.map(lambda v: json.dumps(v).encode()) | st.text().map(lambda t: t.encode("utf-8", "replace"))
)
KINDS = st.sampled_from(["application/json; charset=utf-8", "text/plain", "text/html", "", "APPLICATION/JSON", "a/b;;c", "\x00"])


@many
@given(body=BODIES, status=st.integers(100, 599), kind=KINDS, headers=st.dictionaries(st.text(), st.text(), max_size=2))
def test_reading_never_raises(body: bytes, status: int, kind: str, headers: dict[str, str]) -> None:
    answer = read_answer(Response(status, headers | {"content-type": kind}, body))
    assert answer.status == status
    assert all(isinstance(r, dict) for path in ("", "Results", "a.b.c") for r in answer.rows(path))
    assert not (answer.problem and answer.data)


# Who answered, told apart: body, status, content type, part of our sentence, whether CIPP's function may have run.
NOT_CIPPS_FUNCTION = [
    (b"", 302, "", "redirect", False),
    (SIGN_IN, 307, "text/html", "redirect", False),
    (b"", 401, "", "401", False),
    (SIGN_IN, 401, "text/html", "401", False),
    (SIGN_IN, 200, "text/html; charset=utf-8", "HTML page", True),
    (SIGN_IN, 200, "application/json", "HTML page", True),
    (b"<html>504</html>", 504, "text/html", "HTML page", True),
    (b"", 504, "", "gateway gave up", True),
    (b"", 500, "", "gateway gave up", True),
    (b"", 404, "", "404 without a word from CIPP", True),
    (b"Endpoint not found", 404, "text/plain", "no such endpoint", False),
    (b"", 429, "", "too many requests", False),
    (b"This feature has been disabled: by the operator", 503, "text/plain", "switched off", False),
    (b"Request not processed", 412, "text/plain", "did not process", True),
    (b"Your CIPP subscription has ended. Contact us", 403, "text/plain", "subscription has ended", False),
    (b"API calls are not accepted on this function app", 403, "text/plain", "background workers", False),
    (
        b"Access to this CIPP API endpoint is not allowed, the 'readonly' base role does not have the required permission: X",
        403,
        "text/plain",
        "too low",
        False,
    ),
    (
        b"Access to this CIPP API endpoint is not allowed, the custom role 'desk' has blocked this endpoint: RemoveUser",
        403,
        "text/plain",
        "blocks this endpoint",
        False,
    ),
    (
        b"Access to this CIPP API endpoint is not allowed, the API Client does not have the required permission",
        403,
        "text/plain",
        "this computer's address",
        False,
    ),
    (b"Access to this tenant is not allowed", 403, "text/plain", "does not include this tenant", False),
    (b'"Access to this tenant is not allowed"', 403, "application/json", "does not include this tenant", False),
]


@pytest.mark.parametrize(("body", "status", "kind", "says", "reached"), NOT_CIPPS_FUNCTION)
def test_answers_that_no_function_gave_have_a_sentence_of_their_own(
    body: bytes, status: int, kind: str, says: str, reached: bool
) -> None:
    answer = read_answer(response(body, status, kind))
    assert says in answer.problem
    assert answer.hint
    assert answer.reached is reached


def test_every_refusal_has_another_sentence() -> None:
    problems = [
        read_answer(response(b, s, k)).problem for b, s, k, says, _ in NOT_CIPPS_FUNCTION if says not in {"redirect", "401"}
    ]
    different = {says for *_, says, _ in NOT_CIPPS_FUNCTION} - {"redirect", "401"}
    assert len({p.replace("504", "200") for p in problems}) >= len(different)


FROM_A_FUNCTION = [
    ({"Results": "Failed to do it"}, 403),
    (["Failed to reach the tenant"], 403),
    ("Object reference not set to an instance of an object.", 500),
    ({"error": {"code": "InternalServerError", "message": "x"}}, 500),
    ({"Results": ["'user' is required"]}, 400),
    ({"Results": "No such service plan"}, 404),
]


@pytest.mark.parametrize(("body", "status"), FROM_A_FUNCTION)
def test_what_a_function_says_is_kept_as_its_words_whatever_the_status(body: Any, status: int) -> None:
    answer = read_answer(response(body, status))
    assert (answer.problem, answer.reached) == ("", True)
    assert answer.lines


TONES = [
    ("Successfully cleared immutable ID for user ana", "", Tone.GOOD),
    ("Successfully set account enabled state to False for ana", "", Tone.GOOD),
    ("Revoked sessions", "", Tone.GOOD),
    ("", "success", Tone.GOOD),
    ("whatever", "SUCCESS ", Tone.GOOD),
    ("Successfully did it", "Error", Tone.BAD),
    ("Successfully did it", "failed", Tone.BAD),
    ("Could not do it: the mailbox is busy", "", Tone.BAD),
    ("couldn't do it", "", Tone.BAD),
    ("Failed to delete user with ID: 'x'. Error: Successfully is a word", "", Tone.BAD),
    ("Error - user could not be offboarded", "", Tone.BAD),
    ("Unable to set it", "", Tone.BAD),
    ("No valid user", "", Tone.BAD),
    ("WARNING: User ana is AD Sync enabled. Changed all the same.", "", Tone.BAD),
    ("The user was not found", "", Tone.BAD),
    ("Insufficient privileges to complete the operation.", "", Tone.BAD),
    ("The request timed out", "", Tone.BAD),
    ("Scheduled job with id 7f0c2a60 as Graph API was too busy.", "", Tone.QUEUED),
    ("Loading data for all tenants. Please check back later", "", Tone.QUEUED),
    ("No changes needed", "", Tone.NONE_NEEDED),
    ("The licence is already assigned", "", Tone.NONE_NEEDED),
    ("User Ana does not have an ImmutableID set or it is already cleared.", "", Tone.NONE_NEEDED),
    ("No existing scheduled task found to remove", "", Tone.NONE_NEEDED),
    ("Defender Intune Configuration already correct and active for fabrikam.example. Skipping", "", Tone.NONE_NEEDED),
    ("fabrikam.example: MDE Connector is available", "", Tone.NONE_NEEDED),
    ("Removed Standards Template named: 'X'. Also removed 1 associated drift remediation scheduled task(s).", "", Tone.GOOD),
    ("Scheduled Task Successfully removed", "", Tone.GOOD),
    ("Scheduled Task Successfully created", "", Tone.QUEUED),
    ("Scheduled license removal for ana@fabrikam.example. Licenses that will be removed: E3.", "", Tone.QUEUED),
    ("Scheduled FullAccess on the shared mailbox Front in 15 minutes. Outlook adds it.", "", Tone.QUEUED),
    ("Scheduled Out-of-office for ana@fabrikam.example between 1 and 2", "", Tone.GOOD),
    ("Password reset accepted. It is not confirmed yet, and will fail if writeback is off.", "", Tone.UNCLEAR),
    ("Failed to create it: another object with the same value already exists", "", Tone.BAD),
    ("Skipped mailbox access to front@fabrikam.example: it is not a shared mailbox in this tenant.", "", Tone.BAD),
    ("Completed processing 2 DIDs for user 'ana': 2 successful, 0 failed", "", Tone.GOOD),
    ("Completed processing 12 DIDs for user 'ana': 2 successful, 10 failed", "", Tone.BAD),
    ("Allowed external senders to send to finance@fabrikam.example.", "", Tone.GOOD),
    ("Blocked external senders from sending to finance@fabrikam.example.", "", Tone.GOOD),
    ("Failed to block external senders for finance@fabrikam.example.", "", Tone.BAD),
    ("Access has been blocked by Conditional Access policies.", "", Tone.UNCLEAR),
    ("Successfully did it. It does not apply to guests.", "", Tone.GOOD),
    ("Received it", "", Tone.UNCLEAR),
    ("", "", Tone.UNCLEAR),
    ("Something happened", "warning", Tone.UNCLEAR),
    ("Failed to do a part", "info", Tone.BAD),
    ("'2001:db8::/32' is not a valid IP address or CIDR range.", "warning", Tone.BAD),
]


@pytest.mark.parametrize(("text", "state", "tone"), TONES)
def test_how_a_line_reads(text: str, state: str, tone: Tone) -> None:
    assert tone_of(text, state) is tone


@pytest.mark.parametrize(
    "text",
    [
        "The mailbox did not get converted",
        "Password has not been changed",
        "The licences have not been removed",
        "The user is not enabled",
        "MFA methods weren't removed",
        "The policy did not get deleted",
        "The account isn't disabled",
        "Nothing was changed",
        "No licences were removed",
    ],
)
def test_a_negated_verb_is_no_success(text: str) -> None:
    assert tone_of(text) is not Tone.GOOD


LINES = [
    ({"Results": "Successfully"}, ["good"]),
    ({"Results": ["Successfully a", "Failed b"]}, ["good", "bad"]),
    ({"Results": {"resultText": "x", "copyField": "y", "state": "success"}}, ["good"]),
    ({"Results": [{"resultText": "Successfully", "state": "ERROR"}, "done", {"Error": "x"}]}, ["bad", "good", "bad"]),
    ({"results": {"Results": ["Successfully"]}}, ["good"]),
    ({"error": {"message": "x"}}, ["bad"]),
    ({"Results": ""}, []),
    ({"Results": None}, []),
    ([{"id": "1"}], []),
]


@pytest.mark.parametrize(("body", "tones"), LINES)
def test_each_result_entry_is_a_line_however_nested(body: Any, tones: list[str]) -> None:
    assert [str(line.tone) for line in read_answer(response(body)).lines] == tones


QUEUED = [
    ({"Results": [], "Metadata": {"Queued": True, "QueueMessage": "Loading", "QueueId": "q1"}}, "q1"),
    ({"Results": [], "Metadata": {"QueueMessage": "Loading data"}}, ""),
    ([{"Tenant": "Loading data for all tenants"}], ""),
    ([{"UPN": "Still loading data", "QueueId": "q2"}], "q2"),
    ("Loading 9000 rows for fabrikam.example", ""),
]


@pytest.mark.parametrize(("body", "queue"), QUEUED)
def test_a_list_that_is_being_built_is_recognised(body: Any, queue: str) -> None:
    answer = read_answer(response(body))
    assert (bool(answer.queue_message), answer.queue_id) == (True, queue)


def test_ordinary_rows_are_no_queue() -> None:
    assert read_answer(response([{"displayName": "Loading dock"}, {"displayName": "x"}])).queue_message == ""


def test_a_text_without_end_is_no_sentence_and_keeps_nobody_waiting() -> None:
    began = time.monotonic()
    for text, tone in (("it was successfully set, and " * 300_000, "unclear"), ("Failed: " + "a." * 4_000_000, "bad")):
        assert [str(line.tone) for line in read_answer(response({"Results": text})).lines] == [tone]
    assert time.monotonic() - began < 5
