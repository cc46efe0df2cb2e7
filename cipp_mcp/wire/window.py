"""CIPP's request window: 100 in any 10 s for one API client, whichever of this machine's processes sends them.

A start is counted when it is handed out, but the request arrives later: those in flight may fall into CIPP's next
window. Keeping that many starts back makes the sum right however long connecting takes. No HTTP may enter.
"""

from __future__ import annotations

import os
import struct
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

CIPPS_LIMIT = 100
WINDOW = 10.0
IN_FLIGHT = 4
"""Most requests of one process that CIPP has not answered yet."""

LATE = 20.0
"""The longest between a start and its arrival: TCP and TLS may take 10 s each."""

LEAST = 8
"""Starts that are left however many processes share the window: with fewer, none would get on."""

HUNG = 1.0
"""Seconds for which another process may hold the shared file; a stopped one must not stop the others."""

_RECORD = struct.Struct("<dQ")
_MOST_BYTES = 2**16


class Window(Protocol):
    """Hands out starts so that CIPP never sees more than its limit in any 10 s, fixed or sliding."""

    async def start(self) -> None:
        """Wait until one more request may begin, and count it."""
        ...


class OwnWindow:
    """The window of one process.

    Args:
        most: starts in 10 s.
    """

    def __init__(self, clock: Clock, sleep: Sleep, most: int = CIPPS_LIMIT - IN_FLIGHT) -> None:
        self._clock = clock
        self._sleep = sleep
        self._most = most
        self._starts: deque[float] = deque()

    async def start(self) -> None:
        """Wait until one more request may begin, and count it."""
        while True:
            now = self._clock()
            while self._starts and now - self._starts[0] >= WINDOW:
                self._starts.popleft()
            if len(self._starts) < self._most:
                self._starts.append(now)
                return
            # The floor outlasts a rounding error that would make this loop spin without ever passing the edge.
            await self._sleep(max(self._starts[0] + WINDOW - now, 0.001))


class SharedWindow:
    """One window for every process that uses the same file, kept under a lock that a process loses when it dies.

    Args:
        place: the file; its folder exists.
        clock: seconds that all processes of the machine count alike, which is what `time.monotonic` does.
    """

    def __init__(self, place: Path, clock: Clock, sleep: Sleep) -> None:
        self._place = place
        self._clock = clock
        self._sleep = sleep
        self._me = int.from_bytes(os.urandom(8), "little")
        # For a folder that cannot be written or a lock that nobody lets go of: a quarter, since others may be there.
        self._alone = OwnWindow(clock, sleep, CIPPS_LIMIT // 4)

    async def start(self) -> None:
        """Wait until one more request may begin, and count it."""
        given_up = self._clock() + HUNG
        while True:
            try:
                seconds = self._take()
            except BlockingIOError:
                if self._clock() >= given_up:
                    return await self._alone.start()
                await self._sleep(0.002)
                continue
            except OSError:
                return await self._alone.start()
            if seconds is None:
                return None
            await self._sleep(max(seconds, 0.001))
            given_up = self._clock() + HUNG

    def _take(self) -> float | None:
        """Count one start and return None, or the seconds until there may be room.

        Raises:
            BlockingIOError: another process has the file now.
            OSError: the file cannot be used.
        """
        now = self._clock()
        # Opened each time: whoever cleans the folder meanwhile must not leave us with a file that nobody else sees.
        handle = os.open(self._place, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _lock(handle)
            kept = _read(os.read(handle, _MOST_BYTES), now)
            recent = [at for at, _ in kept if now - at < WINDOW]
            room = max(CIPPS_LIMIT - IN_FLIGHT * len({who for _, who in kept} | {self._me}), LEAST)
            if len(recent) >= room:
                return recent[len(recent) - room] + WINDOW - now
            os.lseek(handle, 0, os.SEEK_SET)
            written = os.write(handle, b"".join(_RECORD.pack(*one) for one in (*kept, (now, self._me))))
            os.ftruncate(handle, written)
        finally:
            os.close(handle)
        return None


def _lock(handle: int) -> None:
    """Lock an open file until it is closed; raises BlockingIOError at once when somebody else has it."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _MOST_BYTES, os.SEEK_SET)  # a lock there keeps nobody from reading
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
        os.lseek(handle, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read(content: bytes, now: float) -> list[tuple[float, int]]:
    """The starts that still matter, oldest first. What a crash cut short or another boot left behind is no start."""
    whole = content[: len(content) // _RECORD.size * _RECORD.size]
    return sorted(one for one in _RECORD.iter_unpack(whole) if 0 <= now - one[0] < WINDOW + LATE)
