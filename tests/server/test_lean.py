"""The lean surface: a few tools, the whole API behind them, and the same guard."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as t
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from cipp_mcp.server.surface import LEAN

pytestmark = pytest.mark.anyio
FABRIKAM = "fabrikam.example"
ANA = f"ana@{FABRIKAM}"
MOST_BYTES = 4_000
"""About 1,000 tokens."""


@pytest.fixture
def box() -> Iterator[Box]:
    with Box.open() as running:
        yield running


@asynccontextmanager
async def lean(box: Box, home: Path, phrase: str | None = None) -> AsyncIterator[Client]:
    async def reply(context: Any, params: Any) -> t.ElicitResult:
        return t.ElicitResult(action="accept", content={"phrase": phrase}) if phrase else t.ElicitResult(action="decline")

    environment = {**os.environ, **box.environment(), "CIPP_MCP_HOME": str(home), "CIPP_MCP_WAIT_SCALE": "0.01"}
    server = StdioServerParameters(command=sys.executable, args=["-m", "cipp_mcp", "serve", "--tools", "lean"], env=environment)
    with anyio.fail_after(60):
        async with Client(stdio_client(server), elicitation_callback=reply) as client:
            yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    return dict((await client.call_tool(tool, arguments)).structured_content or {})


async def test_it_lists_a_few_tools_in_about_a_thousand_tokens_with_truthful_hints(box: Box, tmp_path: Path) -> None:
    async with lean(box, tmp_path) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == set(LEAN)
    sent = [f"{tool.name}{tool.description}{json.dumps(tool.input_schema, separators=(',', ':'))}" for tool in tools]
    assert len("".join(sent).encode()) <= MOST_BYTES
    hints = {tool.name: tool.annotations for tool in tools}
    assert hints["change_action"].destructive_hint is True and hints["change_action"].read_only_hint is False
    assert hints["read_action"].read_only_hint is True and hints["find_action"].read_only_hint is True


async def test_a_question_finds_its_action_and_a_read_runs(box: Box, tmp_path: Path) -> None:
    async with lean(box, tmp_path) as client:
        found = await call(client, "find_action", query="source anchor", limit=3)
        assert found["items"][0]["action"] == "clear_user_immutable_id"
        assert len(json.dumps(found)) < 2_400
        read = await call(client, "read_action", action="list_users", arguments={"tenant_filter": FABRIKAM})
        assert read["outcome"] == "done" and read["total"] > 10
        unreviewed = await call(client, "describe_action", action="ListMailboxRules")
        assert unreviewed["item"]["effect"] == "read"


async def test_a_change_does_not_pass_through_the_read_tool(box: Box, tmp_path: Path) -> None:
    async with lean(box, tmp_path) as client:
        who = {"tenant_filter": FABRIKAM, "user_id": ANA}
        assert (await call(client, "read_action", action="remove_user", arguments=who))["outcome"] == "refused"
        assert (await call(client, "read_action", action="change_action", arguments={}))["outcome"] == "refused"
    assert not box.world.ledger


async def test_a_change_asks_and_runs_once_after_the_yes(box: Box, tmp_path: Path) -> None:
    who = {"tenant_filter": FABRIKAM, "user_id": ANA}
    async with lean(box, tmp_path, phrase=ANA) as client:
        end = await call(client, "change_action", action="clear_user_immutable_id", arguments=who)
    assert end["outcome"] == "done"
    assert [e.endpoint for e in box.world.ledger] == ["ExecClrImmId"]


async def test_a_change_that_nobody_said_yes_to_and_an_unreviewed_write_send_nothing(box: Box, tmp_path: Path) -> None:
    async with lean(box, tmp_path) as client:
        who = {"tenant_filter": FABRIKAM, "user_id": ANA}
        assert (await call(client, "change_action", action="remove_user", arguments=who))["outcome"] == "refused"
        rule = {"TenantFilter": FABRIKAM, "ruleId": "1", "ruleName": "x", "userPrincipalName": ANA}
        end = await call(client, "change_action", action="ExecRemoveMailboxRule", arguments=rule)
        assert end["outcome"] in {"refused", "needs_approval"}, end
    assert not box.world.ledger


def written(folder: Path) -> str:
    """Everything that lies in the folder."""
    return "".join(file.read_text("utf-8", "replace") for file in folder.rglob("*") if file.is_file())


TRACE = {"action": "ListMessageTrace", "arguments": {"tenantFilter": FABRIKAM, "days": "2"}}
MAILS = [{"RecipientAddress": ANA, "Status": "Delivered", "Subject": f"Mail {n}", "Password": "canary-Zq81"} for n in range(90)]


async def test_what_an_operation_without_a_manifest_answered_is_shown_like_a_list(box: Box, tmp_path: Path) -> None:
    box.faults.add(Fault("queued", endpoint="ListMessageTrace", body={"Results": MAILS}, times=None))
    async with lean(box, tmp_path, "yes") as client:
        answer = await call(client, "change_action", **TRACE)
        assert (answer["outcome"], answer["changed"], answer["total"]) == ("claimed", "unknown", 90)
        more = await call(client, "read_more", cursor=answer["next"], request_options={"limit": 1000})
        chosen = {"filter": {"Subject": "Mail 7"}, "fields": ["Subject"]}
        few = await call(client, "change_action", **TRACE, request_options=chosen)
        wrong = await call(client, "change_action", **TRACE, request_options={"fields": ["nope"]})
        guess = await call(client, "change_action", **TRACE, request_options={"filter": {"Password": "c*"}})
        kept = await call(client, "check_operation", operation_id=answer["operation_id"])
    assert len(answer["items"]) + len(more["items"]) == 90
    assert guess["outcome"] == "refused" and "holds secrets" in guess["message"]
    assert few["items"] == [{"Subject": "Mail 7"}]
    assert wrong["total"] == 90 and 'no row has the column "nope"' in wrong["notice"] and "next_step" not in wrong
    assert kept["outcome"] == "claimed" and "items" not in kept
    assert "canary" not in json.dumps([answer, more, few, kept])
    assert "canary" not in written(tmp_path)


async def test_an_empty_list_of_an_operation_without_a_manifest_is_a_list(box: Box, tmp_path: Path) -> None:
    box.faults.add(Fault("queued", endpoint="ListMessageTrace", body=[], times=None))
    async with lean(box, tmp_path, "yes") as client:
        answer = await call(client, "change_action", **TRACE)
    assert (answer["outcome"], answer["items"], answer["empty_because"]) == ("claimed", [], "read_and_empty")
