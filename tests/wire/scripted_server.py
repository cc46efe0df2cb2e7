"""A server on a loopback socket that plays scripted bytes and writes down what it heard.

It parses requests by hand and shares no code with the wire. One server is both CIPP and the token endpoint.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

Play = Callable[[asyncio.StreamWriter], Awaitable[bool]]
"""Writes an answer; True keeps the connection."""


@dataclass(frozen=True)
class Heard:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


def raw(data: bytes, *, keep: bool = False) -> Play:
    """Exactly these bytes, then the end of the stream unless kept."""

    async def play(writer: asyncio.StreamWriter) -> bool:
        writer.write(data)
        await writer.drain()
        return keep

    return play


def answer(status: int = 200, body: bytes | str = b"[]", kind: str = "application/json", **headers: str) -> Play:
    """A proper answer; `Retry_After="1"` becomes a header."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    if kind:
        lines.append(f"Content-Type: {kind}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body, keep=True)


def grant(text: str, life: object = 3600) -> Play:
    """What a token endpoint says when it agrees."""
    return answer(200, json.dumps({"token_type": "Bearer", "access_token": text, "expires_in": life}))


def reset(before: bytes = b"") -> Play:
    """RST instead of an orderly end, after these bytes."""

    async def play(writer: asyncio.StreamWriter) -> bool:
        if before:
            writer.write(before)
            await writer.drain()
            await asyncio.sleep(0.02)  # else the RST overtakes the bytes
        plain: socket.socket = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    return play


async def hang(writer: asyncio.StreamWriter) -> bool:
    """No byte, and the connection stays open."""
    await asyncio.Event().wait()
    return False


def late(seconds: float, then: Play) -> Play:
    async def play(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(seconds)
        return await then(writer)

    return play


def drip(every: float) -> Play:
    """One byte of the body at a time, for ever."""

    async def play(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(every)

    return play


def gate(opened: asyncio.Event, then: Play) -> Play:
    async def play(writer: asyncio.StreamWriter) -> bool:
        await opened.wait()
        return await then(writer)

    return play


class ScriptedServer:
    """Plays `script` in order, then `otherwise`; the same for tokens."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Heard] = []
        self.tokens_asked: list[Heard] = []
        self.script: deque[Play] = deque()
        self.otherwise: Play = answer()
        self.token_script: deque[Play] = deque()
        self.connections = 0
        self.busy = 0
        self._change = asyncio.Condition()
        self.busiest = 0
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def until(self, *, busy: int) -> None:
        """Wait until so many requests are being answered at once."""
        async with self._change:
            await self._change.wait_for(lambda: self.busy >= busy)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        try:
            while (heard := await _hear(reader, number)) is not None:
                if heard.method == "CONNECT" and not self.script:
                    await _tunnel(heard, reader, writer)
                    break
                if not await self._play(heard, writer):
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            pass  # the end of the test
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _play(self, heard: Heard, writer: asyncio.StreamWriter) -> bool:
        if heard.path == "/token":
            self.tokens_asked.append(heard)
            number = len(self.tokens_asked)
            return await (self.token_script.popleft() if self.token_script else grant(f"token-{number}"))(writer)
        self.requests.append(heard)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        async with self._change:
            self._change.notify_all()
        try:
            return await (self.script.popleft() if self.script else self.otherwise)(writer)
        finally:
            self.busy -= 1


async def _hear(reader: asyncio.StreamReader, connection: int) -> Heard | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    return Heard(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))), connection)


async def _tunnel(heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What an honest proxy does with CONNECT."""
    host, _, port = heard.target.partition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    await asyncio.gather(pour(reader, far_writer), pour(far_reader, writer))
