"""What the whole walk adds to one read, beside a bare SDK server that sends the same request. The figure is printed (`-s`)."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.demo.serve import Box
from tests.outside.house import command, environment
from tests.outside.jsonlines import Talk

CALLS = 90
"""In one go: CIPP takes 100 in 10 s, and our server keeps to that."""

TRIES = 3
AT_MOST = 1.3
WARM = 5
ASKED = {"name": "get_user", "arguments": {"tenant_filter": "fabrikam.example", "user_id": "ana@fabrikam.example"}}

BARE = """
import json, sys
import anyio, httpx
import mcp_types as t
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

given = json.load(open(sys.argv[1], encoding="utf-8"))

async def main():
    async with httpx.AsyncClient() as client:
        signed_in = await client.post(given["token_url"], data=given["form"])
        headers = {"Authorization": "Bearer " + signed_in.json()["access_token"]}

        async def listed(ctx, params):
            return t.ListToolsResult(tools=[])

        async def called(ctx, params):
            answer = await client.get(given["url"], params=given["query"], headers=headers)
            assert answer.json()
            text = json.dumps(given["shown"], separators=(",", ":"))
            return t.CallToolResult(content=[t.TextContent(type="text", text=text)], structured_content=given["shown"])

        server = Server("bare", version="1", on_list_tools=listed, on_call_tool=called)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

anyio.run(main)
"""


def asked(server: Talk) -> dict[str, Any]:
    result = server.ask("tools/call", ASKED)["result"]
    assert not result.get("isError")
    return dict(result["structuredContent"])


def seconds(server: Talk) -> float:
    began = time.monotonic()
    asked(server)
    return time.monotonic() - began


@pytest.mark.slow
def test_a_read_takes_at_most_a_third_more_than_a_bare_server_needs_for_it(tmp_path: Path) -> None:
    """Both send the same request on a kept connection and answer the same; only ours checks, judges and shapes."""
    (tmp_path / "bare.py").write_text(BARE, encoding="utf-8")
    ratios = []
    for n in range(TRIES):
        with Box.open(enforce_rate=False) as box:
            env = environment(tmp_path / f"home{n}", box.environment())
            with Talk(command("serve"), env, tmp_path / "log") as ours:
                ours.begin()
                shown = asked(ours)
                (request,) = [r for r in box.requests if r.endpoint == "ListUsers"]
                given = {
                    "token_url": env["CIPP_TOKEN_URL"],
                    "form": {
                        "grant_type": "client_credentials",
                        "client_id": env["CIPP_CLIENT_ID"],
                        "client_secret": env["CIPP_CLIENT_SECRET"],
                        "scope": f"api://{env['CIPP_CLIENT_ID']}/.default",
                    },
                    "url": f"{env['CIPP_API_URL']}{request.path}",
                    "query": dict(request.query),
                    "shown": shown,
                }
                (tmp_path / "given.json").write_text(json.dumps(given), encoding="utf-8")
                bare = [sys.executable, str(tmp_path / "bare.py"), str(tmp_path / "given.json")]
                with Talk(bare, env, tmp_path / "log") as theirs:
                    theirs.begin()
                    pairs = [(seconds(theirs), seconds(ours)) for _ in range(CALLS)][WARM:]
                    assert asked(theirs) == shown
            assert len({(r.path, str(r.query)) for r in box.requests if r.endpoint == "ListUsers"}) == 1
        bare_took, ours_took = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratios.append(ours_took / bare_took)
        print(f"a read {ours_took * 1000:.1f} ms, bare server {bare_took * 1000:.1f} ms: {ratios[-1]:.2f}")
        if ratios[-1] <= AT_MOST:
            return
    pytest.fail(f"{min(ratios):.2f} times a bare server")
