"""From `tools/call` to the ledger through the page: a client that cannot ask, a browser, a person, one effect.

The server is a child process; its browser is a script named by `BROWSER` that hands the address to this test.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp.demo.serve import Box
from tests.approval_page.conftest import Visitor

pytestmark = pytest.mark.anyio
WITHIN = 60.0
ANA = {"tenant_filter": "fabrikam.example", "user_id": "ana@fabrikam.example"}


@pytest.fixture
def box() -> Iterator[Box]:
    with Box.open() as running:
        yield running


class Browser:
    """A script named by `BROWSER` that tells this test the address it was given, over a loopback socket."""

    def __init__(self, folder: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WITHIN)
        self.script = folder / "browser.py"
        told = f"import socket, sys\nsocket.create_connection({self.listener.getsockname()!r}).sendall(sys.argv[1].encode())\n"
        self.script.write_text(told, encoding="utf-8")

    async def address(self) -> str:
        def accepted() -> str:
            with self.listener, self.listener.accept()[0] as told:
                return told.recv(4096).decode()

        return await anyio.to_thread.run_sync(accepted)


@asynccontextmanager
async def serving(box: Box, folder: Path, browser: Browser, **more: str) -> AsyncIterator[Client]:
    """A client without elicitation, and a server that knows that browser."""
    environment = {
        **os.environ,
        **box.environment(),
        "CIPP_MCP_HOME": str(folder / "home"),
        "CIPP_MCP_WAIT_SCALE": "0.01",
        "CIPP_MCP_ANSWER_WITHIN": "30",
        "BROWSER": f"{Path(sys.executable).as_posix()} {browser.script.as_posix()} %s",  # split as a shell would
        **more,
    }
    server = StdioServerParameters(command=sys.executable, args=["-m", "cipp_mcp", "serve"], env=environment)
    with anyio.fail_after(WITHIN):
        async with Client(stdio_client(server)) as client:
            yield client


async def answered(box: Box, folder: Path, tool: str, arguments: dict[str, Any], phrase: str) -> dict[str, Any]:
    """Make the call, answer its page, and return the envelope."""
    result: dict[str, Any] = {}
    browser = Browser(folder)
    async with serving(box, folder, browser) as client, anyio.create_task_group() as tasks:

        async def call() -> None:
            result.update((await client.call_tool(tool, arguments)).structured_content or {})

        tasks.start_soon(call)
        visitor = Visitor(await browser.address())
        await visitor.look()
        assert not box.world.ledger, "something was sent before the yes"
        fields = dict(re.findall(r'name="(plan|csrf)" value="([^"]+)"', visitor.page))
        await visitor.post("approve", {**fields, "phrase": phrase})
        await visitor.http.aclose()
    return result


async def test_a_yes_on_the_page_runs_the_waiting_call_once(box: Box, tmp_path: Path) -> None:
    result = await answered(box, tmp_path, "clear_user_immutable_id", ANA, ANA["user_id"])

    assert result["outcome"] == "done", result
    assert [e.endpoint for e in box.world.ledger] == ["ExecClrImmId"]


async def test_a_wrong_phrase_on_the_page_ends_the_waiting_call_with_a_no(box: Box, tmp_path: Path) -> None:
    result = await answered(box, tmp_path, "clear_user_immutable_id", ANA, "yes")

    assert result["outcome"] == "refused", result
    assert not box.world.ledger


async def test_a_new_password_waits_on_the_page_and_is_in_no_result(box: Box, tmp_path: Path) -> None:
    result = await answered(box, tmp_path, "reset_user_password", ANA, "yes")

    assert result["outcome"] == "done", result
    assert result["secret"]["handle"].startswith("secret_")
    assert box.secrets
    assert not any(secret in str(result) for secret in box.secrets)
