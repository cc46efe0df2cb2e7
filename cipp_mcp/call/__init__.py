"""perform(): the walk that every call takes, and the only place that knows its order.

Check, resolve, judge, plan, ask, record, send, decode, read back, record, shape. Each step lives in its own room;
what may enter here is the order and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from cipp_mcp.call import own, results
from cipp_mcp.call.case import Case
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.follow import check
from cipp_mcp.call.guard.approve import Reply, Ruling, rule
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.operations import OPEN_WORDS, Operation, key_of, new_operation_id
from cipp_mcp.call.pace import Pace
from cipp_mcp.call.planning import plan_of
from cipp_mcp.call.reading import Reading
from cipp_mcp.call.records import about, note_refusal
from cipp_mcp.call.resolve import read_case, resolve_targets, resolve_tenants
from cipp_mcp.call.rows import Wanted
from cipp_mcp.call.sending import Sending
from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import CippMcpError, NotSent, PlanRefused, Refused
from cipp_mcp.message import Outcome, Word

log = logging.getLogger("cipp_mcp.call")

PROBE_AGAIN_AFTER = 60.0
"""Seconds in which the same probe is taken for a client's own retry; after that a person may well want another push."""

LEFT_FOR_ANSWER = 2.0
"""Seconds kept back from the foreground budget for shaping and sending the answer."""


async def perform(desk: Desk, name: str, given: Mapping[str, Any], caller: Caller) -> Outcome:
    """Make one call, whoever asks. Never raises for anything that a caller, an operator, CIPP or the network can cause.

    Args:
        name: tool name.
        given: its arguments as they came, `confirm` and `request_options` included.
    """
    with desk.running.telling(caller.tell):
        return await _performed(desk, name, given, caller, began=desk.clock())


async def _performed(desk: Desk, name: str, given: Mapping[str, Any], caller: Caller, *, began: float) -> Outcome:
    effect = Effect.READ
    try:
        action = await desk.action(name)
        effect = action.effect
        arguments, options = inputs.check(action, given, bounds=desk.bounds)
        effect = action.effect_of(arguments)
        if action.own:
            inner = partial(_performed, began=began)  # what is handed over has no more time than is left
            return await own.answer(desk, action, given, arguments, caller, _left(desk, began), inner)
        if action.effect is Effect.READ:
            operation = new_operation_id()
            patience = options.get("timeout", desk.bounds["timeout"])
            reading = Reading(desk, operation, action, arguments, patience, caller, Wanted.of(options))
            return await desk.running.run(operation, reading.run, _left(desk, began)) or results.read_pending(operation)
        Wanted.of(options).check(action)
        with _in_time(_left(desk, began)):
            case = await read_case(desk, action, arguments, await resolve_tenants(desk, action, arguments))
            desk.policy.admit(case)
            case = await resolve_targets(desk, replace(case, pace=Pace.of(desk.bounds, options)))
        return await _write(desk, case, given.get("confirm"), caller, began, options)
    except CippMcpError as error:
        if isinstance(error, Refused) and effect is not Effect.READ:
            await note_refusal(desk, name, error, caller)
        return results.from_error(error, effect)


@contextmanager
def _in_time(seconds: float | None) -> Iterator[None]:
    """What comes before a plan must not take longer than the caller waits."""
    with anyio.move_on_after(seconds) as limit:
        yield
    if limit.cancelled_caught:
        hint = "Nothing was sent. Call again in a minute; CIPP may be starting."
        raise NotSent("CIPP did not answer in time for what has to be read first.", hint=hint)


async def _write(desk: Desk, case: Case, confirm: Any, caller: Caller, began: float, options: Mapping[str, Any]) -> Outcome:
    """A write: planned and asked for where it must be, then run."""
    same = await anyio.to_thread.run_sync(desk.operations.latest, key_of(case))
    if (earlier := await _open_before(desk, case, same, began)) is not None:
        return results.same_again(earlier)
    case = replace(case, done_before=_done_before(desk, same))
    known, wanted = same.id if same else "", Wanted.of(options)
    call = Sending(desk, new_operation_id(), case, caller, patience=options.get("timeout"), known=known, wanted=wanted)
    if desk.policy.must_ask(case):
        await anyio.to_thread.run_sync(desk.count, case, confirm is not None and desk.policy.flag_may(case), False)
        plan = await plan_of(desk, case, confirm, caller)
        ruling = await _ask(desk, case, plan, confirm, caller, began)
        if ruling.reply is Reply.LATER:
            return results.needs_approval(case, plan, caller, desk.policy)
        if not ruling.recorded:
            await desk.record("approve", about(case, plan, caller) | {"reply": str(ruling.reply), "channel": ruling.channel})
        if ruling.reply is Reply.NO:
            desk.plans.claim(plan, "declined")
            raise PlanRefused(ruling.why or "The person said no.")
        call.plan, call.flag, call.stale = plan, ruling.channel == "flag", ruling.waited
    elif confirm is not None:
        raise PlanRefused("This call needs no confirm; the id given belongs to another call.")
    elif caller.hold:
        hint = "Nothing was sent. Call it without --hold to run it."
        raise PlanRefused("This call asks nobody, so there is no plan to hold.", hint=hint)
    ended = await desk.running.run(call.operation, call.run, _left(desk, began), withdraw=call.withdraw)
    return ended or results.still_running(case, call.operation)


async def _open_before(desk: Desk, case: Case, same: Operation | None, began: float) -> Outcome | None:
    """Where an earlier call stands that is still open: the same one, or one of this action on a target of it.

    Raises:
        Refused: the other call's end is unknown, so this action is locked on its target.
    """
    if same is not None and same.word in OPEN_WORDS:
        return await check(desk, same.id, 1.0, _left(desk, began))
    left = PROBE_AGAIN_AFTER - (desk.now() - same.ended) if same is not None and same.word != Word.FAILED.value else 0.0
    if same is not None and case.effect is Effect.PROBE and left > 0:
        raise Refused(
            f"The same {case.action.title} ended a moment ago ({same.id}).",
            hint=f"Nothing was sent. check_operation shows its end; it can be made again in {max(int(left), 1)} s.",
        )
    locked = await anyio.to_thread.run_sync(desk.operations.lock_on, case)
    if locked is not None and (await check(desk, locked.id, 1.0, _left(desk, began))).word is Word.UNKNOWN:
        raise Refused(
            f"An earlier {case.action.title} on {locked.named} ended unknown, so this action is locked on it.",
            hint=f"Nothing was sent. check_operation with operation_id {locked.id}; the lock ends by itself after 15 minutes.",
        )
    return None


def _done_before(desk: Desk, same: Operation | None) -> str:
    """How long ago the very same call was done, in words; empty when it was not."""
    if same is None or same.word not in {Word.DONE.value, Word.CLAIMED.value, Word.PARTIAL.value}:
        return ""
    minutes = max(int((desk.now() - same.ended) // 60), 0)
    ago = "less than a minute ago" if minutes == 0 else f"{minutes} minute{'s' if minutes > 1 else ''} ago"
    return f"The same call was {same.word} {ago} ({same.id})."


async def _ask(desk: Desk, case: Case, plan: Plan, confirm: Any, caller: Caller, began: float) -> Ruling:
    if caller.hold:
        return Ruling(Reply.LATER)
    opened = (
        not caller.channels and desk.open_page is not None and desk.plans.approval(plan) is None and await desk.open_page(plan)
    )

    async def stored_yes() -> bool:
        """Wait, with progress, for a yes that is given in a terminal or on the page."""
        with anyio.move_on_after(_left(desk, began)):
            while desk.plans.approval(plan) is None and not desk.plans.is_used(plan):
                await caller.tell(f"Waiting for a person's yes to plan {plan.short}")
                await anyio.sleep(0.25)
            return True
        return False

    flag = confirm is not None and desk.policy.flag_may(case)
    return await rule(plan, desk.plans, caller.channels, flag=flag, wait_for_stored=stored_yes if confirm or opened else None)


def _left(desk: Desk, began: float) -> float | None:
    """Seconds until the caller must have something; a call that starts late still gets a moment."""
    if desk.answer_within is None:
        return None
    kept = min(LEFT_FOR_ANSWER, desk.answer_within / 10)
    return max(desk.answer_within - kept - (desk.clock() - began), kept / 2)
