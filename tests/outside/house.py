"""A real MCP client, our server as a child process, and the person whom the client asks."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import mcp_types as t
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.demo.front import Received
from cipp_mcp.demo.serve import Box

QUIET = {
    "CI": "1",  # no browser is opened
    "CIPP_MCP_WAIT_SCALE": "0.001",
    "CIPP_MCP_ANSWER_WITHIN": "20",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    "PYTHONIOENCODING": "",
}
ERAS = ["auto", "legacy"]
WITHIN = 60.0


def shared_out(cases: Iterable[Any], first: int = 0, marks: Sequence[pytest.MarkDecorator] = ()) -> list[Any]:
    """(era, case) for every case, the eras taking turns."""
    shared = []
    for n, case in enumerate(cases):
        era, parts = ERAS[(first + n) % len(ERAS)], case if isinstance(case, tuple) else (case,)
        shared.append(pytest.param(era, *parts, id=f"{era}-{n}-{str(parts[0])[:24]}", marks=marks))
    return shared


def environment(home: Path, *more: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a child: the machine's own, without any setting of ours, and then what is given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CIPP_")}
    for part in (QUIET, {"CIPP_MCP_HOME": str(home)}, *more):
        kept |= part
    return kept


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cipp_mcp", *arguments]


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens in another process; fails when it does not happen in time."""
    end = time.monotonic() + WITHIN
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


Answer = Callable[[t.ElicitRequestFormParams], t.ElicitResult]


def types_it(form: t.ElicitRequestFormParams) -> t.ElicitResult:
    """Accept with exactly the phrase that the form asks for."""
    return t.ElicitResult(action="accept", content={"phrase": form.requested_schema["properties"]["phrase"]["description"]})


def types(phrase: Any) -> Answer:
    return lambda form: t.ElicitResult(action="accept", content={"phrase": phrase})


def declines(form: t.ElicitRequestFormParams) -> t.ElicitResult:
    return t.ElicitResult(action="decline")


def cancels(form: t.ElicitRequestFormParams) -> t.ElicitResult:
    return t.ElicitResult(action="cancel")


@dataclass
class Person:
    """Who is asked, what was shown, and how this person answers."""

    answer: Answer = types_it
    asked: list[t.ElicitRequestFormParams] = field(default_factory=list)

    async def __call__(self, _: Any, params: t.ElicitRequestParams) -> t.ElicitResult | t.ErrorData:
        assert isinstance(params, t.ElicitRequestFormParams)
        self.asked.append(params)
        return await anyio.to_thread.run_sync(self.answer, params)


@asynccontextmanager
async def connected(env: Mapping[str, str], mode: str, person: Person | None, log: Path) -> AsyncIterator[Client]:
    """The SDK's client over standard input and output of a server of its own; the server's log goes into a file."""
    with log.open("a", encoding="utf-8") as errors:
        server = StdioServerParameters(command=sys.executable, args=["-m", "cipp_mcp", "serve"], env=dict(env))
        async with Client(
            stdio_client(server, errors), mode=mode, elicitation_callback=person, read_timeout_seconds=WITHIN
        ) as client:  # type: ignore[arg-type]
            yield client


async def call(client: Client, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One call; the envelope that came back, after checking that text and structure say the same."""
    with anyio.fail_after(WITHIN):
        result = await client.call_tool(tool, dict(arguments))
    envelope = dict(result.structured_content or {})
    assert isinstance(result.content[0], t.TextContent)
    assert json.loads(result.content[0].text) == envelope
    assert result.is_error is (envelope["outcome"] in {"failed", "unknown", "refused"})
    return envelope


class Ended(NamedTuple):
    """How one command ended: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


@dataclass
class House:
    """A demo box, a client of one era with its server, and their state, cleaned between tests."""

    box: Box
    home: Path
    client: Client
    person: Person
    mode: str
    log: Path

    def __post_init__(self) -> None:
        self._pristine = copy.deepcopy(self.box.world.state)
        self._seen = 0

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return await call(self.client, tool, arguments)

    @property
    def effects(self) -> list[str]:
        """Which endpoints really changed something."""
        return [e.endpoint for e in self.box.world.ledger]

    @property
    def requests(self) -> list[Received]:
        """What arrived since the last clean-up, tokens left out."""
        return [r for r in self.box.requests[self._seen :] if not r.is_token]

    @property
    def changing(self) -> list[Received]:
        """What arrived that could change something."""
        return [r for r in self.requests if not r.endpoint.lower().startswith("list")]

    def clean(self) -> None:
        """The world, the faults, the plans and the counts as at the start."""
        with self.box.world.lock:
            self.box.world.state = copy.deepcopy(self._pristine)
        self.box.faults.clear()
        self._seen = len(self.box.requests)
        self.person.answer = types_it
        self.person.asked.clear()
        forget(self.home)

    def plans(self) -> list[Plan]:
        """The plans that may still run, oldest first."""
        return self.store().all()

    def store(self) -> PlanStore:
        """The plans of the server's folder, as `cipp-mcp approve` sees them."""
        return PlanStore(Vault(self.home), time.time)

    def approve(self, plan_id: str) -> None:
        """A person's yes beside the client."""
        (plan,) = [p for p in self.plans() if p.id == plan_id]
        self.store().approve(plan, "terminal")

    def user(self, upn: str = "ana@fabrikam.example") -> dict[str, Any]:
        found = self.box.world.tenant(upn.partition("@")[2]).user(upn)
        assert found is not None
        return dict(found)


def forget(home: Path) -> None:
    """Plans, counts and operations go; the key and the trail stay."""
    for kept in home.iterdir() if home.is_dir() else ():
        if kept.is_dir() and kept.name != "run":
            shutil.rmtree(kept, ignore_errors=True)
        elif kept.name.startswith("tally"):
            kept.unlink(missing_ok=True)


@asynccontextmanager
async def opened(mode: str, folder: Path, *more: Mapping[str, str], asks: bool = True) -> AsyncIterator[House]:
    """A whole house. `asks`: the client declares that it can ask a person."""
    person = Person()
    home, log = folder / "home", folder / "server.log"
    with Box.open(enforce_rate=False) as box:
        async with connected(environment(home, box.environment(), *more), mode, person if asks else None, log) as client:
            yield House(box, home, client, person, mode, log)
        assert box.errors == ()
