"""A real site on a real socket: a store on disk, a clock to turn, and an opener that keeps the address."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from cipp_mcp.approval_page.site import ApprovalSite
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
from tests.approval_page.plans import OWNER
from tests.approval_page.seats import SIZE

NOON = 1_790_000_000.0
WITHIN = 30.0
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class House:
    """What stands around a site: its store, its trail, its clock, its browser."""

    def __init__(self, folder: Path) -> None:
        self.time = NOON
        self.store = PlanStore(Vault(folder), lambda: self.time)
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.opened: list[str] = []
        self.record_fails: Exception | None = None

    async def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        if self.record_fails is not None:
            raise self.record_fails
        self.records.append((kind, dict(facts)))

    def opener(self, address: str) -> bool:
        self.opened.append(address)
        return True

    def save(self, plan: Plan) -> Plan:
        self.store.save(plan)
        return plan

    @asynccontextmanager
    async def site(self, **more: Any) -> AsyncIterator[ApprovalSite]:
        given: dict[str, Any] = {"opener": self.opener, "now": lambda: self.time}
        with anyio.fail_after(WITHIN):
            async with ApprovalSite(self.store, OWNER, self.record, **(given | more)) as running:
                yield running

    def replies(self) -> list[str]:
        return [facts["reply"] for _, facts in self.records]


class Visitor:
    """A browser without a screen: one cookie jar, an Origin on its posts, and the forms that it was shown."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.root = "/".join(address.split("/")[:3])
        self.link = "/".join(address.split("/")[:4])
        self.http = httpx.AsyncClient(timeout=10, trust_env=False)
        self.page = ""

    async def look(self) -> httpx.Response:
        reply = await self.http.get(self.address)
        self.page = reply.text
        return reply

    def form(self, plan: Plan) -> dict[str, str]:
        """The hidden fields of the form about that plan."""
        found = re.search(rf'name="plan" value="{plan.id}"><input type="hidden" name="csrf" value="([0-9a-f]+)"', self.page)
        assert found, "the page has no form for this plan"
        return {"plan": plan.id, "csrf": found[1]}

    async def post(self, place: str, form: Mapping[str, str], **headers: str) -> httpx.Response:
        return await self.http.post(f"{self.link}/{place}", data=dict(form), headers={"Origin": self.root} | headers)

    async def approve(self, plan: Plan, phrase: str, **more: str) -> httpx.Response:
        return await self.post("approve", self.form(plan) | {"phrase": phrase} | more)

    async def decline(self, plan: Plan) -> httpx.Response:
        return await self.post("decline", self.form(plan))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "home")


@pytest.fixture
async def visit() -> AsyncIterator[Callable[[str], Visitor]]:
    """Makes visitors and shows them out."""
    visitors: list[Visitor] = []

    def visitor(address: str) -> Visitor:
        visitors.append(Visitor(address))
        return visitors[-1]

    yield visitor
    for each in visitors:
        await each.http.aclose()


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Any]:
    """A real browser with a profile of its own; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    program = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    async with playwright.async_playwright() as engine:
        profile = str(tmp_path / "profile")
        context = await engine.chromium.launch_persistent_context(
            profile, executable_path=program, headless=True, args=FLAGS, viewport=SIZE
        )
        context.set_default_timeout(15_000)
        yield context
        await context.close()
