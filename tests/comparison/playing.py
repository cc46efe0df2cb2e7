"""A surface played by a real MCP client over standard input and output: what is listed, and what each task costs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp_types as t
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp.demo.serve import Box
from tests.comparison.tasks import Step, Task
from tests.outside.house import command as command_of
from tests.outside.house import environment

GROUPS = "user,license,calendar_permission,tenant"
SURFACES: Mapping[str, tuple[str, ...]] = {
    "all": (),
    f"--groups {GROUPS}": ("--groups", GROUPS),
    "--read-only": ("--read-only",),
    "--tools lean": ("--tools", "lean"),
}
WITHIN = 240.0


@dataclass
class Played:
    """One task on one surface, as texts whose tokens are counted.

    Attributes:
        results: what came back, one text for each call.
        missing: the tool that this surface does not have; nothing was played then.
    """

    results: list[str] = field(default_factory=list)
    missing: str = ""


class Surface:
    """A running server and what it lists."""

    def __init__(self, client: Client, tools: list[t.Tool], instructions: str) -> None:
        self._client = client
        self.tools = {tool.name: tool for tool in tools}
        self.instructions = instructions

    @property
    def lean(self) -> bool:
        return "find_action" in self.tools

    @property
    def listing(self) -> list[str]:
        """What a host gives to the model, one text for each tool."""
        return [
            f"{tool.name}{tool.description}{json.dumps(tool.input_schema, ensure_ascii=False, separators=(',', ':'))}"
            for tool in self.tools.values()
        ]

    def size(self, *, promises: bool = False) -> int:
        """Bytes of the list on the wire, with or without output schemas."""
        left_out = None if promises else {"output_schema"}
        sent = [tool.model_dump(by_alias=True, mode="json", exclude_none=True, exclude=left_out) for tool in self.tools.values()]
        return len(json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode())

    async def play(self, task: Task) -> Played:
        """The calls of a task; those of a lean surface begin with a search."""
        if not self.lean and (missing := next((s.tool for s in task.steps if s.tool not in self.tools), "")):
            return Played(missing=missing)
        played = Played()
        for step in task.steps:
            if step.tool in self.tools:
                await self._call(played, step.tool, step.arguments, step.ends)
            else:
                await self._found_and_called(played, step)
        return played

    async def search(self, phrase: str) -> tuple[str, dict[str, Any]]:
        """The answer to a question, as text and as data."""
        played = Played()
        found = await self._call(played, "find_action", {"query": phrase}, "done")
        return played.results[0], found

    async def _found_and_called(self, played: Played, step: Step) -> None:
        found = await self._call(played, "find_action", {"query": step.words}, "done")
        hit = next((h for h in found["items"] if h["action"] == step.tool), None)
        if hit is None or "input_schema" not in hit:
            described = await self._call(played, "describe_action", {"action": step.tool}, "done")
            hit = described["item"]
        run = "read_action" if hit["effect"] == "read" else "change_action"
        await self._call(played, run, {"action": step.tool, "arguments": step.arguments}, step.ends)

    async def _call(self, played: Played, tool: str, arguments: Mapping[str, Any], ends: str) -> dict[str, Any]:
        result = await self._client.call_tool(tool, dict(arguments))
        played.results.append("".join(part.text for part in result.content if isinstance(part, t.TextContent)))
        envelope = dict(result.structured_content or {})
        if envelope.get("outcome") != ends:
            raise RuntimeError(f"{tool} ended {envelope.get('outcome')}, not {ends}: {envelope.get('message')}")
        return envelope


@asynccontextmanager
async def opened(flags: tuple[str, ...], box: Box, home: Path) -> AsyncIterator[Surface]:
    """One surface, served by a process of its own against this CIPP."""
    command, *arguments = command_of("serve", *flags)
    server = StdioServerParameters(command=command, args=arguments, env=environment(home, box.environment()))
    with anyio.fail_after(WITHIN):
        async with Client(stdio_client(server)) as client:
            yield Surface(client, (await client.list_tools()).tools, client.instructions or "")
