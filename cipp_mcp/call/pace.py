"""A call that needs several requests makes them some at a time, as the operator allows, or slower where the call asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio

from cipp_mcp.errors import CippMcpError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests go out together (`batch_size`), and the seconds between such batches (`batch_interval`)."""

    together: int = 4
    apart: float = 0.0

    @classmethod
    def of(cls, bounds: Mapping[str, float], options: Mapping[str, float]) -> Pace:
        """The operator's, or what the call asks for within it."""
        chosen = {**bounds, **options}
        return cls(int(chosen["batch_size"]), chosen["batch_interval"])

    async def all(self, jobs: Sequence[Callable[[], Awaitable[T]]], wait: Callable[[float], Awaitable[None]]) -> list[T]:
        """What the jobs give, in their order.

        Raises:
            CippMcpError: of the first job that failed; no batch is begun after its own.
        """
        done: dict[int, T | CippMcpError] = {}

        async def run(place: int) -> None:
            try:
                done[place] = await jobs[place]()
            except CippMcpError as error:
                done[place] = error

        results: list[T] = []
        for first in range(0, len(jobs), self.together):
            if first and self.apart:
                await wait(self.apart)
            places = range(first, min(first + self.together, len(jobs)))
            async with anyio.create_task_group() as batch:
                for place in places:
                    batch.start_soon(run, place)
            for result in (done[place] for place in places):
                if isinstance(result, CippMcpError):
                    raise result
                results.append(result)
        return results
