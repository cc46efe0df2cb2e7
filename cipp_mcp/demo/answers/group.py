"""Groups."""

from __future__ import annotations

from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.answers.tenant import sid
from cipp_mcp.demo.answers.user import CALCULATED, group_type
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, is_true
from cipp_mcp.demo.tenant import Row, Tenant, visible


def shown(group: Row) -> Row:
    kind = group_type(group)
    return {
        **visible(group),
        "primDomain": (group["mail"] or "").rpartition("@")[2],
        "teamsEnabled": "Team" in group["resourceProvisioningOptions"],
        "groupType": kind,
        "calculatedGroupType": CALCULATED.get(kind or ""),
        "dynamicGroupBool": "DynamicMembership" in group["groupTypes"],
        "SID": sid(group["id"]),
    }


def people_of(tenant: Tenant, group: Row, part: str) -> list[Row]:
    """Users and devices; a device has no UPN and no mail."""
    tables = ("users", "entra_devices")
    found = [row for key in group[part] for table in tables if (row := tenant.table(table).get(key)) is not None]
    return sorted(
        ({key: user.get(key) for key in ("id", "userPrincipalName", "displayName", "mail", "mailNickname")} for user in found),
        key=lambda user: str(user["displayName"]),
    )


def _upns(tenant: Tenant, group: Row) -> list[str]:
    return [each["userPrincipalName"] for each in people_of(tenant, group, "_members") if each["userPrincipalName"]]


def list_groups(call: Call) -> Reply:
    where, key = call.asked("tenantFilter"), call.asked("groupID")
    members, owners = is_true(call.asked("members")), is_true(call.asked("owners"))
    if (members or owners) and not key:
        return Reply({"Results": "'members' and 'owners' need a 'groupID'."}, 400)
    if not key and (where == "AllTenants" or is_true(call.asked("UseReportDB"))):
        return nightly.report(call, "groups", report_rows)
    tenant = call.tenant(where)
    try:
        if not key:
            rows = [shown(group) for group in tenant.rows("groups")]
            for row, group in zip(rows, tenant.rows("groups"), strict=True):
                for asked, part, name in (("expandMembers", "_members", "members"), ("expandOwners", "_owners", "owners")):
                    found = people_of(tenant, group, part) if is_true(call.asked(asked)) else []
                    row[name] = [{"id": each["id"], "userPrincipalName": each["userPrincipalName"]} for each in found]
                    row[f"{name}Csv"] = ",".join(each["userPrincipalName"] for each in found if each["userPrincipalName"])
            return Reply(sorted(rows, key=lambda row: str(row["displayName"])))
        group = tenant.one("groups", key)
    except GraphError as refusal:
        return Reply(str(refusal), 403)
    if not group:
        return Reply({"groupInfo": None, "members": [], "owners": [], "allowExternal": True, "sendCopies": None, "SID": None})
    m365 = group_type(group) == "Microsoft 365"
    return Reply(
        {
            "groupInfo": shown(group),
            "members": people_of(tenant, group, "_members") if members else [],
            "owners": people_of(tenant, group, "_owners") if owners else [],
            "allowExternal": group["_external"] if group["mailEnabled"] else True,
            "sendCopies": group["_copies"] if m365 else None,
            "hideFromOutlookClients": group["_hidden"] if m365 else None,
            "SID": sid(group["id"]),
        }
    )


def report_rows(tenant: Tenant) -> list[Row]:
    return [{**shown(group), "membersCsv": ",".join(_upns(tenant, group))} for group in tenant.rows("groups")]


ENDPOINTS = {"ListGroups": Endpoint("Identity.Group.Read", list_groups)}
