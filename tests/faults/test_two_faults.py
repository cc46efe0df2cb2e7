"""Two things go wrong in one call, at random places: whatever the end is called, the ledger must bear it out.

`pytest -m slow -s tests/faults/test_two_faults.py` plays 1,000 of them and says how many ended wrong (measured: 0); CI plays 30.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from cipp_mcp.demo.faults import Fault
from cipp_mcp.message import Outcome, Word
from tests.faults.acts import settle
from tests.faults.scenes import CLASSES, Scene, scene
from tests.faults.stage import Lane, Pace, Stage, lanes, spread

KINDS = (
    "cut_after", "cut_before", "idle_close", "late", "gateway_504", "gateway_502", "hang", "cold_404", "cold_502", "unauthorized",
    "redirect", "html", "too_many", "unavailable", "feature_off", "server_error", "part_500", "role_403", "failed_403",
    "success_400", "failed_200", "mixed_200", "lost", "empty", "null", "empty_results", "queued", "waiting", "busy_graph",
    "malformed", "truncated", "wrong_length", "wrong_charset", "deep",
)  # fmt: skip
READS = ("ListUsers", "ListTenants", "ListGraphRequest", "ListGroups", "ListScheduledItems", "ListDevices", "ListDeletedItems")
PROOF = {"unauthorized", "redirect", "too_many", "unavailable", "feature_off", "role_403", "lost", "busy_graph"}
"""What the answer itself proves about the effect, or what makes the kind what it is, is not changed."""

WHOLE = {"late", "idle_close", "lost"}
"""Kinds that pass on the whole answer. A secret that was passed on was shown: for a reveal none of them is without effect."""

TOKEN = ("token_down", "token_html", "token_500")
PACE = Pace(read=0.4, write=0.4, sign_in=0.4)


@dataclass
class Story:
    """What was played and what became of it."""

    seed: int
    one: Scene
    faults: list[Fault]
    words: list[str]
    wrong: list[str]

    def __str__(self) -> str:
        played = [(f.kind, f.endpoint, f.after, f.effect) for f in self.faults]
        return f"seed {self.seed} {self.one.tool} {played}: {self.words}: {'; '.join(self.wrong)}"


def some_fault(dice: random.Random, one: Scene) -> Fault:
    """Somewhere on the way of this call: at the call itself, at a read before or after it, or at the token endpoint."""
    where = dice.choice([one.endpoint, one.endpoint, dice.choice(READS), None, "token"])
    if where == "token":
        return Fault(dice.choice(TOKEN), endpoint="token", after=dice.randrange(2))
    kind = dice.choice(KINDS)
    effect = dice.choice([None, None, "done", "none"]) if kind not in PROOF else None
    if kind in WHOLE and one.endpoint.startswith("ExecGet"):
        kind, effect = "late", None
    retry = dice.choice([None, "1", "315"]) if kind in {"too_many", "unavailable"} else None
    after = dice.randrange(2) if where == one.endpoint else dice.randrange(8)
    times = dice.choice([1, 1, 2, None])
    return Fault(kind, endpoint=where, after=after, times=times, seconds=0.05, effect=effect, retry_after=retry)


async def tell(seed: int, lane: Lane) -> Story:
    """One call, checked on, made again, checked on again."""
    dice = random.Random(f"two/{seed}")
    stage = await lane.clean(PACE)
    one = scene(dice.choice(CLASSES), dice, stage.box, several=dice.random() < 0.2)
    one.prepare(stage.box)
    story = Story(seed, one, [some_fault(dice, one), some_fault(dice, one)], [], [])
    stage.box.faults.add(*story.faults)
    async with stage.desk() as desk:
        for _ in range(2):
            already = one.count(stage)
            first = await stage.call(desk, one.tool, one.arguments)
            already = 0 if "notice" in first.facts else already  # an earlier call's operation
            hold(stage, story, first, already)
            if dice.random() < 0.5:
                stage.box.faults.clear()
            hold(stage, story, await settle(stage, desk, first), already)
    intents = len(stage.records("intent"))
    targets = len(one.arguments.get("users") or one.arguments.get("user_ids") or [1])
    if not one.reads and one.count(stage) > intents * targets:
        story.wrong.append(f"{one.count(stage)} effects of {intents} intents")
    open_ones = {r["operation"] for r in stage.records("intent")} - {r["operation"] for r in stage.records("outcome")}
    if open_ones:
        story.wrong.append("an intent without an outcome")
    return story


def hold(stage: Stage, story: Story, outcome: Outcome, already: int) -> None:
    """Nothing is done that did not happen since, and nothing happened since that is said to have changed nothing."""
    story.words.append(outcome.word.value)
    happened = story.one.count(stage) - already
    if not outcome.writes:
        return
    if outcome.word is Word.DONE and happened == 0:
        story.wrong.append("done, and nothing happened")
    told_no = outcome.changed == "no" and outcome.word not in {Word.REFUSED, Word.NEEDS_APPROVAL}
    if told_no and happened > 0:
        story.wrong.append("'changed: no', and it happened")


def play(count: int, folder: Path) -> list[Story]:
    stories: list[Story] = []

    def piece(seed: int):  # type: ignore[no-untyped-def]
        async def go(lane: Lane) -> None:
            stories.append(await tell(seed, lane))

        return go

    async def all_of_them() -> None:
        with lanes(4, folder) as opened:
            await spread(opened, [piece(seed) for seed in range(count)])

    anyio.run(all_of_them)
    return stories


def check(stories: list[Story]) -> None:
    words = sorted({w for s in stories for w in s.words})
    print(f"\n{len(stories)} sequences of two faults, ended {', '.join(words)}: {sum(bool(s.wrong) for s in stories)} wrong")
    assert [str(s) for s in stories if s.wrong] == []


def test_thirty_sequences_of_two_faults(tmp_path: Path) -> None:
    check(play(30, tmp_path))


@pytest.mark.slow
def test_a_thousand_sequences_of_two_faults(tmp_path: Path) -> None:
    check(play(1000, tmp_path))
