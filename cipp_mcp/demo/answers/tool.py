"""Tools: scheduling a command, searching everything, breaches, and what commands there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cipp_mcp.demo import people, schedule
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, first, truthy, value_of
from cipp_mcp.demo.tenant import Row, visible

# Command -> its parameters, as ListFunctionParameters shows them (without TenantFilter and Headers).
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Set-CIPPSignInState": ("Blocks or allows sign-in", ("UserID", "AccountEnabled")),
    "Set-CIPPResetPassword": ("Resets a password", ("UserID", "DisplayName", "forceChangePasswordNextSignIn")),
    "Revoke-CIPPSessions": ("Revokes sessions", ("UserID", "Username")),
    "Remove-CIPPUser": ("Deletes a user", ("UserID", "Username")),
    "Set-CIPPMailboxType": ("Converts a mailbox", ("UserID", "Username", "MailboxType")),
    "Set-CIPPOutOfOffice": ("Sets an automatic reply", ("UserID", "State", "InternalMessage", "ExternalMessage")),
    "Set-CIPPMailboxPermission": ("Grants rights on a mailbox", ("UserId", "AccessUser", "PermissionLevel", "Action", "AutoMap")),
    "Add-CIPPGroupMember": ("Adds members to a group", ("GroupType", "GroupId", "Member")),
    "Remove-CIPPGroupMember": ("Removes members from a group", ("GroupType", "GroupId", "Member")),
    "Invoke-CIPPOffboardingJob": ("Offboards a user", ("Username", "options", "RunScheduled")),
    "New-CIPPUserTask": ("Creates a user", ("UserObj",)),
    "New-CIPPBackup": ("Backs CIPP up", ("backupType",)),
    "Get-CIPPLicenseOverview": ("Lists licences", ("IncludeExcluded",)),
    "Get-CIPPMFAState": ("Lists MFA states", ()),
    "Push-CippExtensionData": ("Pushes data to an extension", ()),
}
BLOCKED = ("Get-CIPPTable", "Get-Tenants", "New-CIPPAPIConfig", "Get-CIPPBackup", "Add-CIPPScheduledTask", "Get-GraphToken")


def add_task(call: Call) -> Reply:
    """A RowKey alone overwrites that task; with RunNow it runs it. Every refusal is a 200 text."""
    key, run_now = call.sent("RowKey"), call.sent("RunNow") is True
    if key and run_now and str(key) in call.world.table("tasks"):
        return Reply({"Results": schedule.run_task_now(call.world, str(key))})
    command = str(value_of(call.sent("Command")) or "")
    if command in BLOCKED:
        return Reply({"Results": f"Error - The command '{command}' may not be scheduled."})
    if command not in COMMANDS:
        return Reply({"Results": f"Error - The command '{command}' is not known here."})
    unique = truthy(first(call.asked("DisallowDuplicateName"), call.sent("DisallowDuplicateName")))
    hidden = call.asked("hidden") is not None
    body = call.body if isinstance(call.body, dict) else {}
    return Reply({"Results": schedule.add_task(call.world, body, hidden=hidden, run_now=run_now, unique=unique)})


def functions(call: Call) -> Reply:
    wanted = (call.asked("Function") or "").lower()
    rows = []
    for name, (about, parameters) in COMMANDS.items():
        if not wanted or wanted in name.lower():
            listed = [{"Name": each, "Type": "System.Object", "Description": None, "Required": False} for each in parameters]
            rows.append({"Function": name, "Synopsis": about, "Parameters": listed})
    if call.asked("Module") not in (None, "", "CIPPCore"):
        return Reply(["Function Error: The module is not loaded."], 400)
    return Reply(rows)


def search(call: Call) -> Reply:
    """From the nightly database, over every tenant the caller may see; licences over all tenants, whatever the caller's."""
    terms = call.asked("searchTerms")
    if not terms:
        raise GraphError("Cannot bind argument to parameter 'SearchTerms' because it is an empty string.")
    kind, most = call.asked("type") or "Users", int(call.asked("limit") or 10)
    if kind == "Licenses":
        return Reply(_licences(call, terms.lower())[:most])
    table, columns = {
        "Groups": ("groups", ("id", "displayName", "mail", "mailEnabled", "securityEnabled", "groupTypes", "description")),
        "Applications": ("apps", ("id", "displayName", "publisher")),
    }.get(kind, ("users", ("id", "userPrincipalName", "displayName")))
    found: list[Row] = []
    for at, tenant in nightly.snapshots(call, "AllTenants"):
        for row in tenant.rows(table):
            if any(terms.lower() in str(value).lower() for value in row.values() if isinstance(value, str)):
                data = {name: row.get(name) for name in columns}
                name = {"users": "Users", "groups": "Groups"}.get(table, "Apps")
                found.append(
                    {
                        "Tenant": tenant.default_domain,
                        "Type": name,
                        "RowKey": f"{name}-{row['id']}",
                        "Data": data,
                        "Timestamp": at,
                    }
                )
    return Reply(found[:most])


def _licences(call: Call, terms: str) -> list[Row]:
    skus: dict[str, Row] = {}
    for tenant in call.world.known():
        for sku in tenant.rows("skus"):
            if terms in sku["name"].lower() or terms in sku["skuPartNumber"].lower():
                empty: Row = {
                    "skuId": sku["id"], "skuPartNumber": sku["name"], "displayName": sku["name"], "servicePlans": [],
                    "tenantCount": 0, "totalAssigned": 0, "totalAvailable": 0, "tenants": [],
                }  # fmt: skip
                data = skus.setdefault(sku["id"], empty)
                used = people.consumed(tenant, sku["id"])
                data["tenantCount"] += 1
                data["totalAssigned"] += used
                data["totalAvailable"] += sku["enabled"]
                data["tenants"].append({"tenant": tenant.default_domain, "used": used, "total": sku["enabled"]})
    return [{"Tenant": "", "Type": "Licenses", "RowKey": f"Licenses-{key}", "Data": data} for key, data in skus.items()]


def account_breaches(call: Call) -> Reply:
    account = (call.asked("account") or "").lower()
    rows = [row for row in call.world.rows("breaches") if row["_account"] == account or row["_account"].endswith(f"@{account}")]
    return Reply([visible(row, "id") for row in rows])


def tenant_breaches(call: Call) -> Reply:
    """What searches have found so far, under the domain they were asked with; an id finds nothing."""
    where = call.asked("tenantFilter") or ""
    rows = []
    for row in call.world.rows("found_breaches"):
        if where in ("AllTenants", row["_tenant"]) and not call.tenant(row["_tenant"]).ghost:
            rows.append(visible(row, "id"))
    return Reply(rows)


def breach_search(call: Call) -> Reply:
    where = str(call.sent("tenantFilter") or "")
    tenant = call.tenant(where)
    for row in call.world.rows("breaches"):
        user = tenant.find("users", row["_account"])
        key = f"{where}/{row['id']}"
        if user and key not in call.world.table("found_breaches"):
            found = {"id": key, "email": row["_account"], "clientDomain": where, "sources": row["Name"],
                     "password": row["_leaked"],
                     "_tenant": where}  # fmt: skip
            call.world.table("found_breaches")[key] = found
    call.world.record(tenant, "search", "breaches", {"id": where, "name": where})
    return Reply({"Results": f"Executing Search for {where}. Results may take a day to appear."})


def audit_logs(call: Call) -> Reply:
    """Only events that matched a rule, under the default domain; a start in odd words is an exception."""
    where, key = call.asked("tenantFilter"), call.asked("LogId")
    since, until = call.asked("StartDate"), call.asked("EndDate")
    if relative := call.asked("RelativeTime"):
        units = {"d": 86400, "h": 3600, "m": 60}
        if relative[-1:] not in units or not relative[:-1].isdigit():
            raise GraphError("The filter is not valid: '' is no date.")
        since = str(int(call.world.now().timestamp()) - int(relative[:-1]) * units[relative[-1]])
    rows = []
    for row in call.world.rows("audit_logs"):
        at = datetime.fromisoformat(row["Timestamp"]).timestamp()
        right = key == row["LogId"] if key else where in (None, "AllTenants", row["Tenant"])
        if right and (not since or at >= float(since)) and (not until or at <= float(until)):
            rows.append(visible(row, "id"))
    rows = [row for row in rows if not call.tenant(row["Tenant"]).ghost]
    metadata: dict[str, Any] = {"Count": len(rows), "Filter": where or ""}
    return Reply({"Results": sorted(rows, key=lambda row: str(row["Timestamp"]), reverse=True), "Metadata": metadata})


ENDPOINTS = {
    "AddScheduledItem": Endpoint("CIPP.Scheduler.ReadWrite", add_task),
    "ListFunctionParameters": Endpoint("CIPP.Core.Read", functions, any_tenant=True),
    "ExecUniversalSearchV2": Endpoint("CIPP.Core.Read", search, any_tenant=True),
    "ListBreachesAccount": Endpoint("CIPP.Core.Read", account_breaches, any_tenant=True),
    "ListBreachesTenant": Endpoint("CIPP.Core.Read", tenant_breaches),
    "ExecBreachSearch": Endpoint("CIPP.Core.Read", breach_search),
    "ListAuditLogs": Endpoint("CIPP.Alert.Read", audit_logs),
}
