"""The demo against CIPP's own OpenAPI document: paths, methods, roles, parameter names, for every endpoint that we use.

Runs where CIPP_OPENAPI names the document (Config/openapi.json of CIPP-API); it is no part of this project.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.catalog.manifests import load
from cipp_mcp.catalog.openapi import Operation, operations
from cipp_mcp.catalog.uses import uses
from cipp_mcp.demo.answers import endpoints
from cipp_mcp.demo.dialect import Abort, Call, GraphError
from cipp_mcp.demo.world import World
from cipp_mcp.errors import CippMcpError
from tests.contract.test_contract import OPERATIONS

PLACE = os.environ.get("CIPP_OPENAPI", "")
if not PLACE:
    pytest.skip("CIPP_OPENAPI names no document", allow_module_level=True)
CATALOG = load()
USED = sorted({u.endpoint for u in uses(CATALOG)})
DEMO = endpoints()
READ_IN_PASSING = {("AddMSPApp", "InstallationIntent"), ("AddStoreApp", "excludeGroup")}
"""One function of the demo reads these for every kind of app; here CIPP has none of them, and no manifest sends one."""


@pytest.fixture(scope="module")
def document() -> dict[str, Operation]:
    return operations(Path(PLACE).read_bytes())


def of(document: dict[str, Operation], path: str) -> list[Operation]:
    return [o for o in document.values() if o.path == path]


@pytest.mark.parametrize("endpoint", USED)
def test_path_method_role_and_tenant_check_are_the_documents(endpoint: str, document: dict[str, Operation]) -> None:
    path = endpoint.partition(" ")[2]
    told, ours = of(document, path), DEMO[path.removeprefix("/api/").lower()]
    assert told, "the document has no such path"
    assert ours.role in {o.role for o in told}
    assert ours.any_tenant == any(o.any_tenant for o in told)
    assert endpoint in {*document, *OPERATIONS}, "the document has another method, and no difference is written down"


class Spy(Call):
    """A request that notes by which names it is read."""

    names: set[str]

    def asked(self, name: str) -> str | None:
        self.names.add(name)
        return super().asked(name)

    def sent(self, path: str) -> Any:
        self.names.add(path)
        return super().sent(path)


@pytest.mark.parametrize("tool", [a.name for a in CATALOG if not a.own])
def test_the_demo_reads_no_name_that_cipp_does_not(tool: str, document: dict[str, Operation]) -> None:
    action = CATALOG.get(tool)
    name = action.path.removeprefix("/api/")
    held = [o for o in OPERATIONS.values() if o.path == action.path]
    known = {p.partition(".")[2].replace("[]", "").lower() for o in (*of(document, action.path), *held) for p in o.places}
    world = World.fresh()
    names: set[str] = set()
    for example in action.examples:
        call = Spy(world, name, action.method, dict(example.sends.get("query", {})), example.sends.get("body"), "client")
        call.names = names
        with world.lock, world.rehearsal():
            try:
                DEMO[name.lower()].run(call)
            except (Abort, GraphError, ValueError, CippMcpError):
                continue
    unknown = {n for n in names if (name, n) not in READ_IN_PASSING and not _is_known(n.lower(), known)}
    assert unknown == set()


def _is_known(name: str, known: set[str]) -> bool:
    """The name itself, something that has it inside, or something inside it."""
    return any(k == name or k.startswith(f"{name}.") or name.startswith(f"{k}.") for k in known)
