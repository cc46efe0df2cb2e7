"""How each fault is played against one call, and what the call and its later look come to.

A play ends with two outcomes: what the caller was told first, and what check_operation says in the end.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard.approve import Reply
from cipp_mcp.call.operations import LOCKED_FOR
from cipp_mcp.demo.faults import Fault
from cipp_mcp.message import Outcome, Word
from tests.faults.scenes import Scene, user
from tests.faults.stage import FABRIKAM, Stage

Play = Mapping[str, Any]
OPEN = {Word.PENDING, Word.UNKNOWN, Word.ACCEPTED}
QUARTER = 16 * 60.0


@dataclass
class Ends:
    """What the caller was told first, and what was known in the end.

    Attributes:
        wrong: further things that must not be.
        same: the outcome is that of an operation that was there already.
    """

    first: Outcome
    last: Outcome
    wrong: tuple[str, ...] = ()
    same: bool = False


Act = Callable[[Stage, Scene, Play, random.Random], Awaitable[Ends]]


def fault_of(play: Play, endpoint: str) -> Fault:
    """The box's own fault for this play."""
    known = {k: v for k, v in play.items() if k in Fault.__dataclass_fields__}
    times = {"times": None} if play.get("times") == 0 else {}
    return Fault(**{"endpoint": endpoint, **known, **times})


async def settle(stage: Stage, desk: Desk, first: Outcome) -> Outcome:
    """What check_operation says: at once, once CIPP's jobs have run, and when the lock is over."""
    operation = first.facts.get("operation_id")
    if not operation or (first.word not in OPEN and first.facts.get("empty_because") != "not_loaded"):
        return first
    last = await stage.check(desk, operation)
    with anyio.fail_after(30):
        while desk.running.is_running(operation):  # on a busy machine what is on its way may need another look
            last = await stage.check(desk, operation)
    if last.word in {Word.ACCEPTED, Word.PENDING}:
        stage.box.faults.clear()
        await anyio.to_thread.run_sync(stage.box.world.advance, QUARTER)
        last = await stage.check(desk, operation)
    if last.word in {Word.PENDING, Word.UNKNOWN}:
        stage.clock.shift += LOCKED_FOR
        last = await stage.check(desk, operation)
    return last


async def wire(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """The box plays it on its wire."""
    endpoint = str(play.get("endpoint", scene.endpoint))
    async with stage.desk() as desk:
        if endpoint != scene.endpoint and play["kind"] == "idle_close":
            stage.box.faults.add(fault_of(play, endpoint))
            await stage.call(desk, "list_tenants", {})
        else:
            stage.box.faults.add(fault_of(play, endpoint))
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, await settle(stage, desk, first))


async def plain(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    async with stage.desk() as desk:
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, first)


async def forbid(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    if scene.tool != "offboard_user":
        return await wire(stage, scene, play, dice)
    stage.box.world.tasks_left = 1
    async with stage.desk() as desk:
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, await settle(stage, desk, first))


async def refuse(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """The port is closed for a while: for a write from the moment when it would leave."""

    async def close() -> None:
        await anyio.to_thread.run_sync(stage.box.faults.add, Fault("refused", seconds=play["seconds"]))

    async with stage.desk() as desk:
        if scene.reads:
            await stage.call(desk, "list_tenants", {})
            await close()
        else:
            stage.at_intent = close
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, await settle(stage, desk, first))


async def put_off(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """Graph is busy: CIPP schedules a hidden task that makes the call a quarter of an hour later."""
    job = "7f0c2a60-5b1a-4a2e-9a5e-3f6d2b1c0d9e"
    world = stage.box.world
    with world.lock:
        at = world.now().timestamp() + 15 * 60
        world.table("tasks")["retry"] = {
            "RowKey": "retry", "PartitionKey": "ScheduledTask", "TaskState": "Planned", "Tenant": FABRIKAM, "Name": "Retry",
            "Command": "New-CIPPGraphRetry", "Parameters": {}, "ScheduledTime": int(at), "ExecutedTime": None,
            "Recurrence": "", "PostExecution": "", "Reference": f"GraphRetry-{job}", "AdditionalProperties": "{}",
            "Hidden": True, "Results": "Planned", "_due": at, "_details": [], "excludedTenants": "",
        }  # fmt: skip
    return await wire(stage, scene, play, dice)


async def tenant(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """The tenant is not exactly one of CIPP's list (any more)."""
    world = stage.box.world
    async with stage.desk() as desk:
        arguments = dict(scene.arguments)
        if scene.arguments["tenant_filter"] == "AllTenants":
            await stage.call(desk, "list_tenants", {})
            await stage.call(desk, "get_tenant", {"tenant_filter": FABRIKAM})
            with world.lock:
                world.tenant("contoso.example").excluded = True
        elif play["text"] == "two":
            arguments["tenant_filter"] = "Northwind Traders"
        elif play["text"] == "excluded":
            world.tenant(FABRIKAM).excluded = True
        elif play["text"] == "renamed":
            world.tenant(FABRIKAM).default_domain = "fabrikam-new.example"
            arguments["tenant_filter"] = FABRIKAM
        elif play["text"] == "gone":
            world.state.tenants.remove(world.tenant(FABRIKAM))
        else:
            arguments["tenant_filter"] = "fabrikan.example"
        first = await stage.call(desk, scene.tool, arguments)
        return Ends(first, first)


async def mutate(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """Somebody changes the target while the person reads the plan."""
    named = scene.arguments.get("user_id") or (scene.arguments.get("user_ids") or scene.arguments.get("users"))[0]
    upn = str(named).partition("@")[0]

    async def change() -> None:
        world = stage.box.world
        with world.lock:
            row = user(stage.box, upn)
            if play["text"] == "gone":
                world.tenant(FABRIKAM).drop("users", row)
            elif play["text"] == "renamed":
                row["userPrincipalName"] = f"{upn}.renamed@{FABRIKAM}"
            else:
                roles = world.tenant(FABRIKAM).rows("roles")
                next(r for r in roles if r["displayName"] == "Exchange Administrator")["_members"].append(row["id"])

    stage.person.meanwhile = change
    async with stage.desk() as desk:
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, first)


async def folder(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """Something else stands where the trail, or what is kept of operations, must be written."""
    place = stage.home / play["text"]
    if place.suffix:
        place.mkdir()
    else:
        place.write_bytes(b"")
    async with stage.desk() as desk:
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, first)


async def token(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """No token from the start, or (for a write) none when it would leave."""
    fault = fault_of({**play, "times": 0}, "token")

    async def lose() -> None:
        stage.box.front.revoke_tokens()
        stage.box.faults.add(fault)

    async with stage.desk() as desk:
        if scene.reads or dice.random() < 0.5:
            await lose()
        else:
            stage.at_intent = lose
        first = await stage.call(desk, scene.tool, scene.arguments)
        return Ends(first, await settle(stage, desk, first))


async def until(true: Callable[[], bool], within: float = 20) -> None:
    """Wait for something that another thread or process brings about."""
    with anyio.fail_after(within):
        while True:
            if true():
                return
            await anyio.sleep(0.003)


async def again(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """The same call twice: while the first is on the wire, or when it has its answer and the person says no."""
    ends: dict[str, Outcome] = {}

    async with stage.desk() as desk:

        async def call(name: str) -> None:
            ends[name] = await stage.call(desk, scene.tool, scene.arguments)

        if play["text"] == "during":
            stage.box.faults.add(Fault("late", endpoint=scene.endpoint, seconds=0.2))
            async with anyio.create_task_group() as group:
                group.start_soon(call, "first")
                await until(lambda: stage.sent_to(scene.endpoint) > 0)
                group.start_soon(call, "second")
        else:
            await call("first")
            stage.person.says = Reply.NO
            await call("second")
        first, second = ends["first"], ends["second"]
        same = second.facts.get("operation_id") == first.facts.get("operation_id") and bool(first.facts.get("operation_id"))
        return Ends(second, await settle(stage, desk, second), same=same)


async def cancel(stage: Stage, scene: Scene, play: Play, dice: random.Random) -> Ends:
    """The caller gives up when CIPP has the request; its end is found by the same call and by its handle."""
    stage.box.faults.add(fault_of(play, scene.endpoint))
    async with stage.desk() as desk:
        async with anyio.create_task_group() as group:
            group.start_soon(stage.call, desk, scene.tool, scene.arguments)
            await until(lambda: stage.sent_to(scene.endpoint) > 0)
            group.cancel_scope.cancel()
        operation = stage.on_intent[-1]["operation"]
        first = await stage.check(desk, operation)
        wrong = []
        if first.word in OPEN:
            stage.person.says = Reply.NO
            found = await stage.call(desk, scene.tool, scene.arguments)
            if found.facts.get("operation_id") != operation and found.word is not Word.REFUSED:
                wrong.append(f"the same call does not find the operation: {found.word}")
        last = await settle(stage, desk, first)
    if len(stage.records("intent")) != 1 or not stage.records("outcome"):
        wrong.append("the trail lacks the call or its end")
    return Ends(first, last, tuple(wrong))
