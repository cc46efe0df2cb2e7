"""Runbooks as MCP prompts: slash commands in the clients that show them so.

A prompt is text for the technician's assistant; it calls nothing. What it names may be missing on this server (groups,
read-only) or be reached in another way (lean), and then it says so instead of sending the assistant after a tool that is
not there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import anyio
import mcp_types as t
from mcp.shared.exceptions import MCPError

from cipp_mcp.call.desk import Desk
from cipp_mcp.call.text import quoted
from cipp_mcp.errors import InvalidArguments
from cipp_mcp.server.ask import Context

if TYPE_CHECKING:
    from cipp_mcp.catalog.runbooks import Runbook, Runbooks


_LEAN = """\
A tool that is not on the list is an action here: read_action runs those that only read, change_action the others, and
describe_action shows the arguments of one."""


class Prompts:
    """The prompts of one server. The files are read at the first question about them.

    Args:
        listed: names of the tools that a client sees.
    """

    def __init__(self, desk: Desk, listed: Collection[str]) -> None:
        self._desk = desk
        self._calls = _LEAN if "read_action" in listed else ""
        self._read: Runbooks | None = None

    async def runbooks(self) -> Runbooks:
        """All runbooks."""
        if self._read is None:
            self._read = await anyio.to_thread.run_sync(_load)
        return self._read

    async def get(self, name: str) -> Runbook:
        """One runbook.

        Raises:
            MCPError: there is none of that name; it names those that there are.
        """
        known = await self.runbooks()
        found = known.get(name)
        if found is None:
            raise MCPError(t.INVALID_PARAMS, f"There is no prompt of that name. The prompts are: {', '.join(known.all)}.")
        return found

    async def list_prompts(self, _: Context, params: t.PaginatedRequestParams | None) -> t.ListPromptsResult:
        """All on one page."""
        only_page(params)
        return t.ListPromptsResult(prompts=[_prompt(r) for r in await self.runbooks()])

    async def get_prompt(self, _: Context, params: t.GetPromptRequestParams) -> t.GetPromptResult:
        """One runbook with its values filled in."""
        runbook = await self.get(params.name)
        try:
            missing = self._missing(runbook)
            text = runbook.filled(params.arguments or {}, lambda value: quoted(value, len(value)), missing, self._calls)
        except InvalidArguments as error:
            raise MCPError(t.INVALID_PARAMS, error.message, {"problems": error.problems}) from None
        said = t.PromptMessage(role="user", content=t.TextContent(type="text", text=text))
        return t.GetPromptResult(description=runbook.description, messages=[said])

    def _missing(self, runbook: Runbook) -> dict[str, str]:
        """Tool -> why this server has it not."""
        known, policy = self._desk.catalog.actions, self._desk.policy
        away = {tool: "its group is not served" for tool in runbook.tools if tool not in known}
        return away | {n: "switched off by the operator" for n in runbook.tools if n in known and not policy.lists(known[n])}


def _load() -> Runbooks:
    from cipp_mcp.catalog import runbooks  # late: a start should not pay for what is asked for later or never

    return runbooks.load()


def _prompt(runbook: Runbook) -> t.Prompt:
    arguments = [t.PromptArgument(name=name, description=a.summary, required=a.required) for name, a in runbook.arguments.items()]
    return t.Prompt(name=runbook.name, title=runbook.title, description=runbook.description, arguments=arguments)


def only_page(params: t.PaginatedRequestParams | None) -> None:
    """A list of one page has no cursor.

    Raises:
        MCPError: one was given.
    """
    if params is not None and params.cursor is not None:
        raise MCPError(t.INVALID_PARAMS, "That cursor is not one of this list.")
