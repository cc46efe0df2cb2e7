"""The demo against CIPP's own OpenAPI document, for every endpoint that we use: paths, methods, roles, names, and how it
answers what the document allows.

Runs where CIPP_OPENAPI names the document (openapi.json of CIPP-API), or where it lies beside the project as
`shared/cipp/openapi.json`; it is no part of this project. What is played needs schemathesis, the extra `document`:
`pytest -m slow tests/faults/test_document.py` plays each endpoint 25 times.
"""

from __future__ import annotations

import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cipp_mcp.catalog.manifests import load
from cipp_mcp.catalog.openapi import Operation, operations
from cipp_mcp.catalog.uses import uses
from cipp_mcp.demo.answers import endpoints
from cipp_mcp.demo.dialect import Abort, Call, GraphError
from cipp_mcp.demo.serve import Box
from cipp_mcp.demo.world import World
from cipp_mcp.errors import CippMcpError
from tests.contract.test_contract import OPERATIONS

PLACE = Path(os.environ.get("CIPP_OPENAPI", "") or Path(__file__).parents[3] / "shared" / "cipp" / "openapi.json")
if not PLACE.is_file():
    pytest.skip("CIPP_OPENAPI names no document, and none lies beside the project", allow_module_level=True)
CATALOG = load()
USED = sorted({u.endpoint for u in uses(CATALOG)})
DEMO = endpoints()
READ_IN_PASSING = {("AddMSPApp", "InstallationIntent"), ("AddStoreApp", "excludeGroup")}
"""One function of the demo reads these for every kind of app; here CIPP has none of them, and no manifest sends one."""


@pytest.fixture(scope="module")
def document() -> dict[str, Operation]:
    return operations(PLACE.read_bytes())


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


# -- played -------------------------------------------------------------------------------------------------

CORE = {"500": "what the core answers where a function lets an error through: the text"}
"""The document lists what stands in each function's own source; CIPP's core answers for all of them."""

GONE = {"204": "the function ends itself where the id is empty, and nothing is answered"}
ENDS_ITSELF = {"POST /api/RemoveApp", "POST /api/RemovePolicy", "POST /api/RemoveUser"}


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Label -> schemathesis's view of each operation that we use, and the keywords of a call to the demo."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed (the extra `document`)")
    raw = json.loads(PLACE.read_bytes())
    raw["paths"] = {p: {m: o for m, o in ops.items() if f"{m.upper()} {p}" in USED} for p, ops in raw["paths"].items()}
    for path, several in raw["paths"].items():
        for method, one in several.items():
            extra = CORE | (GONE if f"{method.upper()} {path}" in ENDS_ITSELF else {})
            one["responses"] = {k: {"description": text} for k, text in extra.items()} | one["responses"]
    known = {found.ok().label: found.ok() for found in schemathesis.openapi.from_dict(raw).get_all_operations()}
    with Box.open(role="superadmin", enforce_rate=False, token_life=10**6) as box:
        yield known, {"base_url": f"http://127.0.0.1:{box.port}", "headers": {"Authorization": f"Bearer {token(box)}"}}
        box.world.advance(86_400)
        assert [repr(error) for error in box.errors] == []


def token(box: Box) -> str:
    env = box.environment()
    asked = {"grant_type": "client_credentials", "scope": f"api://{env['CIPP_CLIENT_ID']}/.default"}
    asked |= {"client_id": env["CIPP_CLIENT_ID"], "client_secret": env["CIPP_CLIENT_SECRET"]}
    with urllib.request.urlopen(env["CIPP_TOKEN_URL"], urllib.parse.urlencode(asked).encode(), timeout=10) as answer:
        return str(json.load(answer)["access_token"])


def play(endpoint: str, played: tuple[dict[str, Any], dict[str, str]], examples: int) -> None:
    """Send what the document allows and hold the answer against what it promises."""
    from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

    known, keywords = played
    if endpoint not in known:
        assert endpoint in OPERATIONS, "the document has another method, and no difference is written down"
        return
    checks = [status_code_conformance, response_schema_conformance]

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=known[endpoint].as_strategy())
    def one(case: Any) -> None:
        case.call_and_validate(**keywords, checks=checks)

    one()


@pytest.mark.parametrize("endpoint", USED)
def test_the_demo_answers_what_the_document_allows_as_it_promises(endpoint: str, played: Any) -> None:
    play(endpoint, played, 2)


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", USED)
def test_the_demo_answers_25_times_as_the_document_promises(endpoint: str, played: Any) -> None:
    play(endpoint, played, 25)
