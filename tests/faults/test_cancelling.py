"""A caller who gives up: before the first byte nothing is sent and the plan is as it was, after it everything is finished."""

from __future__ import annotations

import anyio
import pytest

from cipp_mcp.demo.faults import Fault
from cipp_mcp.message import Word
from tests.faults.acts import until
from tests.faults.stage import FABRIKAM, Lane, Pace

pytestmark = pytest.mark.anyio
BEN = f"ben@{FABRIKAM}"
BLOCK = {"tenant_filter": FABRIKAM, "user_id": BEN, "enabled": False}


async def test_cancelled_while_the_targets_are_read_again_leaves_the_approved_plan_usable(lane: Lane) -> None:
    stage = await lane.clean()
    async with stage.desk() as desk:
        held = await stage.call(desk, "set_user_sign_in", BLOCK, hold=True)
        confirm = {**BLOCK, "confirm": held.facts["plan_id"]}
        desk.plans.approve(desk.plans.get(held.facts["plan_id"], desk.owner), "terminal")
        seen = stage.sent_to("ListUsers")
        stage.box.faults.add(Fault("late", endpoint="ListUsers", seconds=0.4))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.call, desk, "set_user_sign_in", confirm)
            await until(lambda: stage.sent_to("ListUsers") > seen)
            group.cancel_scope.cancel()
        assert (stage.effects, stage.on_intent) == ([], [])
        assert (await stage.call(desk, "set_user_sign_in", confirm)).word is Word.DONE
    assert stage.sent_to("ExecDisableUser") == 1


async def test_cancelled_before_it_is_committed_leaves_the_plan_unused(lane: Lane) -> None:
    """The yes is there and the call runs in the background: reading what was there before still undoes nothing."""
    stage = await lane.clean()
    tap = {"tenant_filter": FABRIKAM, "user_id": BEN}
    async with stage.desk() as desk:
        held = await stage.call(desk, "create_temporary_access_pass", tap, hold=True)
        confirm = {**tap, "confirm": held.facts["plan_id"]}
        plan = desk.plans.get(held.facts["plan_id"], desk.owner)
        desk.plans.approve(plan, "terminal")
        stage.box.faults.add(Fault("late", endpoint="ListGraphRequest", times=None, seconds=0.3))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.call, desk, "create_temporary_access_pass", confirm)
            await until(lambda: any(r.query.get("Endpoint", "").endswith("PassMethods") for r in stage.requests))
            group.cancel_scope.cancel()
        await until(lambda: not stage.box.in_flight)
    stage.box.faults.clear()
    assert (stage.sent_to("ExecCreateTAP"), stage.on_intent) == (0, [])
    async with stage.desk() as desk:
        assert not desk.plans.is_used(plan)
        assert (await stage.call(desk, "create_temporary_access_pass", confirm)).word is Word.DONE


async def test_cancelled_while_it_waits_for_its_turn_sends_nothing_and_says_so_in_the_trail(lane: Lane) -> None:
    """Four reads hold every place on the wire; the write is committed and waits behind them."""
    stage = await lane.clean(Pace(read=5))
    async with stage.desk() as desk:
        await stage.call(desk, "get_user", {"tenant_filter": FABRIKAM, "user_id": BEN})

        async def fill() -> None:
            stage.box.faults.add(Fault("late", endpoint="ListGroups", times=None, seconds=0.6))
            for _ in range(4):
                reads.start_soon(stage.call, desk, "list_groups", {"tenant_filter": FABRIKAM})
            await until(lambda: stage.sent_to("ListGroups") == 4)

        async with anyio.create_task_group() as reads:
            stage.at_intent = fill
            async with anyio.create_task_group() as group:
                group.start_soon(stage.call, desk, "set_user_sign_in", BLOCK)
                await until(lambda: len(stage.on_intent) == 1 and stage.sent_to("ListGroups") == 4)
                await anyio.sleep(0.05)
                group.cancel_scope.cancel()
            reads.cancel_scope.cancel()
        operation = stage.on_intent[0]["operation"]
        await until(lambda: len(stage.records("outcome")) == 1)
        end = await stage.check(desk, operation)
        assert (end.word, end.changed) == (Word.FAILED, "no")
        stage.at_intent = None
        assert stage.sent_to("ExecDisableUser") == 0
        assert (await stage.call(desk, "set_user_sign_in", BLOCK)).word is Word.DONE, "a new plan can be made"


async def test_cancelled_after_it_was_sent_is_finished_recorded_and_found(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("late", endpoint="ExecDisableUser", seconds=0.2))
    async with stage.desk() as desk:
        async with anyio.create_task_group() as group:
            group.start_soon(stage.call, desk, "set_user_sign_in", BLOCK)
            await until(lambda: stage.sent_to("ExecDisableUser") == 1)
            group.cancel_scope.cancel()
        again = await stage.call(desk, "set_user_sign_in", BLOCK)
        assert again.facts["operation_id"] == stage.on_intent[0]["operation"]
        assert (await stage.check(desk, again.facts["operation_id"])).word is Word.DONE
    assert [r["outcome"] for r in stage.records("outcome")] == ["done"]
    assert stage.sent_to("ExecDisableUser") == 1


async def test_a_server_that_stops_finishes_its_write_and_leaves_its_reads(lane: Lane) -> None:
    stage = await lane.clean(Pace(answer=0.2, read=30))
    stage.box.faults.add(Fault("late", endpoint="ExecDisableUser", seconds=0.5), Fault("hang", endpoint="ListGroups", times=None))
    with anyio.fail_after(10):
        async with stage.desk() as desk:
            assert (await stage.call(desk, "list_groups", {"tenant_filter": FABRIKAM})).word is Word.PENDING
            sent = await stage.call(desk, "set_user_sign_in", {**BLOCK, "enabled": True})
            assert sent.word is Word.PENDING
    assert [r["outcome"] for r in stage.records("outcome")] in (["done"], ["unchanged"])
