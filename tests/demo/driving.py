"""The product's own walk against one box: cases from a data file, each in a world as on the first day."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp import settings, wiring
from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.guard.approve import Reply, Ruling
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from cipp_mcp.demo.world import World, copied
from cipp_mcp.message import Outcome

TENANT = "fabrikam.example"
NAMED = re.compile(r"\{(?P<table>[\w.]+):(?P<name>[^{}|]+)(?:\|(?P<field>\w+))?\}")
LATER = 600.0  # seconds of the world's clock until work in the background is certainly done


class Yes:
    """A person who says yes to every plan."""

    name = "test"

    async def ask(self, plan: Plan) -> Ruling:
        return Ruling(Reply.YES, self.name)


@asynccontextmanager
async def opened(catalog: Catalog, home: Path) -> AsyncIterator[Stage]:
    """A stage whose client may do everything."""
    with Box.open(role="superadmin", enforce_rate=False, token_life=10**6) as box:
        own = {"CIPP_MCP_HOME": str(home), "CIPP_MCP_WAIT_SCALE": "0.001", "CI": "1"}
        read = settings.read({**box.environment(), **own})
        async with wiring.open_desk(read, catalog, answer_within=20) as desk:
            yield Stage(box, desk, home)
        assert [repr(error) for error in box.errors] == []


@dataclass(frozen=True)
class Case:
    """One call of a tool: an entry of a data file under the tool's name.

    Attributes:
        given: arguments; `{users:ana@fabrikam.example}` is that row's id, `{sites:Sales|webUrl}` a field of it,
            `{cipp.tasks:…}` a row of CIPP's own, `{operation}` the handle (or the cursor) of the call before.
        before: calls that make what this one needs.
        ends: outcome word.
        effects: what the ledger says of it, in its order; `*` stands for anything.
        later: outcome word of check_operation once the background had its time; its effects count as well.
        after: seconds of the world's clock that the background takes.
        rows: least number of rows that a read gives.
        by_answer: the answer itself is what was asked for, so no read-back proves it.
    """

    tool: str
    number: int
    given: Mapping[str, Any]
    before: tuple[Mapping[str, Any], ...] = ()
    ends: str = "done"
    effects: tuple[str, ...] = ()
    later: str = ""
    after: float = LATER
    rows: int = 1
    by_answer: bool = False

    def __str__(self) -> str:
        return f"{self.tool}-{self.number}"


def cases(name: str) -> list[Case]:
    """The cases of the data files whose names begin like this."""
    found = []
    for file in sorted(Path(__file__).parent.glob(f"{name}*.toml")):
        for tool, several in tomllib.loads(file.read_text(encoding="utf-8")).items():
            for number, raw in enumerate(several, 1):
                fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
                found.append(Case(tool, number, **fields))
    return found


def parameters(some: Iterable[Case], *, sample: bool = False) -> list[Any]:
    """For `parametrize`; with `sample` the first case of each tool runs always, the others with `-m slow`."""
    found, known = [], set[str]()
    for each in some:
        found.append(pytest.param(each, id=str(each), marks=[pytest.mark.slow] * (sample and each.tool in known)))
        known.add(each.tool)
    return found


@dataclass
class Stage:
    """One box and one desk, both as on the first day before each case.

    Attributes:
        operation: handle of the last call that was made before the case's own.
    """

    box: Box
    desk: Desk
    home: Path
    operation: str = ""
    _since: int = 0
    _pristine: Any = field(init=False)

    def __post_init__(self) -> None:
        self._pristine = copied(self.world.state)

    @property
    def world(self) -> World:
        return self.box.world

    @property
    def happened(self) -> list[str]:
        """The ledger since the case's own call: what was done to what, by name."""
        return [f"{each.verb} {each.target_type} {each.target_name}".strip() for each in self.world.ledger[self._since :]]

    def clean(self) -> None:
        """The world, the faults, the plans, the counts, CIPP's window and the operations as at the start."""
        self.world.go_back(self._pristine)
        self.box.faults.clear()
        for kept in self.home.iterdir():
            if kept.is_dir() and kept.name != "run":
                shutil.rmtree(kept)
            elif kept.name.startswith("tally"):
                kept.unlink()
        for window in self.home.glob("run/window-*"):
            window.unlink()

    async def play(self, case: Case, *faults: Fault) -> Outcome:
        """What comes before, then the case's own call, which the faults strike."""
        self.clean()
        for step in case.before:
            earlier = await self.call(step["tool"], step["given"])
            assert earlier.word in {"done", "claimed", "accepted"}, earlier.envelope()
            self.operation = str(earlier.facts.get("operation_id") or earlier.facts["next"])
        self._since = len(self.world.ledger)
        self.box.faults.add(*faults)
        return await self.call(case.tool, case.given)

    async def call(self, tool: str, given: Mapping[str, Any]) -> Outcome:
        return await perform(self.desk, tool, self.filled(dict(given)), Caller(channels=[Yes()]))

    async def check_later(self, outcome: Outcome, after: float) -> Outcome:
        self.world.advance(after)
        return await self.call("check_operation", {"operation_id": outcome.facts["operation_id"]})

    def filled(self, value: Any) -> Any:
        """The arguments with what stands in braces looked up in the world."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        return NAMED.sub(self._field, value).replace("{operation}", self.operation) if isinstance(value, str) else value

    def _field(self, found: re.Match[str]) -> str:
        own = found["table"].removeprefix("cipp.")
        rows = self.world.rows(own) if own != found["table"] else self.world.tenant(TENANT).rows(own)
        texts = ((row, [each for each in row.values() if isinstance(each, str)]) for row in rows)
        hit = [row for row, values in texts if any(fnmatchcase(each, found["name"]) for each in values)]
        assert hit, f"the demo has no {found[0]}"
        return str(hit[0][found["field"] or "id"])
