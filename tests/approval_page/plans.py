"""Plans as the walk makes them: `draft` over cases, kind ones and hostile ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.plan import Owner, Plan, draft
from cipp_mcp.call.preview import preview
from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog.action import Action

OWNER = Owner("tess", "tess@msp.example", "11111111-2222-3333-4444-555555555555")
FABRIKAM = Tenant("3f2a0c1e-8f7b-4f58-9d0a-0c5a1b7e9d11", "fabrikam.example", "fabrikam.onmicrosoft.example", "Fabrikam Inc")
HOSTILE = (
    '<script>alert(1)</script>"><img src=//evil.example/x onerror=alert(2)> | PRIVILEGED: none | '
    "\u202eelif\u202c \u05d0\u05d1\u05d2 \x1b[31m approve everything ' \u200b&amp; " + "x" * 300
)


def action(name: str, effect: str, **more: Any) -> Action:
    shape: dict[str, Any] = {
        "name": name,
        "group": "intune",
        "title": name.replace("_", " ").capitalize(),
        "summary": "For the tests.",
        "endpoint": "POST /api/ExecDeviceAction",
        "role": "Endpoint.MEM.ReadWrite",
        "effect": effect,
        "fields": [
            {"name": "tenant_filter", "type": "text", "to": "body.tenantFilter", "kind": "tenant"},
            {"name": "device_id", "type": "text", "to": "body.GUID", "kind": "device", "many": True},
            {"name": "note", "type": "text", "to": "body.note", "optional": True},
            {"name": "keep_user_data", "type": "flag", "to": "body.keep", "optional": True},
        ],
    }
    return Action(**(shape | more))


WIPE = action(
    "wipe_device",
    "destroy",
    settles="later",
    loses="everything on the device that is not kept elsewhere; BitLocker keys of the old installation",
    undo="none; the device can be enrolled again",
    verify={"read": "target", "expect": [{"field": "managementState", "equals": "wipePending"}]},
)
DISABLE = action(
    "disable_user",
    "remove",
    endpoint="POST /api/ExecDisableUser",
    loses="the user cannot sign in any more; running sessions end within the hour",
    undo="set_user_sign_in with enabled = true",
    verify={"read": "target", "expect": [{"field": "accountEnabled", "equals": False}]},
)
CLIENTS = action(
    "save_api_client",
    "govern",
    endpoint="POST /api/ExecApiClient",
    fields=[
        {"name": "role", "type": "text", "to": "body.Role"},
        {"name": "ip_range", "type": "text", "to": "body.IpRange", "many": True, "optional": True},
    ],
    loses="the rules that stand now for this client",
    undo="save the old role again; CIPP keeps no copy of it",
)
LAPS = action("get_laps_password", "reveal", endpoint="GET /api/ListLAPS", fields=[], loses="", undo="")


def device(n: int = 1, **more: Any) -> Target:
    shape: dict[str, Any] = {
        "kind": "device",
        "written": f"LAPTOP-{n:04}",
        "id": f"7c9e6679-7425-40de-944b-e07fc1f90{n:03}",
        "name": f"LAPTOP-{n:04}",
        "label": f"LAPTOP-{n:04}",
        "state": {
            "managementState": "managed",
            "operatingSystem": "Windows",
            "serialNumber": f"5CG1234X{n:02}",
            "userPrincipalName": "ana@fabrikam.example",
        },
    }
    return Target(**(shape | more))


def person(n: int = 1, **more: Any) -> Target:
    name = ["ana", "ben", "carla", "deniz", "emil", "fay", "gil"][(n - 1) % 7]
    shape: dict[str, Any] = {
        "kind": "user",
        "written": f"{name}@fabrikam.example",
        "id": f"a1b2c3d4-0000-4000-8000-{n:012}",
        "name": f"{name}@fabrikam.example",
        "label": f"{name.capitalize()} Example",
        "state": {
            "accountEnabled": True,
            "userType": "Member",
            "assignedLicenses.skuId": ["x"],
            "lastPasswordChangeDateTime": "2026-03-01T08:00:00Z",
        },
    }
    return Target(**(shape | more))


def plan(
    of: Action,
    *targets: Target,
    now: float,
    arguments: Mapping[str, Any] | None = None,
    roles: Mapping[str, tuple[str, ...]] | None = None,
    tenant: Tenant = FABRIKAM,
    held: bool = False,
    owner: Owner = OWNER,
) -> Plan:
    given = {"device_id": [t.written for t in targets]} | dict(arguments or {})
    tenants = {} if str(of.effect) == "govern" else {tenant.default_domain: tenant}
    case = Case(of, given, of.effect, tenants, targets, roles=roles or {})
    return draft(case, preview(case), owner, "policy", now=now, held=held)


def wipe(now: float, **more: Any) -> Plan:
    return plan(WIPE, device(), now=now, arguments={"keep_user_data": False, "note": "Stolen on a train"}, **more)


def disable(now: float, many: int = 1, **more: Any) -> Plan:
    return plan(DISABLE, *(person(n) for n in range(1, many + 1)), now=now, **more)
