"""Conditional access: policies of one tenant at once, of all tenants from a cache that fills in its own time."""

from __future__ import annotations

import json
from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.dialect import Call, Endpoint, Reply
from cipp_mcp.demo.tenant import Row, Tenant, visible


def _names(tenant: Tenant, table: str, keys: list[str]) -> list[str]:
    found = [tenant.find(table, key) for key in keys]
    return [str(row["displayName"]) if row else key for row, key in zip(found, keys, strict=True)]


def shown(tenant: Tenant, policy: Row) -> Row:
    conditions, grant = policy["conditions"], policy["grantControls"]
    users, apps = conditions["users"], conditions["applications"]

    def lines(table: str, part: str) -> str:
        return "".join(f"{name}\n" for name in _names(tenant, table, users.get(part, [])))

    row: dict[str, Any] = {
        "id": policy["id"], "displayName": policy["displayName"], "customer": None, "Tenant": tenant.default_domain,
        "createdDateTime": policy["createdDateTime"], "modifiedDateTime": policy["modifiedDateTime"], "state": policy["state"],
        "clientAppTypes": ",".join(conditions["clientAppTypes"]), "includePlatforms": "", "excludePlatforms": "",
        "includeLocations": ",".join(_names(tenant, "named_locations", conditions["locations"]["includeLocations"])),
        "excludeLocations": ",".join(_names(tenant, "named_locations", conditions["locations"]["excludeLocations"])),
        "includeApplications": ",".join(apps["includeApplications"]),
        "excludeApplications": ",".join(apps["excludeApplications"]),
        "includeUserActions": "", "includeAuthenticationContextClassReferences": "",
        "includeUsers": lines("users", "includeUsers"), "excludeUsers": lines("users", "excludeUsers"),
        "includeGroups": lines("groups", "includeGroups"), "excludeGroups": lines("groups", "excludeGroups"),
        "includeRoles": lines("roles", "includeRoles"), "excludeRoles": lines("roles", "excludeRoles"),
        "grantControlsOperator": grant["operator"], "builtInControls": ",".join(grant["builtInControls"]),
        "customAuthenticationFactors": "", "termsOfUse": "", "rawjson": json.dumps(visible(policy)),
    }  # fmt: skip
    return row


def list_policies(call: Call) -> Reply:
    where, world = call.asked("tenantFilter"), call.world
    metadata: Any = None
    rows: list[Row] = []
    if where != "AllTenants":
        tenant = call.tenant(where)
        rows = [shown(tenant, policy) for policy in tenant.rows("ca_policies")]
    else:
        metadata, ready = schedule.load(world, "AllTenants-CAPolicy", "Conditional Access (All Tenants)", 60)
        if ready:
            rows = [shown(tenant, policy) for tenant in world.known(call.allowed) for policy in tenant.rows("ca_policies")]
    return Reply({"Results": sorted(rows, key=lambda row: str(row["id"]), reverse=True), "Metadata": metadata})


ENDPOINTS = {"ListConditionalAccessPolicies": Endpoint("Tenant.ConditionalAccess.Read", list_policies)}
