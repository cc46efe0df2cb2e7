"""Licences: what was bought, who holds it, and changing that in bulk."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cipp_mcp.demo import people, schedule
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, is_true, pick, same, truthy
from cipp_mcp.demo.tenant import Row, Table, Tenant, visible
from cipp_mcp.demo.world import World

HOLDER = ("displayName", "userPrincipalName", "id")
LOADING = "Loading data for all tenants. Ask again in a minute"


def overview(call: Call, tenant: Tenant, include_excluded: bool = False) -> list[Row]:
    hidden = _excluded(call.world)
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
                "AssignedUsers": [{key: user[key] for key in HOLDER} for user in holders] or None,
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


# The first of those that CIPP brings along.
DEFAULTS = {
    "90d8b3f8-712e-4f7b-aa1e-62e7ae6cbe96": "Business Apps (free)",
    "f30db892-07e9-47e9-837c-80727f46fd3d": "Microsoft Power Automate Free",
}


def _excluded(world: World) -> Table:
    """The table; an empty one fills itself with the defaults whenever it is looked at."""
    table = world.table("excluded_licenses")
    if not table:
        _restore(table)
    return table


def _restore(table: Table) -> None:
    for key, name in DEFAULTS.items():
        table.setdefault(key, _exclusion(key, name, True))


def _exclusion(key: str, name: str, everywhere: bool) -> Row:
    return {
        "id": key,
        "GUID": key,
        "Product_Display_Name": name,
        "ExcludedEverywhere": everywhere,
        "ShowInLicenseDropdown": False,
    }


def list_excluded(call: Call) -> Reply:
    kinds = {True: "Excluded Everywhere", False: "Excluded from Alerts Only"}
    rows = [{**visible(row, "id"), "ExclusionType": kinds[row["ExcludedEverywhere"]]} for row in _excluded(call.world).values()]
    return Reply({"Results": rows})


def exclusions(call: Call) -> Reply:
    """Which licences CIPP leaves out of its lists: instance-wide, and without an Action a 400."""
    action, key, name = (str(call.sent(field) or "") for field in ("Action", "GUID", "SKUName"))
    table, world = _excluded(call.world), call.world
    row = table.get(key)
    low = action.lower()
    if low in ("addexclusion", "alertonly"):
        new = _exclusion(key, name, low == "addexclusion")
        if row != new:
            table[key] = new
            world.record(None, "exclude", "license", new, action)
        return call.done(f"Success. Added {name}({key}) to the exclusions.")
    if low == "setshowindropdown":
        if row is None:
            return call.failed(f"Failed to process exclusion request. Excluded license not found: {key}")
        world.change(None, "license", row, ShowInLicenseDropdown=call.sent("ShowInDropdown") is True)
        return call.done(f"Success. Changed whether {name or row['Product_Display_Name']}({key}) shows in license dropdowns.")
    if low == "removeexclusion":
        if row is None:
            return call.failed(
                "Failed to process exclusion request. Cannot bind argument to parameter 'Entity' because it is null."
            )
        del table[key]
        world.record(None, "include", "license", row, action)
        return call.done(f"Success. Removed {name}({key}) from the exclusions.")
    if low == "restoredefaults":
        before = dict(table)
        if truthy(call.sent("FullReset")):
            table.clear()
        _restore(table)
        if table != before:
            world.record(None, "restore_defaults", "license", {"id": "defaults", "name": "excluded licences"})
        return call.done("Successfully restored the default excluded licenses.")
    return call.failed(f"Invalid action specified: {action}", status=400)


ENDPOINTS = {
    "ListExcludedLicenses": Endpoint("CIPP.AppSettings.Read", list_excluded),
    "ExecExcludeLicenses": Endpoint("CIPP.AppSettings.ReadWrite", exclusions),
    "ListLicenses": Endpoint("Tenant.Directory.Read", list_licenses),
    "ExecBulkLicense": Endpoint("Identity.User.ReadWrite", bulk),
}
