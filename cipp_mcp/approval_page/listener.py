"""HTTP/1.1 on 127.0.0.1, just enough for a person's browser: one request a connection, small, and never for long.

h11 over a bare socket, because a framework would cost more start-up time than the whole server. Sockets, sizes and
time only; what an address means, who may see it and what a plan is may not enter.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio
import h11
from anyio.abc import SocketAttribute, SocketStream, TaskGroup

log = logging.getLogger("cipp_mcp.approval_page")

MOST_HEAD = 16 * 1024
MOST_BODY = 16 * 1024
MOST_CONNECTIONS = 32
ANSWER_WITHIN = 30.0
DRAIN_WITHIN = 1.0
GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came. Header names in lower case; a repeated header is joined and so never looks like one."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class _Refuse(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Listener:
    """A port and the conversations on it.

    Args:
        answer: what to say to a whole request.
        refuse: what to say, by status, when there was none.
        read_within: seconds until a request must be complete.
    """

    def __init__(
        self,
        answer: Callable[[Asked], Awaitable[Answer]],
        refuse: Callable[[int], Answer],
        *,
        read_within: float,
    ) -> None:
        self._answer = answer
        self._refuse = refuse
        self._read_within = read_within
        self._talking = 0

    async def start(self, tasks: TaskGroup) -> int:
        """Listen until the task group ends; returns the port.

        Raises:
            OSError: there is no port to be had.
        """
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)

        async def serve() -> None:
            async with listener:
                await listener.serve(self._talk)

        tasks.start_soon(serve)
        return int(listener.extra(SocketAttribute.local_port))

    async def _talk(self, stream: SocketStream) -> None:
        """One connection. Whatever goes wrong here ends the connection and never the server around it."""
        if self._talking >= MOST_CONNECTIONS:
            await anyio.aclose_forcefully(stream)
            return
        self._talking += 1
        try:
            async with stream:
                with anyio.move_on_after(self._read_within + ANSWER_WITHIN):
                    await self._converse(stream)
        except GONE:
            pass
        except Exception as error:
            # The kind only: a message or a trace could carry the secret part of an address.
            log.error("A request to the approval page failed: %s", type(error).__name__)
        finally:
            self._talking -= 1

    async def _converse(self, stream: SocketStream) -> None:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
        try:
            asked = await self._read(stream, parser)
        except _Refuse as refused:
            await self._reply(stream, parser, self._refuse(refused.status))
            await self._drain(stream)
            return
        if asked is None:
            return
        try:
            answer = await self._answer(asked)
        except Exception as error:
            log.error("The approval page could not answer: %s", type(error).__name__)
            answer = self._refuse(500)
        await self._reply(stream, parser, answer, bodiless=asked.method == "HEAD")

    async def _read(self, stream: SocketStream, parser: h11.Connection) -> Asked | None:
        """The whole request; None when the other side went or never said anything."""
        got = 0
        request: h11.Request | None = None
        body = bytearray()
        with anyio.move_on_after(self._read_within):
            while True:
                try:
                    event = parser.next_event()
                except h11.RemoteProtocolError as error:
                    raise _Refuse(error.error_status_hint) from None
                if event is h11.NEED_DATA:
                    try:
                        data = await stream.receive()
                    except anyio.EndOfStream:
                        return None
                    got += len(data)
                    parser.receive_data(data)
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > MOST_BODY:
                        raise _Refuse(413)
                elif isinstance(event, h11.EndOfMessage) and request is not None:
                    return Asked(request.method.decode("ascii"), request.target.decode("latin-1"), _headers(request), bytes(body))
                else:
                    return None
        if got:
            raise _Refuse(408)
        return None  # browsers open connections in advance; nobody waits for an answer on this one

    async def _reply(self, stream: SocketStream, parser: h11.Connection, answer: Answer, *, bodiless: bool = False) -> None:
        headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("Connection", "close")]
        sent = [
            parser.send(h11.Response(status_code=answer.status, headers=headers)),
            b"" if bodiless else parser.send(h11.Data(data=answer.body)),
            parser.send(h11.EndOfMessage()),
        ]
        await stream.send(b"".join(part for part in sent if part))

    async def _drain(self, stream: SocketStream) -> None:
        """Read what is still coming, for a moment: a close with unread bytes resets the line and eats our answer."""
        await stream.send_eof()
        with anyio.move_on_after(DRAIN_WITHIN):
            while True:
                await stream.receive()


def _headers(request: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}; {value}" if name in found else value
    return found
