"""What the wire says on the socket, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Callable

import anyio
import pytest

from cipp_mcp import __version__
from cipp_mcp.errors import Lost, NotSent, TooLarge
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.wire.client import Wire
from tests.wire.conftest import SECRET, outcome
from tests.wire.scripted_server import ScriptedServer, answer, gate, grant, hang, late, raw

pytestmark = pytest.mark.anyio

READ = Request("GET", "/api/ListUsers", query={"tenantFilter": "fabrikam.example"}, repeat=Repeat.FREELY)
WRITE = Request("POST", "/api/ExecX", body={"ID": "ana@fabrikam.example"})


async def test_a_read_carries_token_and_agent_and_no_body(server: ScriptedServer, wire: Wire) -> None:
    got = await wire.send(READ)
    (heard,) = server.requests
    assert (heard.method, heard.target) == ("GET", "/api/ListUsers?tenantFilter=fabrikam.example")
    assert heard.headers["authorization"] == "Bearer token-1"
    assert heard.headers["user-agent"] == f"cipp-mcp/{__version__}"
    assert heard.headers["accept"] == "application/json"
    assert not {"content-type", "x-cipp-version", "cookie"} & heard.headers.keys()
    assert (got.status, got.body, got.tries, got.content_type) == (200, b"[]", 1, "application/json")
    assert got.elapsed > 0


async def test_a_body_goes_out_as_compact_json_in_utf_8(server: ScriptedServer, wire: Wire) -> None:
    await wire.send(Request("POST", "/api/X", body={"name": "Zoë", "on": True, "list": [1, None]}))
    (heard,) = server.requests
    assert heard.headers["content-type"] == "application/json"
    assert heard.body == '{"name":"Zoë","on":true,"list":[1,null]}'.encode()


async def test_an_empty_object_is_a_body_and_none_is_not(server: ScriptedServer, wire: Wire) -> None:
    await wire.send(Request("POST", "/api/X", body={}))
    await wire.send(Request("POST", "/api/X"))
    assert [heard.body for heard in server.requests] == [b"{}", b""]
    assert "content-type" not in server.requests[1].headers


async def test_the_address_may_end_in_api_or_not(server: ScriptedServer, wires: Callable[..., Wire]) -> None:
    for url in (server.url, f"{server.url}/", f"{server.url}/api", f"{server.url}/api/", f"{server.url}/API"):
        await wires(settings={"api_url": url}).send(Request("GET", "/api/me"))
    assert {heard.target for heard in server.requests} == {"/api/me"}


async def test_reads_share_connections_and_every_write_gets_its_own(server: ScriptedServer, wire: Wire) -> None:
    for request in (READ, READ, READ, WRITE, WRITE, READ):
        await wire.send(request)
    numbers = [heard.connection for heard in server.requests]
    reads, writes = {*numbers[:3], numbers[5]}, numbers[3:5]
    assert len(reads) == 1
    assert len(set(writes)) == 2 and not reads & set(writes)


async def test_a_kept_connection_that_the_server_closed_costs_no_call(server: ScriptedServer, wire: Wire) -> None:
    server.script.append(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"))  # and then closes without saying so
    for request in (READ, WRITE, READ):
        got = await outcome(wire, request)
        assert isinstance(got, Response) and got.status == 200
    assert sum(heard.method == "POST" for heard in server.requests) == 1


async def test_redirects_are_returned_and_their_target_never_asked(server: ScriptedServer, wire: Wire) -> None:
    server.otherwise = answer(302, "", "", Location=f"{server.url}/login", Set_Cookie="Nonce=1; Path=/")
    for request in (READ, WRITE, READ):
        got = await wire.send(request)
        assert (got.status, got.headers["location"]) == (302, f"{server.url}/login")
    assert [heard.path for heard in server.requests] == ["/api/ListUsers", "/api/ExecX", "/api/ListUsers"]
    assert not any("cookie" in heard.headers for heard in server.requests)


async def test_a_compressed_answer_is_unpacked(server: ScriptedServer, wire: Wire) -> None:
    server.otherwise = answer(200, gzip.compress(b'[{"a":1}]'), Content_Encoding="gzip")
    assert (await wire.send(READ)).body == b'[{"a":1}]'


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bomb"])
async def test_an_answer_over_the_cap_is_too_large_and_not_asked_again(
    server: ScriptedServer, wires: Callable[..., Wire], repeat: Repeat, packed: bool
) -> None:
    body = b" " * 200_000
    server.otherwise = answer(200, gzip.compress(body), Content_Encoding="gzip") if packed else answer(200, body)
    got = await outcome(wires(most_bytes=100_000), Request("GET", "/api/X", repeat=repeat))
    assert isinstance(got, TooLarge) and got.sent
    assert len(server.requests) == 1


async def test_never_more_than_four_requests_are_at_cipp_at_once(server: ScriptedServer, wire: Wire) -> None:
    server.otherwise = late(0.02, answer())
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for request in [READ, WRITE] * 12:
                group.start_soon(wire.send, request)
    assert len(server.requests) == 24
    assert server.busiest == 4


async def test_a_waiting_retry_gives_its_place_away(server: ScriptedServer, wires: Callable[..., Wire]) -> None:
    woken, waiting, asleep = anyio.Event(), anyio.Event(), 0

    async def sleep(seconds: float) -> None:
        nonlocal asleep
        asleep += 1
        if asleep == 4:
            waiting.set()
        await woken.wait()

    wire = wires(sleep=sleep)
    server.script.extend([answer(502, "", "")] * 4)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(wire.send, READ)
            await waiting.wait()
            assert (await wire.send(WRITE)).status == 200
            woken.set()
    assert len(server.requests) == 9


async def test_whoever_is_cancelled_in_the_queue_has_sent_nothing(server: ScriptedServer, wire: Wire) -> None:
    opened = asyncio.Event()
    server.otherwise = gate(opened, answer())
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(wire.send, READ)
            await server.until(busy=4)
            with anyio.move_on_after(0.05) as scope:
                await wire.send(WRITE)
            assert scope.cancelled_caught
            opened.set()
        await wire.send(READ)
    assert not any(heard.method == "POST" for heard in server.requests)


async def test_a_deadline_that_passes_in_the_queue_is_proven_not_sent(server: ScriptedServer, wire: Wire) -> None:
    opened = asyncio.Event()
    server.otherwise = gate(opened, answer())
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(wire.send, READ)
            await server.until(busy=4)
            got = await outcome(wire, Request("POST", "/api/ExecX", body={}, deadline=0.05))
            opened.set()
    assert isinstance(got, NotSent) and "left no room within 0.05 s" in got.message
    assert len(server.requests) == 4


async def test_a_write_that_queued_still_has_its_whole_time_out(server: ScriptedServer, wires: Callable[..., Wire]) -> None:
    wire = wires(connect_timeout=0.5)
    server.script.extend([late(0.9, answer())] * 4 + [late(0.5, answer())])
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(wire.send, READ)
            await server.until(busy=4)
            # 0.9 s in the queue and 0.5 s for the answer: over the 1.3 s of both time-outs together, and each as it may be.
            got = await outcome(wire, Request("POST", "/api/X", body={}, timeout=0.8))
    assert isinstance(got, Response) and got.status == 200


async def test_a_hanging_token_endpoint_ends_with_the_deadline_and_nothing_sent(server: ScriptedServer, wire: Wire) -> None:
    server.token_script.append(hang)
    got = await outcome(wire, Request("POST", "/api/X", body={}, deadline=0.2))
    assert isinstance(got, NotSent) and "sign-in did not end within 0.2 s" in got.message
    assert not server.requests


async def test_a_sign_in_that_hangs_after_a_401_is_proven_not_sent(server: ScriptedServer, wire: Wire) -> None:
    server.token_script.extend([grant("first"), hang])
    server.script.append(answer(401, "", ""))
    got = await outcome(wire, Request("POST", "/api/X", body={}, deadline=0.3))
    assert isinstance(got, NotSent) and "sign-in" in got.message


async def test_a_cancelled_read_frees_its_place(server: ScriptedServer, wire: Wire) -> None:
    server.script.extend([hang] * 8)
    with anyio.fail_after(10):
        for heard in range(1, 9):
            async with anyio.create_task_group() as group:
                group.start_soon(wire.send, Request("GET", "/api/X"))
                await server.until(busy=heard)
                group.cancel_scope.cancel()
        assert (await wire.send(READ)).status == 200


async def test_logs_name_path_and_status_but_no_query_body_token_or_secret(
    server: ScriptedServer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        server.script.append(answer(401, "", ""))
        await wire.send(READ)
        await wire.send(WRITE)
    text = caplog.text
    ours = [record for record in caplog.records if record.name == "cipp_mcp.wire"]
    assert any("GET /api/ListUsers 200" in record.getMessage() for record in ours)
    assert {record.levelno for record in ours} == {logging.DEBUG}
    for kept in ("tenantFilter", "fabrikam", "token-1", "token-2", SECRET):
        assert kept not in text


async def test_no_repr_and_no_error_shows_token_or_secret(server: ScriptedServer, wire: Wire) -> None:
    await wire.send(READ)
    server.otherwise = raw(f"{SECRET} token-1".encode())
    got = await outcome(wire, WRITE)
    assert isinstance(got, Lost)
    held = wire._sign_in._held
    shown = f"{wire!r} {wire._sign_in!r} {held!r} {vars(wire)!r} {got!r} {got} {got.__cause__!r}"
    assert SECRET not in shown and "token-1" not in shown


async def test_a_proxy_in_the_environment_is_ignored(
    server: ScriptedServer, wires: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await wires().send(READ)).status == 200


async def test_a_wire_may_be_opened_and_closed_by_different_tasks(server: ScriptedServer, wires: Callable[..., Wire]) -> None:
    wire = wires()

    async def first_call() -> None:
        await wire.__aenter__()
        await wire.send(READ)

    async with anyio.create_task_group() as group:
        group.start_soon(first_call)
    await wire.__aexit__(None, None, None)
    await wire.aclose()
    assert len(server.requests) == 1


async def test_a_body_that_is_no_json_is_refused_before_the_sign_in(server: ScriptedServer, wire: Wire) -> None:
    from cipp_mcp.errors import InvalidArguments

    with pytest.raises(InvalidArguments):
        await wire.send(Request("POST", "/api/X", body={"n": float("nan")}))
    assert not server.tokens_asked


async def test_what_is_sent_is_what_the_server_reads(server: ScriptedServer, wire: Wire) -> None:
    from urllib.parse import parse_qsl

    query = {"$filter": "a eq 'b&c' and d#e", "x": "1+1 = 2", "ünï": "Zoë 日本 💶 %41", "e": "", "s": "a/b?c;d:e@f,g"}
    body = {"lone": "\ud83d", "pair": "💶", "quote": '"\\\n\u2028'}
    await wire.send(Request("POST", "/api/$batch", query=query, body=body))
    (heard,) = server.requests
    assert heard.path == "/api/$batch"
    assert dict(parse_qsl(heard.query, keep_blank_values=True, strict_parsing=True)) == query
    assert json.loads(heard.body) == body
