"""A box, a desk and its doors: what the attacks are played against. Effects are counted in the box's own ledger."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from cipp_mcp import server, settings, wiring
from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.catalog import manifests
from cipp_mcp.demo.serve import Box
from cipp_mcp.message import Outcome
from cipp_mcp.wire.budget import Budget
from cipp_mcp.wire.client import Wire

CATALOG = manifests.load()
FABRIKAM = "fabrikam.example"
ANA = f"ana@{FABRIKAM}"
HIJACK = {"tenant_filter": FABRIKAM}

TARGETS: dict[str, dict[str, Any]] = {
    "clear_user_immutable_id": {"tenant_filter": FABRIKAM, "user_id": ANA},
    "set_user_sign_in": {"tenant_filter": FABRIKAM, "user_id": ANA, "enabled": False},
    "reset_user_password": {"tenant_filter": FABRIKAM, "user_id": ANA},
    "remove_user": {"tenant_filter": FABRIKAM, "user_id": ANA},
    "offboard_user": {"tenant_filter": FABRIKAM, "users": [ANA], "disable_sign_in": True},
    "reset_user_mfa": {"tenant_filter": FABRIKAM, "user_id": ANA},
    "revoke_user_sessions": {"tenant_filter": FABRIKAM, "user_id": ANA},
    "create_temporary_access_pass": {"tenant_filter": FABRIKAM, "user_id": ANA},
    "run_standards": {"tenant_filter": FABRIKAM},
    "clear_tenant_cache": {"tenants_only": False},
}
"""Calls that need a yes, each on something that the box really has."""


class Clock:
    """Wall time that a test can turn."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return time.time() + self.shift


class Siege:
    """One box and one state folder; desks are opened against them."""

    def __init__(self, box: Box, home: Path) -> None:
        self.box = box
        self.home = home
        self.clock = Clock()
        self.attempts = 0

    @asynccontextmanager
    async def desk(self, *, whole: bool = False, within: float = 3, **more: str) -> AsyncIterator[Desk]:
        environment = {
            **self.box.environment(),
            "CIPP_MCP_HOME": str(self.home),
            "CIPP_MCP_WAIT_SCALE": "0.002",
            "CIPP_MCP_OPERATOR": "tess@msp.example",
            **more,
        }
        chosen = settings.read(environment)
        async with wiring.open_desk(chosen, CATALOG, answer_within=within, whole=whole, wire=_unhurried, now=self.clock) as desk:
            yield desk

    def effects(self) -> int:
        return len(self.box.world.ledger)

    async def call(self, desk: Desk, tool: str, arguments: Mapping[str, Any], caller: Caller | None = None) -> Outcome:
        self.attempts += 1
        with anyio.fail_after(60):
            return await perform(desk, tool, arguments, caller or Caller(client="siege"))

    async def plan(self, desk: Desk, tool: str, arguments: Mapping[str, Any]) -> str:
        """The id of a plan that waits."""
        outcome = await self.call(desk, tool, arguments)
        assert outcome.word == "needs_approval", outcome.envelope()
        return str(outcome.facts["plan_id"])

    async def approved(self, desk: Desk, tool: str, arguments: Mapping[str, Any]) -> str:
        """The id of a plan that a person said yes to, as the terminal stores it."""
        plan_id = await self.plan(desk, tool, arguments)
        desk.plans.approve(desk.plans.get(plan_id, desk.owner), "terminal")
        return plan_id


def _unhurried(chosen: settings.Settings) -> Wire:
    """The real wire with CIPP's window running a thousand times faster: the attacks may come as fast as they can."""
    return Wire(chosen, budget=Budget(chosen.wait_scale, clock=lambda: time.monotonic() * 1000))


@contextmanager
def siege(home: Path) -> Iterator[Siege]:
    with Box.open(enforce_rate=False, token_life=10**6) as box:
        yield Siege(box, home)
        assert not box.errors


@asynccontextmanager
async def client(desk: Desk, mode: str, **callbacks: Any) -> AsyncIterator[Client]:
    """A real MCP client of that era on a server over this desk."""
    async with Client(server.build(desk), mode=mode, **callbacks) as connected:
        yield connected
