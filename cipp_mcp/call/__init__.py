"""perform(): the walk that every call takes, and the only place that knows its order.

Check, resolve, judge, plan, ask, record, send, decode, read back, record, shape. Each step lives in its own room;
what may enter here is the order and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from cipp_mcp.call import results
from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.encode import encode
from cipp_mcp.call.guard.approve import Reply, Ruling, rule
from cipp_mcp.call.guard.plan import Plan, draft
from cipp_mcp.call.judge import Verdict, judge_write, with_evidence
from cipp_mcp.call.operations import new_operation_id
from cipp_mcp.call.preview import preview
from cipp_mcp.call.resolve import read_case, resolve_targets, resolve_tenants
from cipp_mcp.call.secrets import find_secrets
from cipp_mcp.call.verify import already_so, can_verify, look, note_before
from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import CippMcpError, PlanRefused, Refused, WireError
from cipp_mcp.message import Outcome, Word

LEFT_FOR_ANSWER = 2.0
"""Seconds kept back from the foreground budget for shaping and sending the answer."""


async def perform(desk: Desk, name: str, given: Mapping[str, Any], caller: Caller) -> Outcome:
    """Make one call, whoever asks. Never raises for anything that a caller, an operator, CIPP or the network can cause.

    Args:
        name: tool name.
        given: its arguments as they came, `confirm` and `request_options` included.
    """
    began = desk.clock()
    writes = False
    try:
        action = desk.catalog.get(name)
        writes = action.effect not in {Effect.READ, Effect.PROBE}
        arguments, options = inputs.check(action, given, bounds=desk.bounds)
        tenants = await resolve_tenants(desk, action, arguments)
        case = await read_case(desk, action, arguments, tenants)
        desk.policy.admit(case)
        if case.effect in {Effect.READ, Effect.PROBE}:
            return await _read(desk, case, options, began)
        case = await resolve_targets(desk, case)
        return await _write(desk, case, given.get("confirm"), options, caller, began)
    except CippMcpError as error:
        if isinstance(error, Refused):
            await _note_refusal(desk, name, error, caller, writes)
        return results.from_error(error, writes)


async def _read(desk: Desk, case: Case, options: Mapping[str, float], began: float) -> Outcome:
    request = encode(
        case.action,
        case.arguments,
        case.tenants,
        case.objects,
        timeout=options.get("timeout", desk.bounds["timeout"]),
        deadline=_left(desk, began),
    )
    return results.read_outcome(case, read_answer(await desk.send(request)), desk.now())


async def _write(desk: Desk, case: Case, confirm: Any, options: Mapping[str, float], caller: Caller, began: float) -> Outcome:
    """A write: planned and asked for where it must be, then run."""
    plan: Plan | None = None
    if case.asks:
        plan = await _plan(desk, case, confirm, caller)
        ruling = await _ask(desk, case, plan, confirm, caller, began)
        if ruling.reply is Reply.LATER:
            return results.needs_approval(case, plan, caller, desk.policy)
        await desk.record("approve", _about(case, plan, caller) | {"reply": str(ruling.reply), "channel": ruling.channel})
        if ruling.reply is Reply.NO:
            desk.plans.claim(plan, "declined")
            raise PlanRefused(ruling.why or "The person said no.")
        if ruling.waited:
            case = await _same_case(desk, case, plan)
        if not await anyio.to_thread.run_sync(desk.plans.claim, plan):
            raise PlanRefused("This plan was used already; a plan runs once.")
    elif confirm is not None:
        raise PlanRefused("This call needs no confirm; the id given belongs to another call.")
    operation = new_operation_id()
    # Before the first byte: without this record nothing goes out.
    await desk.record("intent", _about(case, plan, caller) | {"operation": operation})
    within = _left(desk, began)
    ended = await desk.operations.run(operation, lambda: _run(desk, case, operation, options, caller, plan), within)
    return ended or results.still_running(case, operation)


async def _run(
    desk: Desk, case: Case, operation: str, options: Mapping[str, float], caller: Caller, plan: Plan | None
) -> Outcome:
    """Send, decode, read back, record. Shielded: whoever cancels, the outcome is on disk."""
    answer = None
    try:
        before = await note_before(desk.send, desk.catalog.kinds, case)
        was_so = already_so(case)
        request = encode(case.action, case.arguments, case.tenants, case.objects, case.stored)
        answer = read_answer(await desk.send(request))
        verdict = judge_write(case, answer)
    except WireError as error:
        before, was_so = {}, already_so(case)
        word = Word.UNKNOWN if error.sent else Word.FAILED
        verdict = Verdict(word, "unknown" if error.sent else "no", error.message, error.hint)
    evidence = None
    if can_verify(case) and not (verdict.word is Word.FAILED and verdict.changed == "no"):
        await caller.progress("Reading back whether it happened")
        evidence = await look(desk.send, desk.catalog.kinds, case, before, wait=desk.wait)
    verdict = with_evidence(case, verdict, evidence, was_so)
    secrets = find_secrets(answer.data if answer else None, case.action.redact, sentences=case.action.returns_secret)
    outcome = results.write_outcome(case, verdict, answer, evidence, operation, secrets)
    await desk.record(
        "outcome", _about(case, plan, caller) | {"operation": operation} | results.for_trail(outcome, answer, evidence)
    )
    return outcome


async def _plan(desk: Desk, case: Case, confirm: Any, caller: Caller) -> Plan:
    """The plan of this call: the one that `confirm` names, the one that waits already, or a new one."""
    fresh = draft(case, preview(case), desk.owner, desk.policy.digest, now=desk.now(), held=caller.hold)
    if confirm is not None:
        plan = desk.plans.get(confirm, desk.owner)
        _must_agree(desk, plan, fresh)
        return plan
    waiting = desk.plans.waiting(fresh.digest, desk.owner)
    if waiting is not None:
        return waiting
    desk.plans.save(fresh)
    await desk.record("plan", _about(case, fresh, caller) | {"held": caller.hold})
    return fresh


def _must_agree(desk: Desk, plan: Plan, fresh: Plan) -> None:
    """The plan that was approved is the one that this call would make now, or it does not run."""
    if plan.digest == fresh.digest:
        return
    if any(plan.facts.get(k) != fresh.facts.get(k) for k in ("action", "arguments", "tenants")):
        raise PlanRefused(
            "This plan is for other arguments than these.", hint="Nothing was sent. Repeat the plan's own arguments."
        )
    desk.plans.claim(plan, "stale")
    raise PlanRefused("What the plan was made for has changed since: the target's state, the policy or the tool.")


async def _same_case(desk: Desk, case: Case, plan: Plan) -> Case:
    """Read the targets again after a yes that took time."""
    again = await resolve_targets(desk, case)
    _must_agree(desk, plan, draft(again, preview(again), desk.owner, desk.policy.digest, now=desk.now(), held=plan.held))
    return again


async def _ask(desk: Desk, case: Case, plan: Plan, confirm: Any, caller: Caller, began: float) -> Ruling:
    if caller.hold:
        return Ruling(Reply.LATER)

    async def stored_yes() -> bool:
        """Wait, with progress, for a yes that is given in a terminal or on the page."""
        until = _left(desk, began)
        with anyio.move_on_after(until):
            while desk.plans.approval(plan) is None:
                await caller.progress(f"Waiting for a person's yes to plan {plan.short}")
                await anyio.sleep(0.25)
            return True
        return False

    flag = confirm is not None and desk.policy.flag_may(case)
    return await rule(plan, desk.plans, caller.channels, flag=flag, wait_for_stored=stored_yes if confirm else None)


def _left(desk: Desk, began: float) -> float | None:
    if desk.answer_within is None:
        return None
    return max(desk.answer_within - LEFT_FOR_ANSWER - (desk.clock() - began), min(1.0, desk.answer_within))


def _about(case: Case, plan: Plan | None, caller: Caller) -> dict[str, Any]:
    """What stands in every record of one call."""
    facts: dict[str, Any] = {
        "action": case.action.name,
        "effect": str(case.effect),
        "endpoint": case.action.endpoint,
        "tenant": case.tenant.default_domain if case.tenant else None,
        "targets": [t.fact() for t in case.targets],
        "arguments": case.kept_arguments(),
        "client": caller.client,
        "ticket": caller.ticket,
    }
    return facts | ({"plan": plan.id, "plan_digest": plan.digest} if plan else {})


async def _note_refusal(desk: Desk, name: str, error: Refused, caller: Caller, writes: bool) -> None:
    """A refused write stands in the trail. That the trail is broken is no reason to say anything but the refusal."""
    if writes:
        try:
            await desk.record(
                "refuse", {"action": name, "why": type(error).__name__, "client": caller.client, "ticket": caller.ticket}
            )
        except CippMcpError:
            return
