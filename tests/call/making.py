"""Fictitious tenants, users and calls for the pure rooms, and how hard Hypothesis looks at them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog import manifests
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.message import Response

_SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
few = settings(max_examples=20, deadline=None, suppress_health_check=_SLOW_MACHINE, database=None)
some = settings(max_examples=50, deadline=None, suppress_health_check=_SLOW_MACHINE, database=None)
many = settings(max_examples=120, deadline=None, suppress_health_check=_SLOW_MACHINE, database=None)

FABRIKAM = Tenant("11111111-aaaa-4aaa-8aaa-000000000001", "fabrikam.example", "fabrikamdemo.onmicrosoft.com", "Fabrikam")
ME = Owner("robin", "robin@brightdesk.example", "00000000-0000-4000-8000-00000000c11e")
ANA_ID = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01"
SKU_A, SKU_B = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46", "3b555118-da6a-4418-894f-7df1e2096870"


@cache
def catalog() -> Catalog:
    return manifests.load()


def user(upn: str = "ana@fabrikam.example", number: int = 1, **state: Any) -> Target:
    """A resolved user; keyword arguments are its state."""
    known = {"accountEnabled": True, "userType": "Member", "onPremisesSyncEnabled": False, "onPremisesImmutableId": "QUJD"}
    return Target("user", upn, f"6f1c1a52-54a3-4ac6-9a0f-{number:012x}", upn, upn.partition("@")[0].title(), known | state)


def case(tool: str, arguments: Mapping[str, Any], *targets: Target, **changes: Any) -> Case:
    """A checked and resolved call of one tool in Fabrikam."""
    action = catalog().get(tool)
    given = {"tenant_filter": "fabrikam.example", **arguments}
    defaults = {f.name: f.default for f in action.fields if f.default is not None}
    facts = {"tenants": {"fabrikam.example": FABRIKAM}, "targets": targets} | changes
    return Case(action, defaults | given, action.effect_of(given), **facts)


def response(body: Any = b"", status: int = 200, kind: str = "application/json; charset=utf-8") -> Response:
    """An answer of CIPP; anything but bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"content-type": kind}, raw)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files end at so many bytes: as on a disk that gets full, a write takes what fits and the next one nothing."""
    limits = pytest.importorskip("resource")
    before = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, before)


def texts_in(value: Any) -> list[str]:
    """Every text in a JSON value, keys included, numbers as text."""
    if isinstance(value, Mapping):
        return [t for k, v in value.items() for t in [*texts_in(k), *texts_in(v)]]
    if isinstance(value, list | tuple):
        return [t for v in value for t in texts_in(v)]
    return [] if value is None or isinstance(value, bool) else [str(value)]
