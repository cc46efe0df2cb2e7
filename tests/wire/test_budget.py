"""The limits, under a clock that only moves when somebody sleeps."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.wire.budget import Budget

pytestmark = pytest.mark.anyio


class Time:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await anyio.lowlevel.checkpoint()


def budget_of(time: Time, scale: float = 1.0, dice: float = 1.0) -> Budget:
    return Budget(scale, clock=time.clock, sleep=time.sleep, dice=lambda: dice)


def most_in_any_window(starts: list[float]) -> int:
    return max(sum(first <= start < first + 10 for start in starts) for first in starts)


@pytest.mark.parametrize("scale", [1.0, 0.0])
@pytest.mark.parametrize("pause", [0.0, 0.03, 0.15])
async def test_no_sliding_window_of_ten_seconds_sees_more_than_cipp_allows(scale: float, pause: float) -> None:
    time = Time()
    budget = budget_of(time, scale)
    starts: list[float] = []

    async def caller() -> None:
        for _ in range(80):
            async with budget.place():
                starts.append(time.now)
                await time.sleep(pause)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(caller)
    assert len(starts) == 480
    # Four in flight may reach CIPP late, in the next window: the sum of both stays within 100.
    assert most_in_any_window(starts) + 4 <= 100


async def test_the_first_requests_do_not_wait() -> None:
    time = Time()
    budget = budget_of(time)
    for _ in range(96):
        async with budget.place():
            pass
    assert time.slept == []
    async with budget.place():
        pass
    assert time.now == pytest.approx(1010)


async def test_a_place_is_given_back_after_an_error_or_a_cancellation() -> None:
    budget = budget_of(Time())
    with anyio.fail_after(5):
        for _ in range(10):
            with pytest.raises(ValueError, match="boom"):
                async with budget.place():
                    raise ValueError("boom")
            with anyio.CancelScope() as scope:
                async with budget.place():
                    scope.cancel()
                    await anyio.sleep_forever()
        async with budget.place(), budget.place(), budget.place(), budget.place():
            pass


def test_ten_retries_are_there_and_ten_calls_earn_one() -> None:
    budget = budget_of(Time())
    assert [budget.take_retry() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(9):
        budget.count_call()
    assert not budget.take_retry()
    budget.count_call()
    assert budget.take_retry()
    assert not budget.take_retry()


def test_the_allowance_never_exceeds_ten() -> None:
    budget = budget_of(Time())
    for _ in range(1000):
        budget.count_call()
    assert sum(budget.take_retry() for _ in range(50)) == 10


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 50))
def test_back_off_is_jittered_from_zero_up_to_a_doubling_ceiling(dice: float, tries: int) -> None:
    assert 0 <= budget_of(Time(), dice=dice).back_off(tries) <= min(10, 2 ** (tries - 1))


async def test_deliberate_waits_are_scaled() -> None:
    time = Time()
    await budget_of(time, scale=0.25).wait(8)
    assert time.slept == [2]
