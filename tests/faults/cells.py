"""One cell of the matrix: played once, and everything that is wrong about how it ended.

The rules here are the meaning of the matrix's words. They look at the ledger first and at the outcome second.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipp_mcp.message import Outcome, Word
from tests.faults import acts, killing
from tests.faults.acts import Act, Ends, Play
from tests.faults.scenes import CLASSES, Scene, scene
from tests.faults.stage import Lane, Pace, Stage

MATRIX: Mapping[str, Mapping[str, Any]] = tomllib.loads((Path(__file__).parent / "matrix.toml").read_text(encoding="utf-8"))
ACTS: Mapping[str, Act] = {
    "wire": acts.wire,
    "plain": acts.plain,
    "forbid": acts.forbid,
    "refuse": acts.refuse,
    "put_off": acts.put_off,
    "tenant": acts.tenant,
    "mutate": acts.mutate,
    "folder": acts.folder,
    "token": acts.token,
    "again": acts.again,
    "cancel": acts.cancel,
    "kill": killing.kill,
}
SEVERAL = {("F35", "W1"), ("F21", "Q")}
ASKING = {"F35"}


@dataclass(frozen=True)
class Cell:
    """One fault against one class, with a seed."""

    fault: str
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.fault}/{self.kind}/{self.seed}"

    @property
    def codes(self) -> list[str]:
        return str(MATRIX[self.fault]["ends"].split()[CLASSES.index(self.kind)]).split("/")

    @property
    def play(self) -> Play:
        """The seed's way to play it; each way comes up before one does twice."""
        plays = [p for p in MATRIX[self.fault]["plays"] if self.kind in p.get("for", CLASSES)]
        offset = random.Random(f"{self.fault}/{self.kind}").randrange(len(plays))
        return plays[(offset + self.seed) % len(plays)]


def cells(seeds: range) -> Iterator[Cell]:
    """Every cell of the matrix that applies, with each of the seeds."""
    for fault in MATRIX:
        for kind in CLASSES:
            if Cell(fault, kind, 0).codes != ["-"]:
                yield from (Cell(fault, kind, seed) for seed in seeds)


@dataclass
class Result:
    """How a cell ended.

    Attributes:
        wrong: what must not be; empty for a good cell.
        doubted: CIPP's answer left it unknown although it had happened and a read exists; closed: a read-back told.
    """

    cell: Cell
    first: Word
    last: Word
    effects: int
    wrong: list[str] = field(default_factory=list)
    doubted: bool = False
    closed: bool = False
    false_done: bool = False
    false_no: bool = False
    twice: bool = False

    def __str__(self) -> str:
        return f"{self.cell} {dict(self.cell.play)}: {self.first} -> {self.last}, {self.effects} effects: {'; '.join(self.wrong)}"


async def run(cell: Cell, lane: Lane) -> Result:
    """Play it."""
    about = MATRIX[cell.fault]
    stage = await lane.clean(Pace(**about.get("pace", {})))
    dice = random.Random(f"{cell}")
    one = scene(cell.kind, dice, stage.box, several=(cell.fault, cell.kind) in SEVERAL)
    while cell.fault in ASKING and not one.asks:
        one = scene(cell.kind, dice, stage.box, several=(cell.fault, cell.kind) in SEVERAL)
    one.prepare(stage.box)
    ends = await ACTS[about.get("act", "wire")](stage, one, cell.play, dice)
    return judged(cell, one, stage, ends)


def judged(cell: Cell, one: Scene, stage: Stage, ends: Ends) -> Result:
    """Hold what was said against what happened and what the matrix allows."""
    happened = one.count(stage)
    result = Result(cell, ends.first.word, ends.last.word, happened, list(ends.wrong))
    say = result.wrong.append
    most = len(one.arguments.get("users") or one.arguments.get("user_ids") or [1])
    if not one.reads and happened > most:
        result.twice = True
        say("it happened more than once")
    for outcome in (ends.first, ends.last):
        if not outcome.writes:
            continue
        if outcome.word is Word.DONE and happened == 0:
            result.false_done = True
            say("done, and nothing happened")
        earlier = cell.fault == "F36" and outcome.word in {Word.UNCHANGED, Word.NEEDS_APPROVAL}
        if outcome.word is not Word.REFUSED and outcome.changed == "no" and happened > 0 and not earlier:
            result.false_no = True
            say("'changed: no', and it happened")
    if not one.reads and stage.sent_to(one.endpoint) > _most_requests(cell, one):
        say(f"sent {stage.sent_to(one.endpoint)} times")
    if not any(_allowed(code, one, ends, happened, stage) for code in cell.codes):
        say(f"ended {ends.first.word} ({ends.first.changed}) -> {ends.last.word}, the matrix wants {'/'.join(cell.codes)}")
    result.doubted = bool({"un", "cl"} & set(cell.codes)) and one.readable and not one.reads and happened > 0
    result.closed = result.doubted and ends.last.word in {Word.DONE, Word.ACCEPTED}
    return result


def _most_requests(cell: Cell, one: Scene) -> int:
    """One; one more where a token was renewed, or where a set waited as it was told. A repeated set is a call of its own."""
    if cell.fault in {"F10", "F11", "F40"}:
        return 2
    return 2 if cell.kind == "W1" and cell.fault in {"F14", "F16", "F36"} else 1


def _allowed(code: str, one: Scene, ends: Ends, happened: int, stage: Stage) -> bool:
    first, last = ends.first, ends.last
    if one.reads:
        return _read_allowed(code, first, last)
    good = _good(one)
    match code:
        case "ok" | "rt":
            return first.word in good or ends.same
        case "nf":
            return (first.word, first.changed) == (Word.FAILED, "no") and happened == 0
        case "fa":
            shown = happened > 0 and one.readable and first.word in good
            return shown or (first.word, first.changed) == (Word.FAILED, "unknown")
        case "un":
            if happened > 0 and one.readable:
                return first.word in {Word.UNKNOWN, Word.PENDING} | good and last.word in {
                    Word.DONE,
                    Word.ACCEPTED,
                    Word.UNCHANGED,
                }
            return first.word in {Word.UNKNOWN, Word.PENDING} | (good if happened else set()) and (
                last.word is Word.UNKNOWN or (happened > 0 and last.word in good)
            )
        case "pa":
            return first.word is Word.PARTIAL or (happened > 0 and one.readable and first.word in good)
        case "ac":
            followed = happened == 0 or not one.readable or last.word in {Word.DONE, Word.ACCEPTED}
            return followed and (first.word is Word.ACCEPTED or (happened > 0 and first.word in good))
        case "cl":
            return _claimed(one, first, last, happened)
        case "rf":
            return first.word is Word.REFUSED or ends.same
        case "pe":
            return first.word is Word.PENDING and bool(first.facts.get("operation_id")) and last.word in {Word.DONE, *good}
        case _:
            return False


def _claimed(one: Scene, first: Outcome, last: Outcome, happened: int) -> bool:
    if not one.readable:
        return first.word in {Word.CLAIMED, Word.UNKNOWN}
    if happened > 0:
        return first.word in {Word.DONE, Word.ACCEPTED, Word.PENDING, Word.UNKNOWN} and last.word in {Word.DONE, Word.ACCEPTED}
    return first.word in {Word.PENDING, Word.UNKNOWN} and last.word is Word.UNKNOWN


def _read_allowed(code: str, first: Outcome, last: Outcome) -> bool:
    rows = bool(first.facts.get("items"))
    match code:
        case "ok" | "rt":
            return first.word is Word.DONE and rows
        case "nf" | "fa":
            return first.word is Word.FAILED and "items" not in first.facts
        case "pa":
            return first.word is Word.PARTIAL and first.facts.get("complete") is False
        case "in":
            why = rows or first.facts.get("empty_because") == "not_loaded"
            return first.word is Word.DONE and first.facts.get("complete") is False and why
        case "pe":
            return first.word is Word.PENDING and last.word is Word.DONE and bool(last.facts.get("items"))
        case "rf":
            return first.word is Word.REFUSED
        case _:
            return False


def _good(one: Scene) -> set[Word]:
    """The normal ends."""
    if one.tool == "offboard_user":
        return {Word.ACCEPTED}
    if one.readable:
        return {Word.DONE, Word.UNCHANGED}
    return {Word.DONE} if one.endpoint.startswith("ExecGet") else {Word.CLAIMED}
