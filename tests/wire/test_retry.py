"""The retry table as a function: Retry-After, whose body it is, and that no row is looser for writes."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.message import Repeat, Response
from cipp_mcp.wire.retry import MOST_TRIES, RENEW, SETTLE, History, after_answer, after_fault, is_cipps, retry_after

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC).timestamp()


@given(st.integers(0, 999_999_999))
def test_whole_seconds_are_taken_as_written(seconds: int) -> None:
    assert retry_after(f" {seconds} ", NOW) == seconds


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC)))
def test_a_date_counts_from_now_and_only_ahead(date: datetime) -> None:
    ahead = date.timestamp() - NOW
    assert retry_after(format_datetime(date, usegmt=True), NOW) == (ahead if ahead > 0 else None)


@given(st.text() | st.from_regex(r"[-+]?[0-9., :A-Za-z]{0,40}", fullmatch=True))
def test_any_text_gives_a_wait_or_none_and_never_a_negative_one(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    "text", [None, "", "soon", "-1", "+1", "1.5", "1e3", "1, 2", "٣", "99 Foo 2026", "Tue, 99 Foo 2026 12:00:00 GMT", "0x10"]
)
def test_junk_is_no_wait(text: str | None) -> None:
    assert retry_after(text, NOW) is None


@pytest.mark.parametrize(
    ("body", "kind", "own"),
    [
        (b"", "", False),
        (b"  \r\n", "text/plain", False),
        (b"<html></html>", "text/html", False),
        (b"\n<!DOCTYPE html>", "", False),
        (b"<Error><Code>x</Code></Error>", "application/xml", False),
        (b"gone", "text/html", False),
        (b"The service is unavailable.", "text/plain", False),
        (b"This feature has been disabled: X", "text/plain", True),
        (b"Endpoint not found", "text/plain", True),
        (b'{"Results":""}', "application/json", True),
        (b"null", "application/json", True),
        (b"\xff\xfe\x00", "application/octet-stream", True),
    ],
)
def test_a_body_is_cipps_unless_it_is_empty_a_page_or_a_known_platform_text(body: bytes, kind: str, own: bool) -> None:
    assert is_cipps(Response(503, {"content-type": kind}, body)) is own


responses = st.builds(
    Response,
    st.integers(100, 599),
    st.fixed_dictionaries(
        {}, optional={"retry-after": st.sampled_from(["0", "1", "315", "x"]), "content-type": st.just("text/html")}
    ),
    st.sampled_from([b"", b"<p>", b"{}", b"text"]),
)
histories = st.builds(History, st.integers(1, 5), st.booleans(), st.booleans(), st.booleans())


@given(responses, histories)
def test_what_is_never_to_be_repeated_is_repeated_after_a_first_401_only(response: Response, history: History) -> None:
    step = after_answer(response, Repeat.NEVER, history, NOW)
    assert step is (RENEW if response.status == 401 and not history.renewed else SETTLE)


@given(responses, histories)
def test_what_may_wait_once_does_so_for_429_and_503_alone(response: Response, history: History) -> None:
    step = after_answer(response, Repeat.AFTER_429, history, NOW)
    if step.what == "wait":
        assert response.status in (429, 503) and not history.waited and not is_cipps(response)
    assert step.what != "back_off"


@given(responses, histories, st.sampled_from(list(Repeat)))
def test_every_request_comes_to_an_end(response: Response, history: History, repeat: Repeat) -> None:
    if history.renewed and history.tries > MOST_TRIES:
        assert after_answer(response, repeat, history, NOW) is SETTLE
        assert after_fault(False, repeat, history) is SETTLE


@given(histories, st.sampled_from([Repeat.AFTER_429, Repeat.NEVER]))
def test_a_write_that_may_have_left_is_never_sent_again(history: History, repeat: Repeat) -> None:
    assert after_fault(True, repeat, history) is SETTLE
