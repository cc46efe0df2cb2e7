"""A long answer that is wanted so lies in a file; short ones, failures and those of writes never do, and none is left behind."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from cipp_mcp.errors import Lost, TooLarge
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.wire.body import KEPT, LONG, Body
from cipp_mcp.wire.client import Wire
from tests.wire.conftest import outcome
from tests.wire.scripted_server import Play, ScriptedServer, answer, raw, reset

pytestmark = pytest.mark.anyio
ROWS = json.dumps([{"n": n, "text": "x" * 100} for n in range(20_000)]).encode()
READ = Request("GET", "/api/ListUsers", repeat=Repeat.FREELY, long=True)
PLAYS: list[Callable[[], Play]] = [
    lambda: answer(200, ROWS),
    lambda: answer(200, gzip.compress(ROWS), Content_Encoding="gzip"),
]


@pytest.mark.parametrize("play", PLAYS, ids=["plain", "gzip"])
async def test_a_long_answer_is_in_a_file_with_its_beginning_at_hand(
    server: ScriptedServer, wire: Wire, play: Callable[[], Play]
) -> None:
    server.otherwise = play()
    got = await wire.send(READ)
    assert got.file is not None
    with got.file:
        assert (got.body, got.file.read()) == (ROWS[:KEPT], ROWS)


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (READ, 200, b" " * LONG),
        (READ, 500, b'{"Results": "' + b"x" * LONG + b'"}'),
        (READ, 403, ROWS),
        (Request("GET", "/api/ListUsers", repeat=Repeat.FREELY), 200, ROWS),
    ],
    ids=["short", "failure", "refusal", "not wanted"],
)
async def test_everything_else_stays_in_memory(
    server: ScriptedServer, wire: Wire, request_: Request, status: int, body: bytes
) -> None:
    server.otherwise = answer(status, body)
    got = await wire.send(request_)
    assert (got.status, got.file, got.body) == (status, None, body)


async def test_the_cap_holds_for_files_too(server: ScriptedServer, wires: Callable[..., Wire]) -> None:
    server.otherwise = answer(200, gzip.compress(b" " * 3 * LONG), Content_Encoding="gzip")
    assert isinstance(await outcome(wires(most_bytes=2 * LONG), READ), TooLarge)
    assert len(server.requests) == 1


HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ROWS)}\r\n\r\n".encode()
CUT: list[Callable[[], Play]] = [lambda: raw(HEAD + ROWS[:-1]), lambda: reset(HEAD + ROWS[: 3 * LONG // 2])]


@pytest.mark.parametrize("play", CUT, ids=["truncated", "reset"])
async def test_a_cut_long_answer_is_asked_again_and_else_lost(
    server: ScriptedServer, wire: Wire, play: Callable[[], Play]
) -> None:
    server.script.extend([play()])
    server.otherwise = answer(200, ROWS)
    got = await outcome(wire, READ)
    assert isinstance(got, Response) and got.file is not None and got.tries == 2
    with got.file:
        assert got.file.read() == ROWS
    server.otherwise = play()
    assert isinstance(await outcome(wire, READ), Lost)


class Full(io.BytesIO):
    """A file on a disk that has no room."""

    def write(self, _: Any) -> int:
        raise OSError


def test_a_full_disk_is_told_and_not_taken_for_a_short_answer() -> None:
    body = Body(10 * LONG, long=True)
    body.take(b"x" * (LONG + 1))
    assert body.file is not None
    body.file.close()
    body.file = Full()
    with pytest.raises(TooLarge, match="no room"):
        body.take(b"y")
    body.close()
