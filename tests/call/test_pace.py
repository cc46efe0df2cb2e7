"""Several requests of one call: how many go out together, what lies between, and what one failure does to the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.lowlevel import checkpoint

from cipp_mcp.call.pace import Pace
from cipp_mcp.errors import NotSent

pytestmark = pytest.mark.anyio


class Side:
    """The other side, which sees how many requests are with it at the same time."""

    def __init__(self, broken: int = -1) -> None:
        self.broken = broken
        self.here = 0
        self.most = 0
        self.came: list[int] = []
        self.waits: list[float] = []

    def job(self, n: int) -> Callable[[], Awaitable[int]]:
        async def run() -> int:
            self.came.append(n)
            self.here += 1
            self.most = max(self.most, self.here)
            for _ in range(5 - n % 5):  # later ones end earlier
                await checkpoint()
            self.here -= 1
            if n == self.broken:
                raise NotSent("no", hint="")
            return n

        return run

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.mark.parametrize(("together", "batches"), [(1, 10), (3, 4), (4, 3), (25, 1)])
async def test_so_many_go_out_together_and_the_answers_keep_their_order(together: int, batches: int) -> None:
    side = Side()
    pace = Pace.of({"timeout": 120, "batch_size": 25, "batch_interval": 0.5}, {"batch_size": together, "batch_interval": 2})
    with anyio.fail_after(5):
        assert await pace.all([side.job(n) for n in range(10)], side.wait) == list(range(10))
    assert side.most == min(together, 10)
    assert side.waits == [2] * (batches - 1)


async def test_what_fails_ends_it_with_its_own_batch() -> None:
    side = Side(broken=1)
    with anyio.fail_after(5), pytest.raises(NotSent):
        await Pace(3).all([side.job(n) for n in range(10)], side.wait)
    assert sorted(side.came) == [0, 1, 2]


async def test_nothing_to_do_is_done() -> None:
    assert await Pace().all([], Side().wait) == []
