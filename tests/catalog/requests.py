"""Checked arguments -> the request that they become: tenants are the demo's, every object is found under its own key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cipp_mcp.call.encode import encode
from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.demo.world import World
from cipp_mcp.message import Request

BOUNDS = {"timeout": 120.0, "batch_size": 4.0, "batch_interval": 0.0}


def checked(action: Action, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments as `perform` would go on with them."""
    return inputs.check(action, given, bounds=BOUNDS)[0]


def request_of(action: Action, arguments: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> Request:
    """The request of checked arguments."""
    tenants: dict[str, Tenant] = {}
    targets: dict[str, Target] = {}
    for f in action.fields:
        for key in _keys(arguments.get(f.name)) if f.kind else ():
            if f.kind == "tenant":
                tenants[key] = _known().get(key.casefold(), Tenant(f"id of {key}", key, key, key))
            else:
                targets[key] = Target(str(f.kind), key, key, key, state={"groupType": "Security"})
    return encode(action, arguments, tenants, targets, stored)


@cache
def _known() -> Mapping[str, Tenant]:
    found = [Tenant(t.customer_id, t.default_domain, t.initial_domain, t.display_name) for t in World.fresh().tenants]
    return {key.casefold(): t for t in found for key in (t.customer_id, t.default_domain, t.name)}


def _keys(value: Any) -> Iterable[str]:
    if value is None:
        return ()
    return map(str, value) if isinstance(value, list | tuple) else (str(value),)
