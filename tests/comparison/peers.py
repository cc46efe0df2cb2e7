"""Two other servers beside ours: the same tasks on the same box, by the same client. Started from given folders."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import mcp_types as t
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp.demo.serve import Box
from tests.comparison.tokens import count
from tests.conformance.npm import Npm

PEERS: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("peers.toml").read_text(encoding="utf-8"))
WITHIN = 120.0


@dataclass(frozen=True)
class Peer:
    """One server, measured.

    Attributes:
        listing: tokens of its list.
        tasks: title -> tokens of the results, calls, failures, effects in the ledger; None where no tool comes near.
    """

    tools: int
    listing: int
    tasks: Mapping[str, tuple[int, int, int, int] | None]


async def measured(npm: Npm, name: str, folder: Path) -> Peer:
    """Start it against a fresh box for each task, and count."""
    tasks: dict[str, tuple[int, int, int, int] | None] = {}
    tools: list[t.Tool] = []
    for title, calls in PEERS["tasks"].items():
        with Box.open(enforce_rate=False) as box, anyio.fail_after(WITHIN):
            theirs = {"CIPP_BASE_URL": box.api_url.removesuffix("/api"), "PATH": os.environ["PATH"]}
            theirs["CIPP_TOKEN_SCOPE"] = f"api://{box.client_id}/.default"  # what they ask for by themselves Entra refuses
            server = StdioServerParameters(
                command=npm.node, args=[str(folder / PEERS[name]["start"])], env={**box.environment(), **theirs}
            )
            async with Client(stdio_client(server, errlog=subprocess.DEVNULL)) as client:
                tools = (await client.list_tools()).tools
                results = [await client.call_tool(tool, arguments) for tool, arguments in calls]
            texts = ["".join(part.text for part in r.content if isinstance(part, t.TextContent)) for r in results]
            failed, effects = sum(bool(r.is_error) for r in results), len(box.world.ledger)
        tasks[title] = (sum(count(npm, texts)), len(texts), failed, effects) if calls else None
    schemas = [json.dumps(tool.input_schema, ensure_ascii=False, separators=(",", ":")) for tool in tools]
    listed = [f"{tool.name}{tool.description}{schema}" for tool, schema in zip(tools, schemas, strict=True)]
    return Peer(len(tools), sum(count(npm, listed)), tasks)


def cell(told: tuple[int, int, int, int] | None) -> str:
    """One task of one peer, for the table."""
    if told is None:
        return "no tool"
    tokens, calls, failed, effects = told
    also = [f"{failed} failed"] * bool(failed) + [f"{effects} done unasked"] * bool(effects)
    return ", ".join([f"{tokens:,} in {calls}", *also])
