"""Each row of the retry table times each `Repeat`, counted at the server's socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest

from cipp_mcp.errors import Lost, NotSent, SignInFailed
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.wire.client import Wire
from tests.wire.conftest import outcome
from tests.wire.scripted_server import Play, ScriptedServer, answer, drip, hang, raw, reset

pytestmark = pytest.mark.anyio

PAGE = "<!DOCTYPE html><html><body>Service Unavailable</body></html>"
FEATURE_OFF = answer(503, "This feature has been disabled: MCPServer", "text/plain", Retry_After="1")
PAST = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)


def throttled(after: str | None, status: int = 429, body: str = "", kind: str = "") -> Play:
    return answer(status, body, kind) if after is None else answer(status, body, kind, Retry_After=after)


async def until_soon(writer: asyncio.StreamWriter) -> bool:
    """A 429 whose date lies 30 seconds ahead of when it is sent."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    return await throttled(soon)(writer)


# name, what the server plays for every try, requests seen for FREELY / AFTER_429 / NEVER, status returned or None for Lost
ALWAYS: list[tuple[str, Play, int, int, int, int | None]] = [
    ("429 with seconds", throttled("1"), 3, 2, 1, 429),
    ("429 with a date to come", until_soon, 3, 2, 1, 429),
    ("429 page with seconds", throttled("1", 429, PAGE, "text/html"), 3, 2, 1, 429),
    ("429 without Retry-After", throttled(None), 1, 1, 1, 429),
    ("429 with junk", throttled("soon"), 1, 1, 1, 429),
    ("429 with a negative number", throttled("-1"), 1, 1, 1, 429),
    ("429 with a fraction", throttled("0.5"), 1, 1, 1, 429),
    ("429 with a date gone by", throttled(PAST), 1, 1, 1, 429),
    ("429 with too many seconds", throttled("315"), 1, 1, 1, 429),
    ("429 with an absurd number", throttled("9" * 5000), 1, 1, 1, 429),
    ("429 with a CIPP body", throttled("1", 429, '{"Results":"slow down"}', "application/json"), 1, 1, 1, 429),
    ("503 with seconds", throttled("1", 503), 3, 2, 1, 503),
    ("503 with too many seconds", throttled("315", 503), 1, 1, 1, 503),
    ("503 without Retry-After", throttled(None, 503), 3, 1, 1, 503),
    ("503 page", throttled(None, 503, PAGE, "text/html"), 3, 1, 1, 503),
    ("503 of the function host", throttled(None, 503, "Function host is not running.", "text/plain"), 3, 1, 1, 503),
    ("503 feature off", FEATURE_OFF, 1, 1, 1, 503),
    ("502 page", answer(502, PAGE, "text/html"), 3, 1, 1, 502),
    ("504 page", answer(504, PAGE, "text/html"), 3, 1, 1, 504),
    ("404 empty", answer(404, "", ""), 3, 1, 1, 404),
    ("404 page", answer(404, PAGE, "text/html"), 3, 1, 1, 404),
    ("404 of CIPP", answer(404, "Endpoint not found", "text/plain"), 1, 1, 1, 404),
    ("500 page", answer(500, PAGE, "text/html"), 2, 1, 1, 500),
    ("500 empty", answer(500, "", ""), 2, 1, 1, 500),
    ("500 of CIPP as text", answer(500, "Failed to remove the user", "text/plain"), 1, 1, 1, 500),
    ("500 of CIPP as JSON", answer(500, '{"Results":"Failed"}'), 1, 1, 1, 500),
    ("400", answer(400, '{"Results":"removed"}'), 1, 1, 1, 400),
    ("403", answer(403, "Access to this CIPP API endpoint is not allowed", "text/plain"), 1, 1, 1, 403),
    ("412", answer(412, "Request not processed", "text/plain"), 1, 1, 1, 412),
    ("302", answer(302, "", "", Location="https://login.example/"), 1, 1, 1, 302),
    ("307", answer(307, "", "", Location="/api/Other"), 1, 1, 1, 307),
    ("200 page", answer(200, PAGE, "text/html"), 1, 1, 1, 200),
    ("200 empty", answer(200, "", ""), 1, 1, 1, 200),
    ("401", answer(401, "", ""), 2, 2, 2, 401),
    ("orderly end without a byte", raw(b""), 3, 1, 1, None),
    ("reset without a byte", reset(), 3, 1, 1, None),
    ("reset in the head", reset(b"HTTP/1.1 200 O"), 3, 1, 1, None),
    ("reset in the body", reset(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[1"), 3, 1, 1, None),
    ("cut body", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[1"), 3, 1, 1, None),
    ("cut chunks", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2"), 3, 1, 1, None),
    ("content length is a word", raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n[]"), 3, 1, 1, None),
    ("two content lengths", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]"), 3, 1, 1, None),
    ("negative content length", raw(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n[]"), 3, 1, 1, None),
    ("gzip that is none", answer(200, b"certainly no gzip", Content_Encoding="gzip"), 3, 1, 1, None),
    ("not HTTP", raw(b"220 mail.example ESMTP\r\n\r\n"), 3, 1, 1, None),
    ("a head without end", raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000), 3, 1, 1, None),
]


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize(("row", "play", "freely", "after_429", "never", "status"), ALWAYS, ids=[row[0] for row in ALWAYS])
async def test_a_lasting_fault_is_met_with_exactly_the_requests_of_the_table(
    server: ScriptedServer,
    wire: Wire,
    row: str,
    play: Play,
    freely: int,
    after_429: int,
    never: int,
    status: int | None,
    repeat: Repeat,
) -> None:
    server.otherwise = play
    got = await outcome(wire, Request("POST", "/api/X", body={}, repeat=repeat, timeout=120))
    seen = {Repeat.FREELY: freely, Repeat.AFTER_429: after_429, Repeat.NEVER: never}[repeat]
    assert len(server.requests) == seen
    if status is None:
        assert isinstance(got, Lost) and got.sent
    else:
        assert isinstance(got, Response)
        assert (got.status, got.tries) == (status, seen)


RECOVERS: list[tuple[str, Play, set[Repeat]]] = [
    ("401", answer(401, PAGE, "text/html"), set(Repeat)),
    ("429", throttled("1"), {Repeat.FREELY, Repeat.AFTER_429}),
    ("503 with Retry-After", throttled("1", 503), {Repeat.FREELY, Repeat.AFTER_429}),
    ("503", throttled(None, 503), {Repeat.FREELY}),
    ("502", answer(502, "", ""), {Repeat.FREELY}),
    ("404 of a cold start", answer(404, "", ""), {Repeat.FREELY}),
    ("500 page", answer(500, PAGE, "text/html"), {Repeat.FREELY}),
    ("reset", reset(), {Repeat.FREELY}),
    ("cut body", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[1"), {Repeat.FREELY}),
]


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize(("row", "play", "recovers"), RECOVERS, ids=[row[0] for row in RECOVERS])
async def test_a_passing_fault_is_gone_at_the_second_try_where_the_table_allows_one(
    server: ScriptedServer, wire: Wire, row: str, play: Play, recovers: set[Repeat], repeat: Repeat
) -> None:
    server.script.append(play)
    server.otherwise = answer(200, '{"Results":"fine"}')
    got = await outcome(wire, Request("GET", "/api/X", repeat=repeat))
    if repeat in recovers:
        assert isinstance(got, Response) and (got.status, got.tries, got.body) == (200, 2, b'{"Results":"fine"}')
    assert len(server.requests) == (2 if repeat in recovers else 1)


@pytest.mark.parametrize(
    "play", [hang, raw(b"HTTP/1.1 200 OK\r\n", keep=True), drip(0.5)], ids=["silence", "half a head", "slow body"]
)
@pytest.mark.parametrize(("repeat", "seen"), [(Repeat.FREELY, 3), (Repeat.AFTER_429, 1), (Repeat.NEVER, 1)])
async def test_a_time_out_after_sending_repeats_reads_only(
    server: ScriptedServer, wire: Wire, play: Play, repeat: Repeat, seen: int
) -> None:
    async def stuck(writer: object) -> bool:
        await play(writer)  # type: ignore[arg-type]
        return await hang(writer)  # type: ignore[arg-type]

    server.otherwise = stuck
    got = await outcome(wire, Request("GET", "/api/X", repeat=repeat, timeout=0.15))
    assert isinstance(got, Lost) and "did not answer within 0.15 s" in got.message
    assert len(server.requests) == seen


@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_slow_drip_ends_at_the_deadline(server: ScriptedServer, wire: Wire, repeat: Repeat) -> None:
    server.otherwise = drip(0.02)
    started = anyio.current_time()
    got = await outcome(wire, Request("GET", "/api/X", repeat=repeat, timeout=30, deadline=0.4))
    assert isinstance(got, Lost) and "within 0.4 s" in got.message
    assert anyio.current_time() - started < 2
    assert len(server.requests) == 1


async def test_without_a_deadline_a_drip_ends_at_time_out_and_connect_together(
    server: ScriptedServer, wires: Callable[..., Wire]
) -> None:
    server.otherwise = drip(0.02)
    got = await outcome(wires(connect_timeout=0.1), Request("GET", "/api/X", repeat=Repeat.NEVER, timeout=0.3))
    assert isinstance(got, Lost) and "within 0.4 s" in got.message


@pytest.mark.parametrize("repeat", [Repeat.FREELY, Repeat.AFTER_429])
async def test_a_retry_after_that_outlasts_the_deadline_is_not_waited_for(
    server: ScriptedServer, wire: Wire, repeat: Repeat
) -> None:
    server.otherwise = throttled("7")
    got = await outcome(wire, Request("GET", "/api/X", repeat=repeat, deadline=5))
    assert isinstance(got, Response) and (got.status, got.tries) == (429, 1)


@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_401_gets_its_second_send_even_after_other_tries(server: ScriptedServer, wire: Wire, repeat: Repeat) -> None:
    server.script.extend([throttled("1"), answer(401, "", "")] if repeat is not Repeat.NEVER else [answer(401, "", "")])
    got = await outcome(wire, Request("POST", "/api/X", body={}, repeat=repeat))
    assert isinstance(got, Response) and got.status == 200
    assert len(server.tokens_asked) == 2
    assert [heard.headers["authorization"] for heard in server.requests][-2:] == ["Bearer token-1", "Bearer token-2"]


async def test_after_a_401_a_write_that_is_lost_stays_lost(server: ScriptedServer, wire: Wire) -> None:
    server.script.extend([answer(401, "", ""), reset()])
    got = await outcome(wire, Request("POST", "/api/X", body={}, repeat=Repeat.NEVER))
    assert isinstance(got, Lost)
    assert len(server.requests) == 2


async def test_a_401_with_no_new_token_to_be_had_is_proven_not_sent(server: ScriptedServer, wire: Wire) -> None:
    server.script.append(answer(401, "", ""))
    await wire.send(Request("GET", "/api/X", repeat=Repeat.FREELY))
    server.script.append(answer(401, "", ""))
    server.token_script.append(answer(500, PAGE, "text/html"))
    got = await outcome(wire, Request("POST", "/api/X", body={}))
    assert isinstance(got, SignInFailed) and not got.sent


async def test_retries_of_reads_end_when_the_allowance_is_used_up(server: ScriptedServer, wire: Wire) -> None:
    server.otherwise = answer(502, "", "")
    for _ in range(10):
        await outcome(wire, Request("GET", "/api/X", repeat=Repeat.FREELY))
    # Ten retries to begin with, none earned before the tenth call and then one: 10 calls + 10 retries + at most 1.
    assert 20 <= len(server.requests) <= 21


async def test_a_server_that_is_away_is_tried_three_times_whatever_the_request(
    wires: Callable[..., Wire], server: ScriptedServer
) -> None:
    await wires().send(Request("GET", "/api/X"))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    for repeat in Repeat:
        waits.clear()
        wire = wires(sleep=sleep, settings={"api_url": "http://127.0.0.1:1"})
        got = await outcome(wire, Request("POST", "/api/X", body={}, repeat=repeat))
        assert isinstance(got, NotSent) and not got.sent and "refused" in got.message
        assert len(waits) == 2
