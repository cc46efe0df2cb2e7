"""The MCP edge: one lowlevel Server over a Desk. Alone imports mcp; knows nothing of HTTP to CIPP."""

from __future__ import annotations

import sys
from typing import Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types.methods import CacheableMethod

from cipp_mcp import __version__
from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard.plan import YES_WITHIN
from cipp_mcp.server.completion import Completions
from cipp_mcp.server.ending import stop_when_told
from cipp_mcp.server.guide import instructions
from cipp_mcp.server.prompts import Prompts
from cipp_mcp.server.resources import Resources
from cipp_mcp.server.surface import listed
from cipp_mcp.server.tools import Tools
from cipp_mcp.settings import Surface

NAME = "cipp-mcp"
LIST_IS_FRESH_FOR_MS = 300_000
LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


def build(desk: Desk, *, ticket: str = "", surface: Surface = Surface.ALL, state_key: bytes | None = None) -> Server[Any]:
    """The server.

    Args:
        surface: which tools are listed.
        ticket: a reference for every audit record, unless a call brings its own.
        state_key: seals request state; shared by workers that serve the same clients. None keeps it in this process.
    """
    shown = listed(desk.catalog, desk.policy, surface)
    tools = Tools(desk, shown, ticket)
    prompts, resources = Prompts(desk, {tool.name for tool in shown}), Resources(desk)
    server: Server[Any] = Server(
        NAME,
        version=__version__,
        title="CIPP",
        instructions=instructions(shown),
        cache_hints={method: CacheHint(LIST_IS_FRESH_FOR_MS, "private") for method in LISTS},
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
        on_list_prompts=prompts.list_prompts,
        on_get_prompt=prompts.get_prompt,
        on_list_resources=resources.list_resources,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read_resource,
        on_completion=Completions(desk, prompts, resources).complete,
    )
    security = (
        RequestStateSecurity(keys=[state_key], ttl=YES_WITHIN) if state_key else RequestStateSecurity.ephemeral(ttl=YES_WITHIN)
    )
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


async def serve_stdio(desk: Desk, ticket: str = "", surface: Surface = Surface.ALL) -> None:
    """Serve one client over standard input and output until it closes them."""
    from mcp.server.stdio import stdio_server

    server = build(desk, ticket=ticket, surface=surface)
    by_hand = sys.stdin.isatty()  # asked before the streams are diverted
    async with anyio.create_task_group() as beside, stdio_server() as (read, write):
        await beside.start(stop_when_told, desk)
        if by_hand:
            print("Waiting for an MCP client; clients start this themselves (`cipp-mcp install`).", file=sys.stderr)
        await server.run(read, write, server.create_initialization_options())
        beside.cancel_scope.cancel()
