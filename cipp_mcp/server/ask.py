"""An approval put to a person through the MCP client: a form that no model can fill in.

On 2026-07-28 the call ends with an input-required result and comes again with the answer; on older revisions the
server asks while the call waits. Both show the same plan and want the same typed phrase.
"""

from __future__ import annotations

from math import inf
from typing import Any

import anyio
import mcp_types as t
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from cipp_mcp.call.guard.approve import Channel, Reply, Ruling
from cipp_mcp.call.guard.plan import Plan, typed_right

KEY = "confirm"
Context = ServerRequestContext[Any, Any]


def channel_for(ctx: Context, params: t.CallToolRequestParams, within: float | None) -> Channel | None:
    """The way to ask through this client, or None when it declared none."""
    declared = ctx.session.client_capabilities
    if declared is None or declared.elicitation is None:
        return None
    if declared.elicitation.form is None and declared.elicitation.url is not None:
        return None
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return ResultForm(params)
    return PushedForm(ctx, within) if ctx.session.can_send_request else None


class ResultForm:
    """Asks by the result of the call (2026-07-28). `asked` is the plan to put into that result."""

    name = "input_required"

    def __init__(self, params: t.CallToolRequestParams) -> None:
        self._params = params
        self.asked: Plan | None = None

    async def ask(self, plan: Plan) -> Ruling:
        answer = (self._params.input_responses or {}).get(KEY)
        # The state was sealed by us for exactly this tool and these arguments; an answer without it counts for nothing.
        if answer is None or self._params.request_state != plan.id:
            self.asked = plan
            return Ruling(Reply.LATER, self.name)
        return _ruling(plan, answer, self.name, waited=False)

    def result(self) -> t.InputRequiredResult:
        """The result that asks."""
        assert self.asked is not None
        return t.InputRequiredResult(input_requests={KEY: t.ElicitRequest(params=_form(self.asked))}, request_state=self.asked.id)


class PushedForm:
    """Asks while the call waits (older revisions). What is read before the form counts as waiting too."""

    name = "elicitation"

    def __init__(self, ctx: Context, within: float | None) -> None:
        self._ctx = ctx
        self._until = inf if within is None else anyio.current_time() + within

    async def ask(self, plan: Plan) -> Ruling:
        form = _form(plan)
        answer: t.ElicitResult | None = None
        with anyio.CancelScope(deadline=self._until):
            try:
                answer = await self._ctx.session.elicit_form(form.message, form.requested_schema, self._ctx.request_id)
            except MCPError:
                # The client declared forms and then could not show one: the plan waits for another channel.
                return Ruling(Reply.LATER, self.name)
            except ValidationError:
                return Ruling(Reply.NO, self.name, why="The client's answer to the form cannot be read; that counts as a no.")
        return Ruling(Reply.LATER, self.name) if answer is None else _ruling(plan, answer, self.name, waited=True)


def _ruling(plan: Plan, answer: Any, channel: str, *, waited: bool) -> Ruling:
    if not isinstance(answer, t.ElicitResult) or answer.action != "accept":
        return Ruling(Reply.NO, channel, waited, why="The person declined.")
    if not typed_right(plan, (answer.content or {}).get("phrase")):
        return Ruling(Reply.NO, channel, waited, why="What was typed is not what the plan asks for; that counts as a no.")
    return Ruling(Reply.YES, channel, waited)


def _form(plan: Plan) -> t.ElicitRequestFormParams:
    schema = {"type": "object", "properties": {"phrase": {"type": "string", "description": plan.phrase}}, "required": ["phrase"]}
    return t.ElicitRequestFormParams(message=plan_text(plan), requested_schema=schema)


def plan_text(plan: Plan) -> str:
    """The plan in lines, for a form."""
    lines = [str(plan.preview.get("what_if", ""))]
    for label, value in plan.preview.items():
        if label not in {"what_if", "checked"}:
            shown = "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            lines.append(f"{label.replace('_', ' ')}: {shown}")
    lines.append(str(plan.preview.get("checked", "")))
    lines.append(f"Plan {plan.short}. Type exactly: {plan.phrase}")
    return "\n".join(line for line in lines if line)
