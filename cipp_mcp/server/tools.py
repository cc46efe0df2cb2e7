"""Action <-> Tool, Outcome <-> CallToolResult. Alone knows how MCP wants a result to look."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import mcp_types as t
from mcp.shared.exceptions import MCPError

from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.guard.approve import Channel
from cipp_mcp.call.pages import fitted
from cipp_mcp.call.stored import parsed
from cipp_mcp.errors import UnknownAction
from cipp_mcp.message import Outcome, Word
from cipp_mcp.server.ask import Context, ResultForm, channel_for

log = logging.getLogger("cipp_mcp.server")

PAGE = 200
TICKET = "cipp-mcp/ticket"
JSON = "application/json"
LINKS_SINCE = "2025-06-18"
"""The protocol revision that brought links to resources."""

INTERNAL = "Something in this server went wrong; it is in the server's log. Whether anything was sent stands in `cipp-mcp audit`."


class Tools:
    """The tools of one server: listing and calling.

    Args:
        desk: the collaborators of the walk.
        tools: as listed, sorted.
        ticket: for the trail; a call's own `_meta` entry `cipp-mcp/ticket` wins.
    """

    def __init__(self, desk: Desk, tools: list[t.Tool], ticket: str = "") -> None:
        self._desk = desk
        self._ticket = ticket
        self._tools = tools
        self._names = {tool.name for tool in tools}

    async def list_tools(self, _: Context, params: t.PaginatedRequestParams | None) -> t.ListToolsResult:
        """One page of the list."""
        cursor = params.cursor if params else None
        start = int(cursor) if cursor and cursor.isdecimal() and len(cursor) < 6 else 0 if cursor is None else -1
        if start < 0 or start > len(self._tools):
            raise MCPError(t.INVALID_PARAMS, "That cursor is not one of this list.")
        following = str(start + PAGE) if start + PAGE < len(self._tools) else None
        return t.ListToolsResult(tools=self._tools[start : start + PAGE], next_cursor=following)

    async def call_tool(self, ctx: Context, params: t.CallToolRequestParams) -> t.CallToolResult | t.InputRequiredResult:
        """One call through the walk."""
        try:
            name = self._desk.catalog.get(params.name).name
        except UnknownAction as error:
            raise MCPError(t.INVALID_PARAMS, str(error)) from None
        if name not in self._names:
            lean = " Here read_action and change_action run it." if "read_action" in self._names else ""
            raise MCPError(t.INVALID_PARAMS, f"This tool is not on this server's list.{lean}")
        channel = channel_for(ctx, params, self._desk.answer_within)
        channels: list[Channel] = [channel] if channel else []
        caller = Caller(
            channels=channels,
            progress=_progress(ctx),
            client=_client(ctx),
            principal=principal_of(ctx),
            ticket=self._ticket_of(ctx),
        )
        try:
            outcome = await perform(self._desk, name, params.arguments or {}, caller)
            outcome = fitted(self._desk, outcome, caller.principal)
        except Exception:  # a bug of ours must not end the session, and its text is not for the client
            log.exception("call of %s failed", name)
            outcome = Outcome(Word.UNKNOWN, INTERNAL, writes=True, changed="unknown")
        if isinstance(channel, ResultForm) and channel.asked is not None and outcome.word is Word.NEEDS_APPROVAL:
            return channel.result()
        return to_result(self._with_earlier(outcome), links=ctx.protocol_version >= LINKS_SINCE)

    def _with_earlier(self, outcome: Outcome) -> Outcome:
        """The first answer also tells what an earlier process left unknown."""
        earlier, self._desk.session.left_unknown = self._desk.session.left_unknown, ()
        if not earlier:
            return outcome
        told = [{k: r.get(k) for k in ("action", "tenant", "targets", "operation", "at")} for r in earlier]
        return replace(outcome, facts=dict(outcome.facts) | {"earlier_unknown": told})

    def _ticket_of(self, ctx: Context) -> str:
        given = dict(ctx.meta or {}).get(TICKET)
        return given[:100] if isinstance(given, str) and given.isprintable() else self._ticket


def to_result(outcome: Outcome, *, links: bool = True) -> t.CallToolResult:
    """The envelope twice: as compact JSON text and as structured content; each stands alone.

    Args:
        links: the client knows links to resources, so that the rest of a list can be one.
    """
    envelope = outcome.envelope()
    text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), default=str)
    content: list[t.ContentBlock] = [t.TextContent(type="text", text=text)]
    if links and isinstance(cursor := outcome.facts.get("next"), str) and (uri := rest_of(cursor)):
        content.append(t.ResourceLink(uri=uri, name="rest", title="The rest of this list", mime_type=JSON))
    return t.CallToolResult(content=content, structured_content=json.loads(text), is_error=outcome.is_error)


def _progress(ctx: Context) -> Any:
    sent = 0

    async def tell(message: str) -> None:
        nonlocal sent
        sent += 1
        await ctx.session.report_progress(float(sent), None, message)

    return tell


def rest_of(cursor: str) -> str:
    """The address of the rows that a cursor leads to; empty for what is no cursor."""
    place = parsed(cursor)
    return f"cipp://results/{place[0]}?offset={place[1]}" if place else ""


def principal_of(ctx: Context) -> str:
    """Who has signed in over HTTP; empty where nobody had to."""
    if ctx.request is None:
        return ""
    from mcp.server.auth.middleware.auth_context import get_access_token
    from mcp.server.auth.provider import principal_components

    token = get_access_token()
    return json.dumps(principal_components(token)) if token else ""


def _client(ctx: Context) -> str:
    about = ctx.session.client_params.client_info if ctx.session.client_params else None
    return f"{about.name} {about.version}"[:100] if about else "unknown MCP client"
