"""What we allow ourselves to send: CIPP's request window, calls in flight, and retries.

CIPP counts 100 requests per client in a fixed window of 10 s and everything counts, so each try asks here first.
Clock, sleep and dice are given, which keeps tests free of patches. No HTTP may enter.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from cipp_mcp.wire.window import IN_FLIGHT, Clock, OwnWindow, SharedWindow, Sleep, Window

ALLOWANCE = 10.0
EARNED_PER_CALL = 0.1
FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 10.0


class Budget:
    """The limits of one process.

    Args:
        wait_scale: multiplies every deliberate wait, never the window.
        clock: monotonic seconds.
        sleep: waits for so many seconds.
        dice: a number from 0 up to 1, for the jitter.
        shared: the file of the window that this machine's processes share; without it this process has one of its own.
    """

    def __init__(
        self,
        wait_scale: float = 1.0,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        dice: Callable[[], float] = random.random,
        shared: Path | None = None,
    ) -> None:
        self._scale = wait_scale
        self._sleep = sleep
        self._dice = dice
        self._window: Window = SharedWindow(shared, clock, sleep) if shared else OwnWindow(clock, sleep)
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
