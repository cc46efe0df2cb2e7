"""Licences: what was bought, who holds it, and changing that in bulk."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cipp_mcp.demo import people, schedule
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, is_true, pick, same, truthy
from cipp_mcp.demo.tenant import Row, Tenant

LOADING = "Loading data for all tenants. Please check back in 1 minute"


def overview(call: Call, tenant: Tenant, include_excluded: bool = False) -> list[Row]:
    hidden = call.world.table("excluded_licenses")
    rows: list[Row] = []
    for sku in tenant.rows("skus"):
        exclusion = hidden.get(sku["id"])
        if exclusion and exclusion["ExcludedEverywhere"] and not (include_excluded and exclusion["ShowInLicenseDropdown"]):
            continue
        used = people.consumed(tenant, sku["id"])
        holders = [user for user in tenant.rows("users") if any(each["skuId"] == sku["id"] for each in user["assignedLicenses"])]
        renews = datetime.fromisoformat(sku["renews"])
        rows.append(
            {
                "Tenant": tenant.default_domain, "License": sku["name"], "CountUsed": str(used),
                "CountAvailable": sku["enabled"] - used,
                "TotalLicenses": str(sku["enabled"]), "skuId": sku["id"], "skuPartNumber": sku["name"],
                "availableUnits": sku["enabled"] - used,
                "TermInfo": [{"Status": "Enabled", "Term": "Yearly", "TotalLicenses": sku["enabled"],
                              "DaysUntilRenew": (renews - call.world.now()).days, "NextLifecycle": sku["renews"],
                              "CreatedDateTime": sku["created"], "IsTrial": False, "SubscriptionId": sku["subscription"],
                              "CSPSubscriptionId": None, "OCPSubscriptionId": None}],
                "AssignedUsers": [{key: user[key] for key in ("displayName", "userPrincipalName",
                                                              "id")} for user in holders] or None,
                "AssignedGroups": None, "ServicePlans": [],
            }
        )  # fmt: skip
    return sorted(rows, key=lambda row: str(row["License"]))


def list_licenses(call: Call) -> Reply:
    wanted = call.asked("tenantFilter")
    if wanted != "AllTenants":
        return Reply(overview(call, call.tenant(wanted), is_true(call.asked("IncludeExcluded"))))
    world = call.world
    if schedule.cached(world, "licenses", 60) is None:
        # Asking again while it loads queues it again: CIPP does not look for a running queue here.
        schedule.enqueue(world, "Licenses (All Tenants)", "licenses", len(world.known()))
        return Reply([{"Tenant": LOADING, "License": LOADING}])
    return Reply([row for tenant in world.known(call.allowed) for row in overview(call, tenant)])


def bulk(call: Call) -> Reply:
    """A list of orders. Of each order only the first user counts, and an unknown operation repeats the last one's licences."""
    said: list[str] = []
    order = [entry for entry in as_list(call.body) if isinstance(entry, dict)]
    names = list(dict.fromkeys(str(pick(entry, "tenantFilter") or "") for entry in order))
    add: list[str] = []
    remove: list[str] = []
    for name in names:
        tenant = call.tenant(name)
        for entry in [each for each in order if same(pick(each, "tenantFilter") or "", name)]:
            users = [str(each) for each in as_list(pick(entry, "userIds")) if str(each or "").strip()]
            if not users:
                said.append(f"No valid user ID found in request for tenant {name}")
                continue
            user = tenant.table("users").get(users[0])
            if user is None:
                said.append(f"User {users[0]} not found in tenant {name}")
                continue
            held = [licence["skuId"] for licence in user["assignedLicenses"]]
            operation = str(pick(entry, "LicenseOperation") or "").lower()
            if operation == "add":
                add, remove = _values(entry, "Licenses"), []
            elif operation == "remove":
                everything = truthy(pick(entry, "RemoveAllLicenses"))
                add, remove = [], held if everything else [sku for sku in _values(entry, "LicensesToRemove") if sku in held]
            elif operation == "replace":
                everything = truthy(pick(entry, "ReplaceAllLicenses"))
                add = _values(entry, "Licenses")
                remove = held if everything else [sku for sku in _values(entry, "LicensesToReplace") if sku in held]
            if not add and not remove:
                said.append(f"No license changes needed for user {user['userPrincipalName']}")
                continue
            said.append(_apply(call, tenant, user, add, remove))
    return Reply({"Results": said})


def _apply(call: Call, tenant: Tenant, user: Row, add: list[str], remove: list[str]) -> str:
    upn = user["userPrincipalName"]
    try:
        if add and not user["usageLocation"]:
            # CIPP sets its default location after Graph's refusal and tries once more.
            call.world.change(tenant, "user", user, usageLocation="US")
        people.assign_licences(call.world, tenant, user["id"], add, remove)
    except GraphError as refusal:
        return f"Failed to assign licenses for user {upn}: {refusal}"
    call.log(f"Assigned licenses to user {upn}", tenant.default_domain)
    return f"Successfully set licenses for {upn}. The change may take a few minutes to show."


def _values(entry: Any, name: str) -> list[str]:
    return [str(pick(each, "value")) for each in as_list(pick(entry, name)) if pick(each, "value")]


ENDPOINTS = {
    "ListLicenses": Endpoint("Tenant.Directory.Read", list_licenses),
    "ExecBulkLicense": Endpoint("Identity.User.ReadWrite", bulk),
}
