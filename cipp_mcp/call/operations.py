"""Writes under way: once a write is on the wire it is finished and recorded, whoever stops waiting for it.

A cancelled client, an expired foreground budget or a server that is told to stop never cut a write in the middle.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from cipp_mcp.message import Outcome


def new_operation_id() -> str:
    """The handle of one write: stands in the trail, in the answer and, where CIPP keeps a mark, in CIPP."""
    return f"op_{secrets.token_hex(8)}"


class Operations:
    """The writes of this process.

    Args:
        tasks: outlives every call; left only when its tasks are done.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._ended: dict[str, Outcome] = {}

    async def run(self, operation: str, work: Callable[[], Awaitable[Outcome]], within: float | None) -> Outcome | None:
        """Start the work and wait for its end, at most `within` seconds (None: to the end). None when it goes on.

        The work is shielded: no cancellation reaches it.
        """
        done = anyio.Event()

        async def shielded() -> None:
            with anyio.CancelScope(shield=True):
                try:
                    self._ended[operation] = await work()
                finally:
                    done.set()

        self._tasks.start_soon(shielded, name=operation)
        with anyio.move_on_after(within):
            await done.wait()
        return self._ended.get(operation)
