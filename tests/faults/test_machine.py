"""A stateful machine over one folder: plans are made, approved, applied, cancelled, cut short by crashes, and asked about.

A crash is an exception that nothing of ours catches, raised at a chosen moment: no line of ours runs after it, as after a
kill. A process that is really killed is F38's affair (`killing.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard.approve import Reply
from cipp_mcp.demo.faults import Fault
from cipp_mcp.errors import PlanRefused
from cipp_mcp.message import Outcome, Request, Response, Word
from tests.faults.acts import until
from tests.faults.stage import FABRIKAM, Lane, Pace, lanes

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "set_user_sign_in": ("ExecDisableUser", {"enabled": False}),
    "remove_user": ("RemoveUser", {}),
    "create_temporary_access_pass": ("ExecCreateTAP", {}),
    "offboard_user": ("ExecOffboardUser", {"disable_sign_in": True}),
}
USERS = ("ben", "carla", "hana")
FAULTS = ("cut_after", "cut_before", "gateway_504", "server_error", "lost", "html", "empty", "role_403", "mixed_200")
CRASHES = ("before intent", "after intent", "before sending", "after sending", "before outcome", "after outcome")
PICK = st.sampled_from([-1, -1, -1, -2, 0, 1, 2])
"""Which plan or operation: mostly the latest."""


class Killed(BaseException):
    """Nothing of this process runs any more."""


@dataclass
class Plan:
    """A plan that was made, and the call that it is for."""

    tool: str
    arguments: dict[str, Any]
    id: str


class Machine(RuleBasedStateMachine):
    """Plan, approve, apply, cancel, crash, restart, check."""

    lane: ClassVar[Lane]

    def __init__(self) -> None:
        super().__init__()
        self.stage = anyio.run(self.lane.clean, Pace(write=0.5))
        self.plans: list[Plan] = []
        self.operations: list[tuple[str, str, int]] = []
        self.wrong: list[str] = []

    # -- one process -----------------------------------------------------------------------------------

    def inside(self, work: Callable[[Desk], Awaitable[Any]], crash: str = "", *, serves: bool = False) -> Any:
        """Run in a process of ours that may die at that moment; None when it did."""

        async def process() -> Any:
            async with self.stage.desk(serves=serves) as desk:
                return await work(_mortal(desk, crash) if crash else desk)

        try:
            return anyio.run(process)
        except Killed:
            return None
        except BaseExceptionGroup as group:
            dead, others = group.split(Killed)
            if dead is None or others is not None:
                raise
            return None

    def effects(self, endpoint: str, since: int = 0) -> int:
        return sum(e.endpoint == endpoint for e in self.stage.effects[since:])

    def note(self, endpoint: str, began: int, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        began = 0 if "notice" in outcome.facts else began  # an earlier call's operation: its effect is from before
        if operation := outcome.facts.get("operation_id"):
            self.operations.append((operation, endpoint, began))
        if outcome.word is Word.DONE and not self.effects(endpoint, began):
            self.wrong.append(f"done without an effect: {outcome.message}")

    # -- rules -----------------------------------------------------------------------------------------

    @rule(tool=st.sampled_from(sorted(CALLS)), who=st.sampled_from(USERS), approved=st.sampled_from([True, True, False]))
    def plan(self, tool: str, who: str, approved: bool) -> None:
        target = {"users": [f"{who}@{FABRIKAM}"]} if tool == "offboard_user" else {"user_id": f"{who}@{FABRIKAM}"}
        arguments = {"tenant_filter": FABRIKAM, **target, **CALLS[tool][1]}
        outcome = self.inside(lambda desk: self.stage.call(desk, tool, arguments, hold=True))
        if outcome.word is Word.NEEDS_APPROVAL:
            self.plans.append(Plan(tool, arguments, outcome.facts["plan_id"]))
            if approved:
                self.approve(-1)

    @precondition(lambda self: self.plans)
    @rule(n=PICK)
    def approve(self, n: int) -> None:
        plan = self.plans[n % len(self.plans)]

        async def say_yes(desk: Desk) -> None:
            try:
                desk.plans.approve(desk.plans.get(plan.id, desk.owner), "terminal")
            except PlanRefused:
                return

        self.inside(say_yes)

    @precondition(lambda self: self.plans)
    @rule(
        n=PICK,
        fault=st.none() | st.sampled_from(FAULTS),
        crash=st.sampled_from(["", "", "", *CRASHES]),
        times=st.sampled_from([1, 1, 3]),
    )
    def apply(self, n: int, fault: str | None, crash: str, times: int) -> None:
        """Once, or several at the same moment."""
        plan = self.plans[n % len(self.plans)]
        endpoint = CALLS[plan.tool][0]
        began = len(self.stage.effects)
        self.stage.box.faults.clear()
        if fault is not None:
            self.stage.box.faults.add(Fault(fault, endpoint=endpoint, seconds=0.02))
        outcomes: list[Outcome] = []

        async def together(desk: Desk) -> None:
            async def one() -> None:
                outcomes.append(await self.stage.call(desk, plan.tool, {**plan.arguments, "confirm": plan.id}))

            async with anyio.create_task_group() as group:
                for _ in range(times):
                    group.start_soon(one)

        self.stage.person.says = Reply.LATER
        self.inside(together, crash)
        for outcome in outcomes:
            self.note(endpoint, began, outcome)

    @precondition(lambda self: self.plans)
    @rule(n=PICK, moment=st.sampled_from(["reading", "sent"]))
    def cancel(self, n: int, moment: str) -> None:
        plan = self.plans[n % len(self.plans)]
        endpoint = CALLS[plan.tool][0]
        self.stage.box.faults.clear()
        self.stage.box.faults.add(Fault("late", endpoint=endpoint, seconds=0.05))
        before, intents = self.stage.sent_to(endpoint), len(self.stage.on_intent)

        async def give_up(desk: Desk) -> None:
            async with anyio.create_task_group() as group:
                done = anyio.Event()

                async def one() -> None:
                    await self.stage.call(desk, plan.tool, {**plan.arguments, "confirm": plan.id})
                    done.set()

                group.start_soon(one)
                wanted = (lambda: self.stage.sent_to(endpoint) > before) if moment == "sent" else (lambda: True)
                await until(lambda: done.is_set() or wanted())
                group.cancel_scope.cancel()

        self.inside(give_up)
        if moment == "reading" and len(self.stage.on_intent) == intents and self.stage.sent_to(endpoint) > before:
            self.wrong.append("sent without an intent after a cancellation")

    @precondition(lambda self: self.operations)
    @rule(n=PICK)
    def check(self, n: int) -> None:
        operation, endpoint, began = self.operations[n % len(self.operations)]
        self.stage.box.faults.clear()
        outcome = self.inside(lambda desk: self.stage.check(desk, operation))
        if outcome.word is Word.DONE and not self.effects(endpoint, began):
            self.wrong.append(f"check says done without an effect: {outcome.message}")

    @rule(minutes=st.sampled_from([1, 9, 16]))
    def time_passes(self, minutes: int) -> None:
        self.stage.clock.shift += minutes * 60
        self.stage.box.world.advance(minutes * 60)

    @rule()
    def restart(self) -> None:
        """A server starts in the folder: from then on every intent of the dead has an outcome."""

        async def started(_: Desk) -> None:
            await until(lambda: not self._open(), 4)

        self.inside(started, serves=True)

    def _open(self) -> set[str]:
        return {r["operation"] for r in self.stage.records("intent")} - {r["operation"] for r in self.stage.records("outcome")}

    # -- what must always hold ---------------------------------------------------------------------------

    @invariant()
    def nothing_happens_more_often_than_it_was_decided(self) -> None:
        intents = self.stage.records("intent")
        for tool, (endpoint, _) in CALLS.items():
            assert self.effects(endpoint) <= sum(r["action"] == tool for r in intents), tool
        used = [r["plan"] for r in intents]
        assert len(used) == len(set(used)), "a plan ran twice"

    @invariant()
    def nothing_false_was_said(self) -> None:
        assert self.wrong == []

    def teardown(self) -> None:
        self.restart()
        assert self._open() == set()


def _mortal(desk: Desk, crash: str) -> Desk:
    """The same desk, in a process that dies at that moment."""

    async def record(kind: str, facts: Any) -> None:
        if crash == f"before {kind}":
            raise Killed
        await desk.record(kind, facts)
        if crash == f"after {kind}":
            raise Killed

    async def send(request: Request) -> Response:
        write = not request.path.startswith("/api/List")
        if write and crash == "before sending":
            raise Killed
        response = await desk.send(request)
        if write and crash == "after sending":
            raise Killed
        return response

    return replace(desk, record=record, send=send)


@pytest.fixture
def boxed() -> Iterator[type[Machine]]:
    with tempfile.TemporaryDirectory() as folder, lanes(1, Path(folder)) as opened:
        Machine.lane = opened[0]
        yield Machine


def _looking(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def test_a_few_runs_of_the_machine(boxed: type[Machine]) -> None:
    run_state_machine_as_test(boxed, settings=_looking(10, 15))


@pytest.mark.slow
def test_many_runs_of_the_machine(boxed: type[Machine]) -> None:
    run_state_machine_as_test(boxed, settings=_looking(60, 25))
