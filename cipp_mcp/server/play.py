"""`cipp-mcp demo`: a real MCP client, our server as a child process, a CIPP in a box, and a person who is asked.

The client is the SDK's own and the server is started as a desktop app would start it, so what is shown is what a
user gets. The person's answer travels through the client; no switch of the server approves anything.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import mcp_types as t
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp.terminal import paint

TENANT = "fabrikam"
WITHIN = 60.0
Ledger = Callable[[], list[str]]


def play(environment: Mapping[str, str], ledger: Ledger, *, answers_itself: bool, connected: Callable[[], None]) -> int:
    """Play it; the exit code is 0 when everything that is shown really happened.

    Args:
        environment: settings that lead to the box.
        ledger: what really happened in the box so far.
        answers_itself: the demo client answers the plan instead of the viewer.
        connected: called once the client has its server, before anything is shown.
    """
    answers_itself = answers_itself or not sys.stdin.isatty()
    with tempfile.TemporaryDirectory(prefix="cipp-mcp-demo-") as home:
        return anyio.run(_Play({**os.environ, **environment, "CIPP_MCP_HOME": home}, ledger, answers_itself, connected).run)


class _Play:
    def __init__(self, environment: dict[str, str], ledger: Ledger, answers_itself: bool, connected: Callable[[], None]) -> None:
        self.environment = environment
        self.ledger = ledger
        self.answers_itself = answers_itself
        self.connected = connected
        self.client: Client
        self.before_yes: int | None = None

    async def run(self) -> int:
        server = StdioServerParameters(command=sys.executable, args=["-m", "cipp_mcp", "serve"], env=self.environment)
        with anyio.fail_after(WITHIN if self.answers_itself else None):
            async with Client(stdio_client(server), elicitation_callback=self.asked) as self.client:
                self.connected()
                self.title("An AI client connects", f"protocol {self.client.protocol_version}")
                tools = (await self.client.list_tools()).tools
                print(f"  {len(tools)} tools, for instance: {', '.join(tool.name for tool in tools[:4])} …")
                done = await self.administer()
        verified = await self.audit()
        self.farewell()
        return 0 if done and verified else 1

    async def administer(self) -> bool:
        """The short administration; whether the ledger agrees with what the server said."""
        self.title("Which tenants are there?")
        await self.call("list_tenants", {})
        self.title("Ana left her on-premises account behind. Who is Ana at Fabrikam?")
        wanted = {"tenant_filter": TENANT, "graph_filter": "startswith(displayName,'Ana')"}
        people = await self.call("list_users", wanted)
        ana = people["items"][0]["userPrincipalName"]
        self.title("Clear her immutable ID", "no way back, so a person is asked")
        end = await self.call("clear_user_immutable_id", {"tenant_filter": TENANT, "user_id": ana})
        effects = self.ledger()
        self.title("What the box's own ledger says really happened")
        print("\n".join(f"  {line}" for line in effects) or "  nothing")
        cleared = any("ExecClrImmId" in line for line in effects)
        if end["outcome"] == "done" and cleared and self.before_yes == 0:
            print(paint("  Nothing was sent before the yes, exactly one change after it, and a read-back showed it.", "32"))
            return True
        if end["outcome"] == "refused" and not effects:
            print(paint("  The answer was no, so nothing was sent.", "33"))
            return True
        print(paint("  The ledger and the answer do not agree.", "31"))
        return False

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        print(f"  {paint('client sends ', '36')}tools/call {tool} {json.dumps(arguments)}")
        result = await self.client.call_tool(tool, arguments)
        envelope: dict[str, Any] = dict(result.structured_content or {})
        colour = "31" if result.is_error else "32"
        print(f"  {paint('comes back   ', '36')}{paint(envelope['outcome'], colour)}: {envelope['message']}")
        for item in (envelope.get("items") or [])[:8]:
            name = item.get("displayName") or item.get("id")
            print(f"               - {name}  {item.get('userPrincipalName') or item.get('defaultDomainName') or ''}")
        for key in ("evidence", "operation_id", "next_step"):
            if envelope.get(key):
                print(f"               {key}: {json.dumps(envelope[key], ensure_ascii=False)}")
        return envelope

    async def asked(self, context: Any, params: t.ElicitRequestParams) -> t.ElicitResult | t.ErrorData:
        """The person's form."""
        assert isinstance(params, t.ElicitRequestFormParams)
        self.before_yes = len(self.ledger())
        phrase = params.requested_schema["properties"]["phrase"]["description"]
        print(f"  {paint('the plan     ', '33')}needs a person's yes; effects in the ledger so far: {self.before_yes}")
        print("\n".join(f"    | {line}" for line in params.message.splitlines()))
        if self.answers_itself:
            print(f"    > {phrase}   (typed by the demo client's own elicitation, because nobody sits here)")
            return t.ElicitResult(action="accept", content={"phrase": phrase})
        print("    > ", end="", flush=True)
        if sys.platform != "win32":  # a thread that reads could not be left when Ctrl-C comes
            await anyio.wait_readable(sys.stdin)
        typed = await anyio.to_thread.run_sync(sys.stdin.readline)
        return t.ElicitResult(action="accept", content={"phrase": typed.rstrip("\r\n")})

    async def audit(self) -> bool:
        self.title("Does the audit trail verify?")
        command = [sys.executable, "-m", "cipp_mcp", "audit", "verify"]
        checked = await anyio.run_process(command, env=self.environment, check=False)
        print(f"  {checked.stdout.decode('utf-8', 'replace').strip()}")
        return checked.returncode == 0

    def title(self, text: str, small: str = "") -> None:
        print(f"\n{paint(text, '1')}{f'  ({small})' if small else ''}")

    def farewell(self) -> None:
        self.title("To try it in Claude Desktop, paste this into claude_desktop_config.json")
        print(json.dumps({"mcpServers": {"cipp-demo": _entry(["serve", "--demo"])}}, indent=2))
        self.title("With your own CIPP, run `cipp-mcp setup`: it keeps the secret in the keyring. By hand it is")
        own = _entry(["serve"]) | {
            "env": {
                "CIPP_API_URL": "https://YOUR-CIPP-API.azurewebsites.net",
                "CIPP_TENANT_ID": "YOUR-PARTNER-TENANT-ID",
                "CIPP_CLIENT_ID": "YOUR-API-CLIENT-ID",
                "CIPP_CLIENT_SECRET": "YOUR-API-CLIENT-SECRET",
            }
        }
        print(json.dumps({"mcpServers": {"cipp": own}}, indent=2))


def _entry(arguments: list[str]) -> dict[str, Any]:
    """How a desktop app starts us: by an absolute path, because its PATH is short."""
    script = Path(sys.executable).with_name("cipp-mcp.exe" if sys.platform == "win32" else "cipp-mcp")
    if script.is_file():
        return {"command": str(script), "args": arguments}
    return {"command": sys.executable, "args": ["-m", "cipp_mcp", *arguments]}
