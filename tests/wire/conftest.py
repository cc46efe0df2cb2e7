"""A scripted server, settings that point to it, and a wire between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from cipp_mcp.errors import WireError
from cipp_mcp.message import Request, Response
from cipp_mcp.settings import Settings
from cipp_mcp.wire.client import Wire
from tests.wire.scripted_server import ScriptedServer

SECRET = "canary-Zq8~secret"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as running:
        yield running


def settings_for(url: str, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "api_url": f"{url}/api",
        "tenant_id": "msp.example",
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": SECRET,
        "token_url": f"{url}/token",
        "wait_scale": 0.001,
    }
    return Settings(**(given | changes))


@pytest.fixture
async def wires(server: ScriptedServer) -> AsyncIterator[Callable[..., Wire]]:
    """Makes wires to the server; keyword arguments of `Wire`, and `settings=` for changed settings."""
    async with AsyncExitStack() as stack:
        made: list[Wire] = []

        def make(settings: dict[str, Any] | None = None, **arguments: Any) -> Wire:
            wire = Wire(settings_for(server.url, **(settings or {})), **arguments)
            made.append(wire)
            stack.push_async_callback(wire.aclose)
            return wire

        yield make


@pytest.fixture
async def wire(wires: Callable[..., Wire]) -> Wire:
    return wires()


async def outcome(wire: Wire, request: Request) -> Response | WireError:
    """What `send` returns or raises, within a bound."""
    with anyio.fail_after(20):
        try:
            return await wire.send(request)
        except WireError as error:
            return error
