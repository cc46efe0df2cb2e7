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


def list_permissions(call: Call) -> Reply:
    who, where = call.asked("UserID"), call.asked("tenantFilter")
    if nightly.wanted(call, all_tenants=False) and not who:
        by_user = (call.asked("ByUser") or "").lower() == "true"
        return nightly.report(call, "calendar permission", lambda tenant: grouped(tenant, by_user), "CalendarCacheTimestamp")
    try:
        row = mail.mailbox(call.tenant(where), str(who or ""))
    except GraphError as refusal:
        return Reply([str(refusal)], 403)
    return Reply(
        [
            {
                "Identity": f"{who}:\\Calendar",
                "User": person,
                "AccessRights": rights,
                "FolderName": "Calendar",
                "MailboxInfo": visible(row),
            }
            for person, rights in row.get("_calendar", {}).items()
        ]
    )


def grouped(tenant: Tenant, by_user: bool) -> list[Row]:
    found: dict[str, list[Row]] = {}
    for row in tenant.rows("mailboxes"):
        for who, rights in row["_calendar"].items():
            entry = {"CalendarUPN": row["UPN"], "User": who, "AccessRights": ", ".join(rights), "FolderName": "Calendar"}
            found.setdefault(who if by_user else row["UPN"], []).append(entry)
    return [{"User" if by_user else "CalendarUPN": key, "Permissions": entries} for key, entries in found.items()]


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
        said, wrong = ["No results were generated from the operation."], True
    return call.failed(said, where) if wrong else call.done(said, where)


def _modify(call: Call, tenant: Tenant, owner: Row, delegate: str, entry: object) -> str:
    folder = str(first(pick(entry, "FolderName"), "Calendar"))
    box = mail.mailbox(tenant, str(owner.get("id", "")))
    known = ("Default", "Anonymous")
    person = delegate if delegate in known or tenant.ghost else tenant.one("users", delegate)["userPrincipalName"]
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
    private = " The user can also view private items." if truthy(pick(entry, "CanViewPrivateItems")) else ""
    return f"Successfully set permissions on folder {owner.get('id', '')}:\\{folder}. {delegate} now has {level}.{private}"


ENDPOINTS = {
    "ListCalendarPermissions": Endpoint("Exchange.Mailbox.Read", list_permissions),
    "ExecModifyCalPerms": Endpoint("Exchange.Mailbox.ReadWrite", modify),
}
