"""What we allow ourselves to send: CIPP's request window, calls in flight, and retries.

CIPP counts 100 requests per client in a fixed window of 10 s and everything counts, so each try asks here first.
Clock, sleep and dice are given, which keeps tests free of patches. No HTTP may enter; the limits of several
processes on one machine would replace `_Window` and nothing else.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

CIPPS_LIMIT = 100
WINDOW = 10.0
IN_FLIGHT = 4
ALLOWANCE = 10.0
EARNED_PER_CALL = 0.1
FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 10.0

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class _Window:
    """Hands out starts so that CIPP never sees more than its limit in any 10 s, fixed or sliding.

    A start is counted when it is handed out, but the request arrives later: those in flight may fall into the next
    window. Keeping that many starts back makes the sum right however long connecting takes.
    """

    def __init__(self, clock: Clock, sleep: Sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._starts: deque[float] = deque()

    async def start(self) -> None:
        while True:
            now = self._clock()
            while self._starts and now - self._starts[0] >= WINDOW:
                self._starts.popleft()
            if len(self._starts) < CIPPS_LIMIT - IN_FLIGHT:
                self._starts.append(now)
                return
            # The floor outlasts a rounding error that would make this loop spin without ever passing the edge.
            await self._sleep(max(self._starts[0] + WINDOW - now, 0.001))


class Budget:
    """The limits of one process.

    Args:
        wait_scale: multiplies every deliberate wait, never the window.
        clock: monotonic seconds.
        sleep: waits for so many seconds.
        dice: a number from 0 up to 1, for the jitter.
    """

    def __init__(
        self,
        wait_scale: float = 1.0,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._scale = wait_scale
        self._sleep = sleep
        self._dice = dice
        self._window = _Window(clock, sleep)
        self._places = anyio.Semaphore(IN_FLIGHT)
        self._allowance = ALLOWANCE

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One of the places in flight, entered when the window has room. Give it back before any wait."""
        async with self._places:
            await self._window.start()
            yield

    def count_call(self) -> None:
        """Every call earns a tenth of a retry, so a host that fails every call gets a tenth more load, not three times."""
        self._allowance = min(ALLOWANCE, self._allowance + EARNED_PER_CALL)

    def take_retry(self) -> bool:
        """Take one retry of a read out of the allowance; False when there is none left."""
        # Tenths do not add up to exactly one in binary.
        if self._allowance < 1.0 - 1e-9:
            return False
        self._allowance -= 1.0
        return True

    def back_off(self, tries: int) -> float:
        """Seconds to wait after so many tries: full jitter below a doubling ceiling."""
        return self._dice() * min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** (tries - 1))

    async def wait(self, seconds: float) -> None:
        """A deliberate wait, scaled."""
        await self._sleep(seconds * self._scale)
