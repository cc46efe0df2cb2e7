"""What this process is at: writes on the wire and reads that take long, finished whoever stops waiting for them.

Only starting, waiting and telling; what the work does and where its end is kept is decided elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio
from anyio.abc import TaskGroup

from cipp_mcp.message import Outcome

log = logging.getLogger("cipp_mcp.call")

MOST_UNFETCHED = 50
TELL_EVERY = 5.0
TELL_AT_MOST = 0.02
"""Seconds that two tellings are apart however much the waits are scaled down."""


class Running:
    """The work of one process.

    Args:
        tasks: outlives every call; left only when its tasks are done.
        wait: sleeps that many seconds, scaled.
    """

    def __init__(self, tasks: TaskGroup, wait: Callable[[float], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._wait = wait
        self._waiting: dict[object, Callable[[str], Awaitable[None]]] = {}
        self._ticker: anyio.CancelScope | None = None
        self._ended: dict[str, Outcome] = {}
        self._broken: dict[str, Exception] = {}
        self._done: dict[str, anyio.Event] = {}
        self._leaves: dict[str, anyio.CancelScope] = {}

    def stop(self) -> None:
        """The process is about to end: what may be left off ends now, a write is still finished."""
        for scope in self._leaves.values():
            scope.cancel()
        if self._ticker is not None:
            self._ticker.cancel()

    @contextmanager
    def telling(self, tell: Callable[[str], Awaitable[None]]) -> Iterator[None]:
        """Tell this caller at least every five seconds that the call is still waited for."""
        # One task for all of them: making and cancelling one for each call took a twentieth of a read's time.
        place = object()
        self._waiting[place] = tell
        if self._ticker is None:
            self._ticker = anyio.CancelScope()
            self._tasks.start_soon(self._tick, self._ticker)
        try:
            yield
        finally:
            del self._waiting[place]

    async def _tick(self, scope: anyio.CancelScope) -> None:
        with scope:
            while self._waiting:
                await self._wait(TELL_EVERY)
                await anyio.sleep(TELL_AT_MOST)
                for place in list(self._waiting):
                    await self._tell(place)
        self._ticker = None

    async def _tell(self, place: object) -> None:
        """Nobody is told after his answer, and nobody who does not listen keeps it from the others."""
        if (tell := self._waiting.get(place)) is None:
            return
        try:
            with anyio.move_on_after(TELL_EVERY):
                await tell("Still waiting")
        except Exception as error:  # the client has gone: its call ends by itself, the desk goes on
            log.debug("a caller could not be told: %s", type(error).__name__)
            if place in self._waiting:
                self._waiting[place] = _nobody

    async def run(
        self,
        operation: str,
        work: Callable[[], Awaitable[Outcome]],
        within: float | None,
        *,
        withdraw: Callable[[], None] | None = None,
    ) -> Outcome | None:
        """Start the work and wait for its end, at most `within` seconds (None: to the end). None when it goes on.

        Args:
            withdraw: no cancellation reaches the work, it is told instead and knows what can still be undone; without
                this the work ends with the caller that waits for it.
        """
        done = self._done[operation] = anyio.Event()
        scope = anyio.CancelScope(shield=withdraw is not None)
        if withdraw is None:
            self._leaves[operation] = scope

        async def worked() -> None:
            with scope:
                try:
                    self._ended[operation] = await work()
                except Exception as error:  # a bug of ours ends this call and not the whole desk
                    self._broken[operation] = error
                finally:
                    self._leaves.pop(operation, None)
                    done.set()

        self._tasks.start_soon(worked, name=operation)
        try:
            ended = await self.wait_for(operation, within)
        except anyio.get_cancelled_exc_class():
            if withdraw is not None:
                withdraw()
            else:
                scope.cancel()
            raise
        if ended is not None:
            self._forget(operation)
        return ended

    def _forget(self, operation: str) -> None:
        """An answer that was given need not be kept; of those that nobody fetched only the latest are."""
        for known in [operation, *list(self._ended)[:-MOST_UNFETCHED]]:
            self._ended.pop(known, None)
            self._done.pop(known, None)
            self._broken.pop(known, None)

    async def drained(self) -> None:
        """Return when nothing is on the wire any more."""
        while busy := [event for event in self._done.values() if not event.is_set()]:
            await busy[0].wait()

    def is_running(self, operation: str) -> bool:
        """Whether it is on the wire now."""
        return operation in self._done and not self._done[operation].is_set()

    def knows(self, operation: str) -> bool:
        """Whether this process sent it."""
        return operation in self._done

    async def wait_for(self, operation: str, within: float | None) -> Outcome | None:
        """The end of what this process is at, or None when it takes longer. A bug of ours in it is raised here."""
        with anyio.move_on_after(within):
            await self._done[operation].wait()
        if (broken := self._broken.get(operation)) is not None:
            raise broken
        return self._ended.get(operation)


async def _nobody(_: str) -> None:
    return None
