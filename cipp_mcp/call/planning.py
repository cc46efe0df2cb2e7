"""The plan of one call: found or made, and held against what the call is now.

How a person is asked is decided elsewhere; of CIPP only the targets are read again here.
"""

from __future__ import annotations

from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.guard.plan import Plan, draft
from cipp_mcp.call.preview import preview
from cipp_mcp.call.records import about
from cipp_mcp.call.resolve import resolve_targets
from cipp_mcp.errors import PlanRefused


async def plan_of(desk: Desk, case: Case, confirm: Any, caller: Caller) -> Plan:
    """The plan of this call: the one that `confirm` names, the one that waits already, or a new one.

    Raises:
        PlanRefused: `confirm` names no plan for exactly this call.
    """
    fresh = draft(case, preview(case), desk.owner, desk.policy.digest, now=desk.now(), held=caller.hold)
    if confirm is not None:
        plan = desk.plans.get(confirm, desk.owner)
        _must_agree(desk, plan, fresh)
        return plan
    waiting = desk.plans.waiting(fresh.digest, desk.owner)
    if waiting is not None:
        return waiting
    desk.plans.save(fresh)
    await desk.record("plan", about(case, fresh, caller) | {"held": caller.hold})
    return fresh


async def same_case(desk: Desk, case: Case, plan: Plan) -> Case:
    """Read the targets again after a yes that took time.

    Raises:
        PlanRefused: what the person saw is not so any more.
    """
    again = await resolve_targets(desk, case)
    _must_agree(desk, plan, draft(again, preview(again), desk.owner, desk.policy.digest, now=desk.now(), held=plan.held))
    return again


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
