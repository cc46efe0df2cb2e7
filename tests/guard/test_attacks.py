"""No effect without a person's yes, over the twenty strategies, counted in the box's ledger.

Sampled here; the whole (5,000 attempts) runs with `python -m pytest -m slow tests/guard`.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import anyio
import pytest

from tests.guard.attacks import ATTACKS, Attack, race, read_the_hijack
from tests.guard.siege import siege

pytestmark = pytest.mark.anyio
ATTEMPTS = 250
"""For each of the twenty strategies in the whole run."""


async def played(attack: Attack, folder: Path, attempts: int) -> None:
    made = seed = 0
    while made < attempts:
        with siege(folder / f"{attack.__name__}-{seed}") as at, anyio.fail_after(120):
            at.home.mkdir(parents=True)
            if seed % 2:
                await read_the_hijack(at)
            before = at.effects()
            allowed = await attack(at, Random(seed))
            assert at.effects() - before <= allowed, [str(e) for e in at.box.world.ledger[before:]]
        made, seed = made + at.attempts, seed + 1


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__)
async def test_no_attempt_has_an_effect_that_nobody_said_yes_to(attack: Attack, tmp_path: Path) -> None:
    await played(attack, tmp_path, 5)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__)
async def test_five_thousand_attempts_have_no_effect_that_nobody_said_yes_to(attack: Attack, tmp_path: Path) -> None:
    await played(attack, tmp_path, ATTEMPTS)


async def test_fifty_parallel_applies_of_one_plan_have_exactly_one_effect(tmp_path: Path) -> None:
    await raced(tmp_path, 3)


@pytest.mark.slow
async def test_a_hundred_rounds_of_fifty_parallel_applies_have_exactly_one_effect_each(tmp_path: Path) -> None:
    await raced(tmp_path, 100)


async def raced(folder: Path, rounds: int) -> None:
    for n in range(rounds):
        with siege(folder / str(n)) as at, anyio.fail_after(120):
            before = at.effects()
            await race(at, Random(n))
            assert at.effects() - before == 1
