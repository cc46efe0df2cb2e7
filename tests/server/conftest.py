"""A client of the SDK in memory over the real server, a desk and a CIPP in a box; in both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import mcp_types as t
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from cipp_mcp import settings, wiring
from cipp_mcp.call.desk import Desk
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.serve import Box
from cipp_mcp.server import build

WITHIN = 20.0


@dataclass
class Room:
    """What one test has."""

    box: Box
    desk: Desk
    client: Client

    def requests(self, endpoint: str) -> int:
        """How often that endpoint was asked."""
        return sum(r.endpoint.lower() == endpoint.lower() for r in self.box.requests if not r.is_token)

    async def offered(
        self, ref: t.PromptReference | t.ResourceTemplateReference, name: str, value: str, **given: str
    ) -> list[str]:
        """The values that are offered for an argument."""
        answer = await self.client.complete(ref, {"name": name, "value": value}, given or None)
        return answer.completion.values


def error_of(raised: pytest.ExceptionInfo[MCPError]) -> t.ErrorData:
    return raised.value.error


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def box() -> Iterator[Box]:
    with Box.open(enforce_rate=False) as opened:
        yield opened
        assert opened.errors == ()


def settings_of(box: Box, home: Path, **more: str) -> settings.Settings:
    given = {**box.environment(), "CIPP_MCP_HOME": str(home), "CIPP_MCP_WAIT_SCALE": "0.001", **more}
    return settings.read(given)


@pytest.fixture(params=["auto", "legacy"])
async def room(request: pytest.FixtureRequest, box: Box, tmp_path: Path, catalog: Catalog) -> AsyncIterator[Room]:
    """The default surface."""
    async with (
        wiring.open_desk(settings_of(box, tmp_path), catalog, answer_within=WITHIN) as desk,
        Client(build(desk), mode=request.param, read_timeout_seconds=WITHIN) as client,
    ):
        yield Room(box, desk, client)
