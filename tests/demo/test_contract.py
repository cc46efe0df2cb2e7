"""The demo's own OpenAPI document: absent as in CIPP 10.8.2, and where it is there, true of what answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cipp_mcp.catalog import openapi, shipped
from cipp_mcp.demo import contract
from cipp_mcp.demo.access import CustomRole
from cipp_mcp.demo.answers import endpoints, named
from cipp_mcp.demo.dialect import Call, Endpoint, Reply
from cipp_mcp.demo.serve import Box
from tests.demo.conftest import Caller


def greet(call: Call) -> Reply:
    return call.done(f"Hello {called(call)}")


def called(call: Call) -> str:
    return str(call.sent("who.value") or call.either("Name"))


NEWER: Mapping[str, Endpoint] = {"ExecGreet": Endpoint("Tenant.Things.ReadWrite", greet, any_tenant=True)}


def test_a_cipp_of_today_has_none(cipp: Caller) -> None:
    reply = cipp.get(contract.NAME)
    assert (reply.status_code, reply.text) == (404, "Endpoint not found")


def test_a_newer_one_tells_every_function_with_its_role(caller: type[Caller]) -> None:
    with Box.open(newer=NEWER) as box, caller(box) as cipp:
        reply = cipp.get("listopenapispec")
        assert reply.status_code == 200
        told = openapi.operations(reply.content)
        assert {o.path.removeprefix("/api/"): o.role for o in told.values()} == {
            n: e.role for n, e in {**named(), **NEWER}.items()
        }
        assert {n.lower() for n in named()} == set(endpoints())
        new = told["POST /api/ExecGreet"]
        assert (set(new.body), set(new.query), new.any_tenant) == (
            {"body.who", "body.who.value", "body.Name"},
            {"query.Name"},
            True,
        )
        assert cipp.post("ExecGreet", {"who": {"value": "Ana"}}).json() == {"Results": "Hello Ana"}
        assert box.errors == ()


@pytest.mark.parametrize(("permissions", "status"), [({"CIPP.Core.Read"}, 200), ({"Identity.User.Read"}, 403)])
def test_it_needs_the_role_that_cipp_asks_for(caller: type[Caller], permissions: Any, status: int) -> None:
    role = CustomRole("narrow", permissions=frozenset(permissions))
    with Box.open(role=role, newer=NEWER) as box, caller(box) as cipp:
        assert cipp.get(contract.NAME).status_code == status


def test_what_it_says_agrees_with_what_is_shipped() -> None:
    """Names that a function asks for and that the catalogue of CIPP does not have would be the demo's invention."""
    told, known = openapi.operations(json.dumps(contract.document(named()))), shipped.read()
    by_name = {o.path.removeprefix("/api/").casefold(): o for o in told.values()}
    assert set(by_name) <= set(known)
    shared = [n for n, o in by_name.items() if o.places and known[n].names]
    assert len(shared) > 80
    some = [n for n in shared if {p.lower() for p in by_name[n].places} & {x.place.lower() for x in known[n].names}]
    assert len(some) / len(shared) > 0.9
