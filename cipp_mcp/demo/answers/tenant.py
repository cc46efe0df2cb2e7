"""Tenants and their directory roles."""

from __future__ import annotations

import uuid
from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.dialect import Call, Endpoint, Reply, is_true, same
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import stamp

# Portal link name -> the address with the part of the tenant that goes into it.
PORTALS = {
    "portal_m365": "https://admin.cloud.microsoft/?delegatedOrg={initial}",
    "portal_exchange": "https://admin.cloud.microsoft/exchange?delegatedOrg={initial}",
    "portal_entra": "https://entra.microsoft.com/{default}",
    "portal_teams": "https://admin.teams.microsoft.com?delegatedOrg={initial}",
    "portal_azure": "https://portal.azure.com/{default}",
    "portal_intune": "https://intune.microsoft.com/{default}",
    "portal_security": "https://security.microsoft.com/?tid={id}",
    "portal_compliance": "https://purview.microsoft.com/?tid={id}",
    "portal_sharepoint": "/api/ListSharePointAdminUrl?tenantFilter={default}",
    "portal_platform": "https://admin.powerplatform.microsoft.com/account/login/{id}",
    "portal_bi": "https://app.powerbi.com/admin-portal?ctid={id}",
}


def shown(call: Call, tenant: Tenant) -> Row:
    refreshed = call.world.table("settings").get("tenants", {}).get("refreshed", tenant.details["created"])
    return {
        "PartitionKey": "Tenants", "RowKey": tenant.customer_id, "customerId": tenant.customer_id,
        "defaultDomainName": tenant.default_domain,
        "initialDomainName": tenant.initial_domain, "displayName": tenant.display_name,
        "domains": "PartnerTenant" if tenant.partner else "",
        "Excluded": tenant.excluded, "ExcludeUser": "", "ExcludeDate": "", "GraphErrorCount": 0, "LastGraphError": "",
        "RequiresRefresh": False, "LastRefresh": refreshed, "hasAutoExtend": True, "relationshipCount": 1,
        "relationshipEnd": stamp(call.world.now()), "delegatedPrivilegeStatus": "granularDelegatedAdminPrivileges",
    }  # fmt: skip


def list_tenants(call: Call) -> Reply:
    world = call.world
    if is_true(call.sent("ClearCache")):
        world.record(None, "clear_cache", "tenants", {"id": "tenants", "name": "tenant cache"})
        world.table("caches").clear()
        schedule.enqueue(world, "Update Tenants", "UpdateTenants", len(world.known()))
        return Reply(
            {
                "Results": [{"Results": "Cache has been cleared; reading the tenants anew is queued."}],
                "Metadata": {"Details": "Tenant cache cleared"},
            }
        )
    wanted = call.asked("tenantFilter")
    if call.asked("TriggerRefresh"):
        world.table("settings")["tenants"] = {"id": "tenants", "refreshed": stamp(world.now())}
        world.record(None, "refresh", "tenants", {"id": wanted or "all", "name": wanted or "all tenants"})
    if wanted and wanted != "AllTenants":
        # The stored filter binds "or initialDomainName" loosely, so an excluded tenant shows by that name.
        tenants = [each for each in world.known() if each.answers_to(wanted)]
        tenants += [each for each in world.tenants if each.excluded and same(each.initial_domain, wanted)]
    else:
        tenants = world.known()
    rows = [shown(call, tenant) for tenant in tenants if call.allowed is None or tenant.customer_id in call.allowed]
    if is_true(call.asked("IncludeOffboardingDefaults")):
        for row in rows:
            row["offboardingDefaults"] = world.table("offboarding_defaults").get(row["customerId"], {}).get("value")
    as_selector = wanted is None or wanted == "null" or call.asked("Mode") == "TenantList"
    if as_selector and is_true(call.asked("AllTenantSelector")):
        everybody: Row = {"customerId": "AllTenants", "defaultDomainName": "AllTenants", "displayName": "*All Tenants",
                          "domains": "AllTenants",
                          "GraphErrorCount": 0}  # fmt: skip
        rows.insert(0, everybody)
    if call.asked("Mode") == "TenantList":
        for row in rows:
            names = {"initial": row.get("initialDomainName", ""), "default": row["defaultDomainName"], "id": row["customerId"]}
            row |= {link: address.format(**names) for link, address in PORTALS.items()}
    return Reply(rows)


def sid(object_id: str) -> str:
    """The Windows SID that Entra derives from an object id: its sixteen bytes as four numbers."""
    raw = uuid.UUID(object_id).bytes_le
    return "S-1-12-1-" + "-".join(str(int.from_bytes(raw[n : n + 4], "little")) for n in range(0, 16, 4))


def list_roles(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    rows: list[Any] = []
    for role in tenant.rows("roles"):
        members = [tenant.one("users", key) for key in role["_members"]]
        rows.append(
            {
                "Id": role["id"], "roleTemplateId": role["templateId"], "DisplayName": role["displayName"],
                "Description": role["description"],
                "Members": [{"displayName": user["displayName"], "userPrincipalName": user["userPrincipalName"], "id": user["id"],
                             "directoryScopeId": "/"} for user in members],
                "MemberCount": len(members), "isBuiltIn": role["isBuiltIn"], "isEnabled": role["isEnabled"],
                "SID": sid(role["templateId"]),
            }
        )  # fmt: skip
    # PowerShell writes a list of nothing as null and a list of one as that one.
    return Reply(rows or None)


ENDPOINTS = {
    "ListTenants": Endpoint("CIPP.Core.Read", list_tenants, any_tenant=True),
    "ListRoles": Endpoint("Identity.Role.Read", list_roles),
}
