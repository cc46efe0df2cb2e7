"""Users: looking them up, blocking, passwords, deletion, offboarding."""

from __future__ import annotations

from cipp_mcp.demo import filters, offboarding, people, schedule
from cipp_mcp.demo.dialect import Abort, Call, Endpoint, GraphError, Reply, as_list, in_address, to_boolean, truthy, value_of
from cipp_mcp.demo.tenant import Row, deleted, visible

DEPRECATED = "This function has been deprecated for all users: ask ListGraphRequest instead"


def group_type(group: Row) -> str | None:
    if "Unified" in group["groupTypes"]:
        return "Microsoft 365"
    if group["mailEnabled"]:
        return "Mail-Enabled Security" if group["securityEnabled"] else "Distribution List"
    return "Security" if group["securityEnabled"] else None


CALCULATED = {
    "Microsoft 365": "m365",
    "Mail-Enabled Security": "security",
    "Security": "generic",
    "Distribution List": "distributionList",
}


# One user is read with a list of properties, and these are not on it.
NOT_SELECTED = ("signInSessionsValidFromDateTime",)


def shown(call: Call, user: Row) -> Row:
    """A user as ListUsers gives it: Graph's row and CIPP's additions."""
    local, _, domain = user["userPrincipalName"].rpartition("@")
    names = [call.world.table("catalogue").get(licence["skuId"], {}).get("name", "") for licence in user["assignedLicenses"]]
    return {
        **visible(user),
        "onPremisesSyncEnabled": bool(user["onPremisesSyncEnabled"]),
        "username": local,
        "Aliases": ", ".join(user["proxyAddresses"]),
        "LicJoined": ", ".join(names),
        "primDomain": {"value": domain, "label": domain},
    }


def list_users(call: Call) -> Reply:
    wanted, key = call.asked("tenantFilter"), call.asked("UserID")
    if wanted == "AllTenants":
        return Reply([{"Message": DEPRECATED}])
    tenant = call.tenant(wanted)
    if not key:
        clause = in_address(call.asked("graphFilter") or "")
        return Reply([shown(call, user) for user in filters.keep(tenant.rows("users"), clause)])
    user = tenant.one("users", in_address(key))
    if not user:
        return Reply([])
    row = {name: value for name, value in shown(call, user).items() if name not in NOT_SELECTED}
    if call.asked("IncludeLogonDetails"):
        row |= {
            "LastSigninApplication": "Office 365 Exchange Online", "LastSigninDate": user["_lastSignIn"],
            "LastSigninStatus": "UserLoggedIn",
            "LastSigninResult": "Success", "LastSigninFailureReason": "Successfully signed in",
        }  # fmt: skip
    return Reply([row])


def list_user_groups(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    groups = people.groups_of(tenant, tenant.one("users", call.asked("userId")))
    groups = groups[:100]  # one page of Graph's, and no sign that there are more
    return Reply(
        [
            {
                "id": group["id"], "DisplayName": group["displayName"], "MailEnabled": group["mailEnabled"],
                "Mail": group["mail"],
                "SecurityGroup": group["securityEnabled"], "GroupTypes": ",".join(group["groupTypes"]),
                "OnPremisesSync": group["onPremisesSyncEnabled"], "IsAssignableToRole": group["isAssignableToRole"],
                "calculatedGroupType": CALCULATED.get(group_type(group) or ""), "groupType": group_type(group),
            }
            for group in sorted(groups, key=lambda each: each["displayName"])
        ]
    )  # fmt: skip


def clear_immutable_id(call: Call) -> Reply:
    where, who = call.either("tenantFilter"), str(call.either("ID") or "")
    try:
        people.clear_immutable_id(call.world, call.tenant(where), who)
    except GraphError as refusal:
        return call.failed(f"Failed to clear immutable ID for {who}. Error: {refusal}", where)
    return call.done(f"Successfully cleared immutable ID for user {who}", where)


def disable_user(call: Call) -> Reply:
    """Without Enable it blocks. A synchronised user is changed all the same, and then reported as an error."""
    where, who = call.either("tenantFilter"), str(call.either("ID") or "")
    enabled = to_boolean(call.either("Enable"))
    try:
        user = people.set_sign_in(call.world, call.tenant(where), who, enabled)
        if user.get("onPremisesSyncEnabled"):
            raise GraphError(f"WARNING: User {who} is AD Sync enabled. Change it in the local AD as well.")
    except GraphError as refusal:
        return call.failed(f"Failed to set sign-in state for {who}. Error: {refusal}", where)
    return call.done(f"Successfully set account enabled state to {enabled} for {who}", where)


def reset_password(call: Call) -> Reply:
    where, who = call.either("tenantFilter"), str(call.either("ID") or "")
    name = call.either("displayName") or who
    must_change = to_boolean(call.either("MustChange"))
    tenant = call.tenant(where)
    try:
        synced = bool(tenant.one("users", who).get("onPremisesSyncEnabled"))
        password = people.handed_out(call.world, people.set_password(call.world, tenant, who, must_change or synced))
    except GraphError as refusal:
        return call.failed(f"Failed to reset password for {name}, {who}. Error: {refusal}", where)
    if synced:
        text = f"Password reset accepted for {name}, {who}. The new password is {password}. "
        text += "It travels by password writeback: not confirmed yet."
    else:
        text = f"Successfully reset the password for {name}, {who}. Must change it: {must_change}. The new password is {password}"
    call.log(text.replace(password, "(hidden)"), where)
    return Reply({"Results": {"resultText": text, "copyField": password, "state": "success"}})


def remove_user(call: Call) -> Reply:
    where, who, upn = call.either("tenantFilter"), call.either("ID"), call.either("userPrincipalName")
    if not who:
        raise Abort
    tail = f" and Username: '{upn}'" if upn else ""
    try:
        people.delete_user(call.world, call.tenant(where), str(who))
    except GraphError as refusal:
        return call.failed(f"Failed to delete user with ID: '{who}'. Error: {refusal}{tail}", where)
    return call.done(f"Successfully deleted user with ID: '{who}'{tail}", where)


def offboard(call: Call) -> Reply:
    where = value_of(call.sent("tenantFilter"))
    asked = as_list(call.sent("user"))
    users = [value_of(entry) for entry in asked]
    users = [user for user in users if isinstance(user, str) and user.strip()]
    wrong: list[str] = []
    if not str(where or "").strip():
        wrong.append("'tenantFilter' is required.")
    if not asked:
        wrong.append("'user' is required and must name at least one user.")
    elif not users:
        wrong.append("'user' holds no userPrincipalName that can be used.")
    elif strange := [user for user in users if "@" not in user]:
        wrong.append(f"These user values do not look like userPrincipalNames: {', '.join(strange)}.")
    later = truthy(call.sent("Scheduled.enabled"))
    when = call.sent("Scheduled.date")
    if later and not (str(when).isdigit() and int(str(when)) > 0):
        wrong.append("'Scheduled.date' must be a Unix time when 'Scheduled.enabled' is set.")
    if not offboarding.wanted(call.body):
        wrong.append("No offboarding actions were selected.")
    if wrong:
        return Reply({"Results": wrong}, 400)
    left_out = ("user", "tenantfilter", "scheduled")
    options = {key: value for key, value in call.body.items() if key.lower() not in left_out}
    after = {name: truthy(call.sent(f"PostExecution.{name}")) for name in ("Webhook", "Email", "PSA")}
    said, status = [], 200
    for user in users:
        task = {
            "TenantFilter": where, "Name": f"Offboarding: {user}", "Command": "Invoke-CIPPOffboardingJob",
            "Parameters": {"Username": user, "APIName": "Scheduled Offboarding", "options": options, "RunScheduled": True},
            "PostExecution": after, "Reference": call.sent("reference"), "ScheduledTime": when if later else None,
        }  # fmt: skip
        try:
            said.append(schedule.add_task(call.world, task, run_now=not later))
        except GraphError as refusal:
            # One failure makes the whole a 403, whatever was queued before and after it.
            said.append(str(refusal))
            status = 403
    return Reply({"Results": said}, status)


KINDS = {"user": "User", "group": "Group", "application": "Application", "servicePrincipal": "Service Principal"}


def list_deleted(call: Call) -> Reply:
    rows = call.tenant(call.asked("tenantFilter")).rows("deleted")
    order = list(KINDS)
    rows.sort(key=lambda row: order.index(row["_kind"]))
    return Reply([{**deleted(row), "TargetType": KINDS[row["_kind"]]} for row in rows])


def restore_deleted(call: Call) -> Reply:
    where, key = call.either("tenantFilter"), str(call.either("ID") or "")
    tail = "".join(
        f" {label}: '{value}'"
        for label, value in (("User Principal Name", call.sent("userPrincipalName")), ("Display Name", call.sent("displayName")))
        if value
    )
    try:
        people.restore(call.world, call.tenant(where), key)
    except GraphError as refusal:
        return call.failed(f"Failed to restore deleted item with ID: '{key}'{tail} Error: {refusal}", where)
    return call.done(f"Successfully restored deleted item with ID: '{key}'{tail}", where)


ENDPOINTS = {
    "ListUsers": Endpoint("Identity.User.Read", list_users),
    "ListUserGroups": Endpoint("Identity.User.Read", list_user_groups),
    "ExecClrImmId": Endpoint("Identity.User.ReadWrite", clear_immutable_id),
    "ExecDisableUser": Endpoint("Identity.User.ReadWrite", disable_user),
    "ExecResetPass": Endpoint("Identity.User.ReadWrite", reset_password),
    "RemoveUser": Endpoint("Identity.User.ReadWrite", remove_user),
    "ExecOffboardUser": Endpoint("Identity.User.ReadWrite", offboard),
    "ListDeletedItems": Endpoint("Tenant.Directory.Read", list_deleted),
    "ExecRestoreDeleted": Endpoint("Tenant.Directory.ReadWrite", restore_deleted),
}
