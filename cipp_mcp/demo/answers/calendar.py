"""Calendar permissions."""

from __future__ import annotations

from cipp_mcp.demo import mail
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, first, pick, same, truthy, value_of
from cipp_mcp.demo.tenant import Row, Tenant, visible

RIGHTS = {
    "availabilityonly", "limiteddetails", "reviewer", "contributor", "noneditingauthor", "author", "publishingauthor", "editor",
    "publishingeditor", "owner",
}  # fmt: skip
EVERYBODY = ("Default", "Anonymous")


def list_permissions(call: Call) -> Reply:
    who, where = call.asked("UserID"), call.asked("tenantFilter")
    if nightly.wanted(call, all_tenants=False) and not who:
        by_user = (call.asked("ByUser") or "").lower() == "true"
        return nightly.report(call, "calendar permission", lambda tenant: grouped(tenant, by_user), "PermissionCacheTimestamp")
    try:
        tenant = call.tenant(where)
        row = mail.mailbox(tenant, str(who or ""))
    except GraphError as refusal:
        return Reply([str(refusal)], 403)
    return Reply(
        [
            {
                "Identity": f"{who}:\\Calendar",
                "User": shown(tenant, person),
                "AccessRights": rights,
                "FolderName": "Calendar",
                "MailboxInfo": visible(row),
            }
            for person, rights in row.get("_calendar", {}).items()
        ]
    )


def shown(tenant: Tenant, key: str) -> str:
    """Exchange lists a delegate by display name alone."""
    found = tenant.find("users", key) or tenant.find("groups", key)
    return str(found["displayName"]) if found else key


def delegate_of(tenant: Tenant, key: str) -> str:
    """A user, or a group that has both mail and security; any other group is nobody to Exchange."""
    if user := tenant.find("users", key):
        return str(user["userPrincipalName"])
    group = tenant.find("groups", key)
    if group is None or not (group["mailEnabled"] and group["securityEnabled"]):
        raise GraphError(f'The user "{key}" is either not valid SMTP address, or there is no matching information.')
    return str(group["mail"])


def grouped(tenant: Tenant, by_user: bool) -> list[Row]:
    """The rights that somebody was given, by calendar or by the one who has them; what everybody has is left out."""
    found: dict[str, list[tuple[Row, Row]]] = {}
    for row in tenant.rows("mailboxes"):
        for who, rights in row["_calendar"].items():
            if who not in EVERYBODY:
                entry = {"User": shown(tenant, who), "AccessRights": ", ".join(rights), "FolderName": "Calendar"}
                found.setdefault(entry["User"] if by_user else row["UPN"], []).append((row, entry))
    report: list[Row] = []
    for key, entries in found.items():
        if by_user:
            calendars = [{"Calendar": row["displayName"], "CalendarUPN": row["UPN"],
                          **{name: value for name, value in entry.items() if name != "User"}}
                         for row, entry in entries]  # fmt: skip
            # A display name finds no mailbox, so the type of its owner's stays unknown.
            report.append({"User": key, "UserMailboxType": "Unknown", "CalendarCount": len(calendars), "Permissions": calendars})
        else:
            box = entries[0][0]
            report.append(
                {"CalendarUPN": key, "CalendarDisplayName": box["displayName"], "CalendarType": box["recipientTypeDetails"],
                 "FolderName": "Calendar", "PermissionCount": len(entries), "Permissions": [entry for _, entry in entries]}
            )  # fmt: skip
    return report


def modify(call: Call) -> Reply:
    """Anything but Remove grants. One text per delegate; a single failure makes the whole a 500, the rest stays done."""
    where, who = call.sent("tenantFilter"), str(call.sent("userID") or "")
    if not who.strip():
        return Reply({"Results": ["Username is required"]}, 400)
    tenant = call.tenant(where)
    try:
        owner = tenant.one("users", who)
    except GraphError as refusal:
        return Reply({"Results": [f"Failed to get user ID: {refusal}"]}, 404)
    entries = call.sent("permissions")
    if isinstance(entries, dict):
        entries = list(entries.values()) if all(key.isdigit() for key in entries) else [entries]
    said: list[str] = []
    wrong = False
    for entry in as_list(entries):
        for delegate in [str(value_of(each)) for each in as_list(pick(entry, "UserID"))]:
            try:
                said.append(_modify(call, tenant, owner, delegate, entry))
            except GraphError as refusal:
                wrong = True
                said.append(f"Failed to set calendar permissions for {delegate} on {who} : {refusal}")
    if not said:
        said, wrong = ["No permission entry was sent."], True
    return call.failed(said, where) if wrong else call.done(said, where)


def _modify(call: Call, tenant: Tenant, owner: Row, delegate: str, entry: object) -> str:
    folder = str(first(pick(entry, "FolderName"), "Calendar"))
    box = mail.mailbox(tenant, str(owner.get("id", "")))
    person = delegate if delegate in EVERYBODY or tenant.ghost else delegate_of(tenant, delegate)
    if not same(folder, "Calendar"):
        raise GraphError(f"The operation couldn't be performed because '{owner.get('id', '')}:\\{folder}' couldn't be found.")
    rights = box.setdefault("_calendar", {})
    if same(pick(entry, "Modification") or "", "Remove"):
        if box.get("id") and person not in rights:
            raise GraphError(f"There is no existing permission entry found for user: {delegate}.")
        if rights.pop(person, None) is not None:
            call.world.record(tenant, "revoke", "calendar", box, person)
        return f"Successfully removed access for {delegate} from calendar {owner.get('id', '')}:\\{folder}"
    level = str(value_of(pick(entry, "PermissionLevel")) or "")
    if level.lower() not in RIGHTS:
        raise GraphError(f"Cannot process argument transformation on parameter 'AccessRights'. Cannot convert value \"{level}\".")
    if rights.get(person) != [level]:
        rights[person] = [level]
        call.world.record(tenant, "grant", "calendar", box, f"{level} to {person}")
    private = " Private items are visible too." if truthy(pick(entry, "CanViewPrivateItems")) else ""
    return f"Successfully set permissions on folder {owner.get('id', '')}:\\{folder}. {delegate} now has {level}.{private}"


ENDPOINTS = {
    "ListCalendarPermissions": Endpoint("Exchange.Mailbox.Read", list_permissions),
    "ExecModifyCalPerms": Endpoint("Exchange.Mailbox.ReadWrite", modify),
}
