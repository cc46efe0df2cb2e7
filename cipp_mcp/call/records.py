"""What the trail keeps of one call, in the words that every record shares."""

from __future__ import annotations

from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.errors import AuditUnavailable, Refused


def about(case: Case, plan: Plan | None, caller: Caller) -> dict[str, Any]:
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


async def note_refusal(desk: Desk, name: str, error: Refused, caller: Caller) -> None:
    """A refused write stands in the trail. That the trail is broken is no reason to say anything but the refusal."""
    facts = {
        "action": name,
        "why": type(error).__name__,
        "says": error.message,
        "client": caller.client,
        "ticket": caller.ticket,
    }
    try:
        await desk.record("refuse", facts)
    except AuditUnavailable:
        return
