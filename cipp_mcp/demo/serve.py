"""The box: real HTTP/1.1 on 127.0.0.1, in a thread of its own, usable from sync code and from any loop.

h11 over a bare socket, so that a fault can break the protocol and not only the content. Only sockets, bytes
and time are dealt with here; what a request means is decided in front.py and below.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import anyio
import h11
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from cipp_mcp.demo.access import Role
from cipp_mcp.demo.dialect import Endpoint
from cipp_mcp.demo.faults import Close, Cut, Faults, Http, Move, Wait
from cipp_mcp.demo.front import LARGEST_BODY, Front, Received
from cipp_mcp.demo.world import World

GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, h11.RemoteProtocolError, OSError)


class Box:
    """One running demo. Open it, use its addresses, look at its world, close it."""

    def __init__(
        self,
        role: Role = "admin",
        *,
        start: datetime | None = None,
        enforce_rate: bool = True,
        token_life: float = 3599,
        newer: Mapping[str, Endpoint] | None = None,
        port: int = 0,
    ) -> None:
        self.world = World.fresh(start)
        self.faults = Faults(refuse=self._refuse)
        self.front = Front(self.world, self.faults, role, enforce_rate=enforce_rate, token_life=token_life, newer=newer)
        self.most_in_flight = 0
        self.port = port
        self._in_flight = 0
        self._connections: set[SocketStream] = set()
        self._pause = 0.0
        self._runner = start_blocking_portal("asyncio")
        self._portal: BlockingPortal
        self._open = False

    @classmethod
    def open(
        cls,
        role: Role = "admin",
        *,
        start: datetime | None = None,
        enforce_rate: bool = True,
        token_life: float = 3599,
        newer: Mapping[str, Endpoint] | None = None,
        port: int = 0,
    ) -> Self:
        """Start, and return when it listens. `port` 0 takes a free one; `newer` as in `Front`."""
        box = cls(role, start=start, enforce_rate=enforce_rate, token_life=token_life, newer=newer, port=port)
        box._portal = box._runner.__enter__()
        try:
            _, box.port = box._portal.start_task(box._serve)
        except BaseException:
            box._runner.__exit__(None, None, None)
            raise
        box._open = True
        return box

    def close(self) -> None:
        if self._open:
            self._open = False
            self._portal.call(self._scope.cancel)
            self._runner.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # -- what others read ------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_url(self) -> str:
        return f"{self.api_url}/{self.tenant_id}/oauth2/v2.0/token"

    @property
    def tenant_id(self) -> str:
        return self.front.tenant_id

    @property
    def client_id(self) -> str:
        return self.front.client_id

    @property
    def client_secret(self) -> str:
        return self.front.client_secret

    @property
    def requests(self) -> tuple[Received, ...]:
        with self.world.lock:
            return tuple(self.front.received)

    @property
    def in_flight(self) -> int:
        """Requests that are being answered now."""
        return self._in_flight

    @property
    def tokens_issued(self) -> int:
        with self.world.lock:
            return len(self.front.tokens)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that must not show up anywhere else: the client's secret, its tokens, all that the world gave away."""
        with self.world.lock:
            return (self.client_secret, *self.front.tokens, *self.world.secrets)

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """Mistakes of the demo itself (never of a request); expected to be empty."""
        return tuple(self.front.errors)

    def environment(self) -> dict[str, str]:
        return {
            "CIPP_API_URL": self.api_url,
            "CIPP_TOKEN_URL": self.token_url,
            "CIPP_TENANT_ID": self.tenant_id,
            "CIPP_CLIENT_ID": self.client_id,
            "CIPP_CLIENT_SECRET": self.client_secret,
        }

    # -- listening -------------------------------------------------------------------------------------

    async def _serve(self, *, task_status: TaskStatus[int]) -> None:
        with anyio.CancelScope() as self._scope:
            async with anyio.create_task_group() as group:
                listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=self.port)
                port = int(listener.extra(SocketAttribute.local_port))
                task_status.started(port)
                while True:
                    self._shut = anyio.Event()
                    async with listener:
                        with anyio.CancelScope() as self._accepting:
                            await listener.serve(self._talk, group)
                    for stream in list(self._connections):
                        await anyio.aclose_forcefully(stream)
                    self._shut.set()
                    await anyio.sleep(self._pause)
                    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)

    def _refuse(self, seconds: float) -> None:
        """Close the port for a while: the system itself refuses connections, as with a wrong address."""

        async def shut() -> None:
            self._pause = seconds
            self._accepting.cancel()
            await self._shut.wait()

        self._portal.call(shut)

    async def _talk(self, stream: SocketStream) -> None:
        self._connections.add(stream)
        try:
            async with stream:
                await self._converse(stream)
        except GONE:
            pass
        finally:
            self._connections.discard(stream)

    # -- one connection --------------------------------------------------------------------------------

    async def _converse(self, stream: SocketStream) -> None:
        parser = h11.Connection(h11.SERVER)
        while True:
            read = await self._read(stream, parser)
            if read is None:
                return
            request, body, whole = read
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            try:
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
                turn = self.front.turn(request.method.decode(), request.target.decode("latin-1"), headers, body, whole)
                keep = True
                try:
                    for move in turn.moves:
                        keep = await self._make(stream, parser, move) and keep
                finally:
                    if turn.afterwards is not None:
                        turn.afterwards()
            finally:
                self._in_flight -= 1
            if not keep or not whole or parser.our_state is not h11.DONE or parser.their_state is not h11.DONE:
                return
            parser.start_next_cycle()

    async def _read(self, stream: SocketStream, parser: h11.Connection) -> tuple[h11.Request, bytes, bool] | None:
        """The next request with its body, and whether all of the body was read; None when the other side has gone."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                if request is not None and parser.they_are_waiting_for_100_continue:
                    await self._send(stream, parser, h11.InformationalResponse(status_code=100, headers=[]))
                try:
                    parser.receive_data(await stream.receive())
                except anyio.EndOfStream:
                    parser.receive_data(b"")
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > LARGEST_BODY and request is not None:
                    return request, b"", False
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return request, bytes(body), True
            else:
                return None

    async def _send(self, stream: SocketStream, parser: h11.Connection, event: h11.Event) -> None:
        data = parser.send(event)
        if data:
            await stream.send(data)

    async def _make(self, stream: SocketStream, parser: h11.Connection, move: Move) -> bool:
        """Do one move; false when the connection is not to be used again."""
        if isinstance(move, Wait):
            if move.seconds is None:
                while True:  # until the other side goes, or the box closes
                    await stream.receive()
            await anyio.sleep(move.seconds)
            return True
        if isinstance(move, Http):
            return await self._reply(stream, parser, move)
        if isinstance(move, Cut):
            # With no time to linger the system sends a reset instead of an orderly end.
            raw = stream.extra(SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            await anyio.aclose_forcefully(stream)
            return False
        assert isinstance(move, Close)
        return False

    async def _reply(self, stream: SocketStream, parser: h11.Connection, move: Http) -> bool:
        length = len(move.body) if move.claimed_length is None else move.claimed_length
        headers = [("Server", "Kestrel"), *move.headers]
        if move.status != 204 and not move.parts:
            headers.append(("Content-Length", str(length)))
        if move.content_type is not None:
            headers.append(("Content-Type", move.content_type))
        head = parser.send(h11.Response(status_code=move.status, headers=headers)) or b""
        if move.claimed_length is not None:
            await stream.send(head + move.body)
            return False
        if move.drip is None:
            await stream.send(head + (parser.send(h11.Data(data=move.body)) or b""))
            for part in move.parts:
                await self._send(stream, parser, h11.Data(data=part))
            await self._send(stream, parser, h11.EndOfMessage())
            return True
        await stream.send(head)
        step = max(1, len(move.body) // 64)
        for at in range(0, len(move.body), step):
            await anyio.sleep(move.drip * step / max(len(move.body), 1))
            await self._send(stream, parser, h11.Data(data=move.body[at : at + step]))
        await self._send(stream, parser, h11.EndOfMessage())
        return True
