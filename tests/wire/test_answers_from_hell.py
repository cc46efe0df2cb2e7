"""Whatever bytes come back, a write has left once and the caller gets a Response or Lost."""

from __future__ import annotations

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from cipp_mcp.errors import Lost
from cipp_mcp.message import Request, Response
from cipp_mcp.wire.client import Wire
from tests.wire.conftest import outcome, settings_for
from tests.wire.scripted_server import ScriptedServer, raw

headers = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 4",
            b"Content-Length: 0",
            b"Content-Length: 99999999999999999999",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Content-Encoding: gzip",
            b"Content-Encoding: deflate",
            b"Content-Encoding: br",
            b"Content-Type: application/json; charset=\xff",
            b"Retry-After: 1",
            b"Location: \x01",
            b"Connection: upgrade",
            b"Upgrade: h2c",
            b"no colon",
            b": empty name",
            b" folded",
        ]
    ),
    max_size=4,
)
status = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 101 S", b"HTTP/1.1 100 C", b"HTTP/1.1 204", b"HTTP/1.1 999 ?"]
)
known_bodies = [b"", b"true", b"4\r\ntrue\r\n0\r\n\r\n", b"zz\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\x1f\x8b\x08\x00"]
bodies = st.sampled_from(known_bodies) | st.binary(max_size=20)
crafted = st.builds(lambda s, h, b: s + b"\r\n" + b"".join(x + b"\r\n" for x in h) + b"\r\n" + b, status, headers, bodies)


@settings(max_examples=150, deadline=None)
@given(crafted | st.binary(max_size=200))
def test_a_write_leaves_once_and_never_ends_in_a_foreign_exception(data: bytes) -> None:
    async def walk() -> None:
        async with ScriptedServer() as server, Wire(settings_for(server.url)) as wire:
            server.otherwise = raw(data)
            got = await outcome(wire, Request("POST", "/api/X", body={}, timeout=5))
            assert isinstance(got, Response | Lost)
            assert len(server.requests) == 1 or (isinstance(got, Response) and got.status == 401)

    anyio.run(walk)
