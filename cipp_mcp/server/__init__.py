"""The MCP edge: one lowlevel Server over a Desk. Alone imports mcp; knows nothing of HTTP to CIPP."""

from __future__ import annotations

from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

from cipp_mcp import __version__
from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard.plan import YES_WITHIN
from cipp_mcp.server.surface import INSTRUCTIONS, listed
from cipp_mcp.server.tools import Tools

NAME = "cipp-mcp"
LIST_IS_FRESH_FOR_MS = 300_000


def build(desk: Desk, *, state_key: bytes | None = None) -> Server[Any]:
    """The server.

    Args:
        state_key: seals request state; shared by workers that serve the same clients. None keeps it in this process.
    """
    tools = Tools(desk, listed(desk.catalog, desk.policy))
    server: Server[Any] = Server(
        NAME,
        version=__version__,
        title="CIPP",
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": CacheHint(LIST_IS_FRESH_FOR_MS, "private")},
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
    )
    security = (
        RequestStateSecurity(keys=[state_key], ttl=YES_WITHIN) if state_key else RequestStateSecurity.ephemeral(ttl=YES_WITHIN)
    )
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


async def serve_stdio(desk: Desk) -> None:
    """Serve one client over standard input and output until it closes them."""
    from mcp.server.stdio import stdio_server

    server = build(desk)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
