"""Where the faults are played: a box per lane, a state folder per cell, a person who answers, and the ledger.

Time is scaled by settings and constructor arguments only; what happened is read from the ledger, never from replies.
"""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio

from cipp_mcp import settings, wiring
from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.guard.approve import Reply, Ruling
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.catalog import manifests
from cipp_mcp.demo.front import Received
from cipp_mcp.demo.serve import Box
from cipp_mcp.demo.world import Effect
from cipp_mcp.message import Outcome
from cipp_mcp.wire.client import Wire

CATALOG = manifests.load()
FABRIKAM = "fabrikam.example"
CACHES = ("AllTenants-CAPolicy", "AllTenants-users-[('$select', 'id,displayName')]", "mfa", "licenses")
Hook = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Pace:
    """How long everything may take, in seconds of the test.

    Attributes:
        scale: of every deliberate wait.
        answer: until a call hands out a handle. read, write, sign_in: until an answer is given up.
        most_bytes: of one answer.
    """

    scale: float = 0.002
    answer: float = 20.0
    read: float = 10.0
    write: float = 10.0
    sign_in: float = 5.0
    most_bytes: int = 2**20


@dataclass
class Clock:
    """Wall time that a test can turn."""

    shift: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.shift


@dataclass
class Person:
    """Says yes (or no) to every plan, after whatever else happens meanwhile."""

    says: Reply = Reply.YES
    meanwhile: Hook | None = None
    name: str = "test"
    asked: list[Plan] = field(default_factory=list)

    async def ask(self, plan: Plan) -> Ruling:
        self.asked.append(plan)
        if self.meanwhile is not None:
            await self.meanwhile()
        return Ruling(self.says, self.name, waited=True, why="The person declined.")


@dataclass
class Stage:
    """One box and one state folder, as clean as on the first day."""

    box: Box
    home: Path
    pace: Pace = Pace()
    clock: Clock = field(default_factory=Clock)
    person: Person = field(default_factory=Person)
    at_intent: Hook | None = None
    on_intent: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._seen = len(self.box.requests)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.home / "seal.key").exists():
            (self.home / "seal.key").write_bytes(secrets.token_bytes(32))  # no keyring is asked

    def environment(self) -> dict[str, str]:
        return {
            **self.box.environment(),
            "CIPP_MCP_HOME": str(self.home),
            "CIPP_MCP_WAIT_SCALE": str(self.pace.scale),
            "CIPP_MCP_OPERATOR": "tess@msp.example",
            "CIPP_TIMEOUT": str(self.pace.read),
        }

    @asynccontextmanager
    async def desk(self, *, serves: bool = False, **more: Any) -> AsyncIterator[Desk]:
        """A process of ours. Further keyword arguments are the Desk's own."""
        chosen = settings.read(self.environment())
        pace = self.pace
        opened = wiring.open_desk(chosen, CATALOG, answer_within=pace.answer, serves=serves, wire=self.wire, now=self.clock)
        async with opened as desk:
            yield replace(desk, write_timeout=self.pace.write, record=self._recording(desk), **more)

    def wire(self, chosen: settings.Settings) -> Wire:
        return Wire(chosen, connect_timeout=5, sign_in_timeout=self.pace.sign_in, most_bytes=self.pace.most_bytes)

    def _recording(self, desk: Desk) -> Any:
        async def record(kind: str, facts: Mapping[str, Any]) -> None:
            await desk.record(kind, facts)
            if kind == "intent":
                self.on_intent.append(facts)
                if self.at_intent is not None:
                    await self.at_intent()

        return record

    async def call(self, desk: Desk, tool: str, arguments: Mapping[str, Any], **caller: Any) -> Outcome:
        with anyio.fail_after(60):
            return await perform(desk, tool, arguments, Caller(channels=[self.person], client="test", **caller))

    async def check(self, desk: Desk, operation: str) -> Outcome:
        return await self.call(desk, "check_operation", {"operation_id": operation})

    @property
    def effects(self) -> list[Effect]:
        """What really happened."""
        return list(self.box.world.ledger)

    @property
    def requests(self) -> list[Received]:
        """What arrived, tokens left out."""
        return [r for r in self.box.requests[self._seen :] if not r.is_token]

    def sent_to(self, endpoint: str) -> int:
        return sum(r.endpoint.lower() == endpoint.lower() for r in self.requests)

    def records(self, kind: str) -> list[dict[str, Any]]:
        trail = wiring.trail_of(settings.read(self.environment()))
        return [r for r in trail.records() if r["kind"] == kind]


@dataclass
class Lane:
    """A box that is used by one cell after the other."""

    box: Box
    folder: Path
    number: int = 0

    def __post_init__(self) -> None:
        with self.box.world.lock:
            for name in CACHES:
                self.box.world.table("caches")[name] = {"id": name, "at": self.box.world.now()}
            self._pristine = copy.deepcopy(self.box.world.state)

    async def clean(self, pace: Pace = Pace()) -> Stage:
        """A fresh world and a fresh folder, once nothing of the cell before is in flight."""
        with anyio.fail_after(10):
            while True:
                if not self.box.in_flight and await _reachable(self.box.port):
                    break
                await anyio.sleep(0.005)
        self.box.faults.clear()
        with self.box.world.lock:
            self.box.world.state = copy.deepcopy(self._pristine)
            self.box.world.tasks_left = None
            self.box.world.forget_later()
            for cache in self.box.world.table("caches").values():
                cache["at"] = self.box.world.now()
        self.number += 1
        return Stage(self.box, self.folder / f"home{self.number}", pace)


async def _reachable(port: int) -> bool:
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


@contextmanager
def lanes(count: int, folder: Path) -> Iterator[list[Lane]]:
    """So many boxes side by side."""
    with ExitStack() as stack:
        boxes = [stack.enter_context(Box.open(enforce_rate=False, token_life=10**6)) for _ in range(count)]
        yield [Lane(box, folder / f"lane{n}") for n, box in enumerate(boxes)]
        for box in boxes:
            assert box.errors == (), box.errors


async def spread(lanes: list[Lane], work: list[Callable[[Lane], Awaitable[None]]]) -> None:
    """All the work, one piece at a time in each lane."""
    queue = iter(work)

    async def drive(lane: Lane) -> None:
        for piece in queue:
            await piece(lane)

    async with anyio.create_task_group() as group:
        for lane in lanes:
            group.start_soon(drive, lane)
