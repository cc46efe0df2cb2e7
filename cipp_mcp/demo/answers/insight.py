"""Reports on people: counts, sign-ins, inactivity, MFA, what conditional access would do, and their devices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cipp_mcp.demo import filters, people, schedule
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, is_true
from cipp_mcp.demo.tenant import Row, Tenant, visible
from cipp_mcp.demo.world import stamp


def counts(call: Call) -> Reply:
    if call.asked("tenantFilter") == "AllTenants":
        return Reply(dict.fromkeys(("Users", "LicUsers", "Gas", "Guests"), "Not Supported"))
    tenant = call.tenant(call.asked("tenantFilter"))
    if tenant.ghost:
        return Reply(dict.fromkeys(("Users", "LicUsers", "Gas", "Guests")))
    users = tenant.rows("users")
    admins = next(role for role in tenant.rows("roles") if role["displayName"] == "Global Administrator")
    return Reply(
        {
            "Users": len(users),
            "LicUsers": sum(1 for user in users if user["assignedLicenses"]),
            "Gas": len(admins["_members"]),
            "Guests": sum(1 for user in users if user["userType"] == "Guest"),
        }
    )


def inactive(call: Call) -> Reply:
    """Always from the nightly database; an empty list may only mean that nothing was ever cached."""
    where = call.asked("tenantFilter")
    before = call.world.now() - timedelta(days=int(call.asked("InactiveDays") or 180))
    rows = [
        _inactive(call, tenant, user, where or "")
        for _, tenant in nightly.snapshots(call, where)
        for user in tenant.rows("users")
        if user["accountEnabled"] and user["userType"] != "Guest"
        if user["_lastSignIn"] is None or datetime.fromisoformat(user["_lastSignIn"]) <= before
    ]
    return Reply(rows)


def _inactive(call: Call, tenant: Tenant, user: Row, where: str) -> Row:
    last = user["_lastSignIn"]
    return {
        "tenantId": tenant.default_domain if where == "AllTenants" else where, "tenantDisplayName": tenant.display_name,
        "azureAdUserId": user["id"], "userPrincipalName": user["userPrincipalName"], "displayName": user["displayName"],
        "userType": user["userType"], "createdDateTime": user["createdDateTime"], "lastSignInDateTime": last,
        "lastNonInteractiveSignInDateTime": None, "lastRefreshedDateTime": stamp(call.world.now()),
        "numberOfAssignedLicenses": len(user["assignedLicenses"]),
        "daysSinceLastSignIn": None if last is None else (call.world.now() - datetime.fromisoformat(last)).days,
        "accountEnabled": user["accountEnabled"],
    }  # fmt: skip


def sign_ins(call: Call) -> Reply:
    """A filter of the caller's replaces CIPP's own; all tenants are not handled, so they give nothing."""
    since = (call.world.now() - timedelta(days=float(call.asked("Days") or 7))).strftime("%Y-%m-%d")
    failed = call.asked("failedLogonsOnly")
    clause = call.asked("Filter") or f"createdDateTime ge {since}" + (" and status/errorCode eq 50126" if is_true(failed) else "")
    rows = filters.keep(call.tenant(call.asked("tenantFilter")).rows("sign_ins"), clause)
    shown = [
        {**visible(row), "additionalDetails": row["status"]["additionalDetails"], "errorCode": row["status"]["errorCode"],
         "locationcipp": f"{row['location']['city']} - {row['location']['countryOrRegion']}"}
        for row in rows
    ]  # fmt: skip
    least = int(call.asked("FailureThreshold") or 0)
    if failed and least > 0:
        many = [row["userPrincipalName"] for row in shown]
        shown = [row for row in shown if many.count(row["userPrincipalName"]) >= least]
    return Reply(sorted(shown, key=lambda row: str(row["createdDateTime"]), reverse=True))


def covers(tenant: Tenant, policy: Row, user: Row) -> bool:
    """Whether a policy's assignment includes the user and does not exclude it."""
    who = policy["conditions"]["users"]
    groups = {group["id"] for group in people.groups_of(tenant, user)}
    roles = {role["id"] for role in tenant.rows("roles") if user["id"] in role["_members"]}

    def named(kind: str) -> bool:
        return bool(
            {"All", user["id"]} & set(who.get(f"{kind}Users", []))
            or groups & set(who.get(f"{kind}Groups", []))
            or roles & set(who.get(f"{kind}Roles", []))
        )

    return named("include") and not named("exclude")


def what_if(call: Call) -> Reply:
    """An error gives one empty object under 200."""
    tenant = call.tenant(call.asked("tenantFilter"))
    try:
        user = tenant.one("users", call.asked("UserID"))
    except GraphError:
        return Reply([{}])
    rows = [
        {**visible(policy), "policyApplies": applies, "analysisReasons": "notSet" if applies else "users"}
        for policy in tenant.rows("ca_policies")
        for applies in [policy["state"] != "disabled" and covers(tenant, policy, user)]
    ]
    return Reply(rows)


def mfa_rows(tenant: Tenant) -> list[Row]:
    wanting = [policy for policy in tenant.rows("ca_policies")
               if policy["state"] == "enabled" and "mfa" in policy["grantControls"]["builtInControls"]]  # fmt: skip
    admins = {member for role in tenant.rows("roles") for member in role["_members"]}
    rows = []
    for user in tenant.rows("users"):
        policies = [{"DisplayName": policy["displayName"], "UserIncluded": covers(tenant, policy, user), "AllApps": True,
                     "PolicyState": policy["state"]} for policy in wanting]  # fmt: skip
        methods = [method for method in user["_methods"] if method != "password"]
        rows.append(
            {
                "Tenant": tenant.default_domain, "ID": user["id"], "UPN": user["userPrincipalName"],
                "DisplayName": user["displayName"],
                "AccountEnabled": user["accountEnabled"], "PerUser": user["_perUserMfa"],
                "isLicensed": bool(user["assignedLicenses"]),
                "MFARegistration": bool(methods), "MFACapable": bool(methods), "MFAMethods": methods,
                "CoveredByCA": "Enforced - All Apps" if any(each["UserIncluded"] for each in policies) else "Not Enforced",
                "CAPolicies": policies, "CoveredBySD": False, "IsAdmin": user["id"] in admins, "UserType": user["userType"],
                "RowKey": user["userPrincipalName"].replace("#", ""), "PartitionKey": "users",
            }
        )  # fmt: skip
    return rows


def mfa(call: Call) -> Reply:
    where, world = call.asked("tenantFilter"), call.world
    if nightly.wanted(call, all_tenants=False):
        return nightly.report(call, "MFA state", mfa_rows)
    if where != "AllTenants":
        return Reply(mfa_rows(call.tenant(where)))
    if schedule.cached(world, "mfa", 120) is None:
        schedule.enqueue(world, "MFA Users - All Tenants", "mfa", len(world.known()))
        return Reply([{"UPN": "Loading data for all tenants. Ask again in some minutes"}])
    return Reply([row for tenant in world.known(call.allowed) for row in mfa_rows(tenant)])


def devices(call: Call) -> Reply:
    """Every error is an empty list here."""
    tenant = call.tenant(call.asked("tenantFilter"))
    user = tenant.find("users", call.asked("UserID"))
    if user is None:
        return Reply([])
    managed = {row["azureADDeviceId"]: row["id"] for row in tenant.rows("managed_devices")}
    names = ("displayName", "accountEnabled", "approximateLastSignInDateTime", "createdDateTime", "deviceOwnership",
             "enrollmentType",
             "isCompliant", "managementType", "manufacturer", "model", "operatingSystem", "operatingSystemVersion",
             "trustType")  # fmt: skip
    rows: list[dict[str, Any]] = [
        {"ID": row["id"], **{name: row.get(name) for name in names},
         "onPremisesSyncEnabled": bool(row.get("onPremisesSyncEnabled")),
         "EPMID": managed.get(row["deviceId"])}
        for row in tenant.rows("entra_devices")
        if row["_owner"] == user["id"]
    ]  # fmt: skip
    return Reply(rows)


ENDPOINTS = {
    "ListUserCounts": Endpoint("Identity.User.Read", counts),
    "ListInactiveAccounts": Endpoint("Tenant.Directory.Read", inactive),
    "ListSignIns": Endpoint("Identity.AuditLog.Read", sign_ins),
    "ListUserConditionalAccessPolicies": Endpoint("Identity.User.Read", what_if),
    "ListMFAUsers": Endpoint("Identity.User.Read", mfa),
    "ListUserDevices": Endpoint("Identity.User.Read", devices),
}
