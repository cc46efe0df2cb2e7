"""Mailboxes: forwarding, out of office, type, archive, and the reads that show them."""

from __future__ import annotations

import json
from typing import Any

from cipp_mcp.demo import mail, schedule
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import NO_STATUS, Call, Endpoint, GraphError, Reply, first, pick, truthy
from cipp_mcp.demo.tenant import Row, Tenant, visible


def forward(call: Call) -> Reply:
    """A mode it does not know leaves the status unset, which is a 500; a missing address does nothing and says nothing."""
    where, who = call.sent("tenantFilter"), str(call.sent("userID") or "")
    inside = call.sent("ForwardInternal")
    inside = inside if isinstance(inside, str) else pick(inside, "value")
    outside, keep = call.sent("ForwardExternal"), call.sent("KeepCopy") is True
    tenant, mode = call.tenant(where), str(call.sent("forwardOption") or "").lower()
    said: list[Any] = []
    try:
        if mode == "disabled":
            mail.forward(call.world, tenant, who)
            said = [f"Disabling forwarding for {who}", f"Successfully disabled forwarding for {who}"]
        elif mode == "internaladdress" and inside:
            mail.forward(call.world, tenant, who, inside=inside, keep=keep)
            said = [f"Successfully set forwarding for {who} to Internal Address {inside} with keeping a copy set to {keep}"]
        elif mode == "externaladdress" and outside:
            mail.forward(call.world, tenant, who, outside=outside, keep=keep)
            said = [f"Successfully set forwarding for {who} to External Address {outside} with keeping a copy set to {keep}"]
        elif mode in ("internaladdress", "externaladdress"):
            said = [None]
        else:
            return NO_STATUS
    except GraphError as refusal:
        return call.failed([f"Failed to set forwarding for {who}. Error: {refusal}"], where)
    return call.done(said, where)


def convert(call: Call) -> Reply:
    where, who, kind = call.sent("tenantFilter"), str(call.sent("ID") or ""), str(call.sent("MailboxType") or "")
    try:
        mail.convert(call.world, call.tenant(where), who, kind)
    except GraphError as refusal:
        return call.failed(f"Failed to convert {who} to a {kind} mailbox. Error: {refusal}", where)
    return call.done(f"Successfully converted {who} to a {kind} mailbox", where)


def archive(call: Call) -> Reply:
    where, who = call.either("tenantFilter"), str(call.either("id") or "")
    name = call.either("username") or who
    tenant = call.tenant(where)
    try:
        row = mail.mailbox(tenant, who)
        if row and row["ArchiveStatus"] == "Active":
            raise GraphError(f"The archive of mailbox {who} is already enabled.")
        call.world.change(tenant, "mailbox", row, "enable_archive", ArchiveStatus="Active")
    except GraphError as refusal:
        return call.failed(f"Failed to set archive for {name}. Error: {refusal}", where)
    return call.done(f"Successfully set archive for {name} to True", where)


def set_reply(call: Call) -> Reply:
    """Texts stay when none are sent; without an external text nobody outside gets a reply."""
    where, who = call.sent("tenantFilter"), str(call.sent("userId") or "")
    state = str(first(call.sent("AutoReplyState.value"), call.sent("AutoReplyState")) or "")
    both = call.sent("input")
    inside, outside = (both or str(call.sent(name) or "").strip() or None for name in ("InternalMessage", "ExternalMessage"))
    rest: dict[str, Any] = {
        "InternalMessage": inside,
        "ExternalMessage": outside,
        "ExternalAudience": "All" if outside else "None",
    }
    try:
        if state not in ("Enabled", "Disabled", "Scheduled"):
            raise GraphError(f"Cannot validate argument on parameter 'State'. The argument \"{state}\" is not in the set.")
        if state == "Scheduled":
            start = call.sent("StartTime") or schedule.epoch(call.world.now())
            end = call.sent("EndTime") or int(str(start)) + 7 * 86400
            rest |= {"StartTime": schedule.moment(start), "EndTime": schedule.moment(end)}
            for name in ("CreateOOFEvent", "AutoDeclineFutureRequestsWhenOOF", "DeclineEventsForScheduledOOF"):
                if call.sent(name) is not None:
                    rest[name] = truthy(call.sent(name))
            rest |= {name: call.sent(name) or None for name in ("OOFEventSubject", "DeclineMeetingMessage")}
        mail.reply(call.world, call.tenant(where), who, state, **rest)
    except (GraphError, ValueError) as refusal:
        return call.failed(f"Could not set Out of Office for user: {who}. Error: {refusal}", where)
    if state == "Scheduled":
        return call.done(f"Scheduled Out-of-office for {who} between {rest['StartTime']} and {rest['EndTime']}", where)
    return call.done(f"Set Out-of-office for {who} to {state}.", where)


REPLY_FIELDS = (
    "AutoReplyState", "StartTime", "EndTime", "InternalMessage", "ExternalMessage", "CreateOOFEvent", "OOFEventSubject",
    "AutoDeclineFutureRequestsWhenOOF", "DeclineEventsForScheduledOOF", "DeclineAllEventsForScheduledOOF",
    "DeclineMeetingMessage",
)  # fmt: skip


def show_reply(call: Call) -> Reply:
    """A text that holds JSON."""
    who = str(call.asked("userid") or "")
    try:
        row = mail.mailbox(call.tenant(call.asked("tenantFilter")), who)
    except GraphError as refusal:
        return Reply(f"Could not retrieve out of office message for {who}. Error: {refusal}", 500)
    return Reply(json.dumps({name: row.get(name) for name in REPLY_FIELDS}))


def forwarding_rows(tenant: Tenant) -> list[Row]:
    rows = []
    for row in tenant.rows("mailboxes"):
        inside, outside = row["ForwardingAddress"], (row["ForwardingSmtpAddress"] or "").removeprefix("smtp:")
        if inside or outside:
            rows.append(
                {
                    "UPN": row["UPN"], "DisplayName": row["displayName"], "PrimarySmtpAddress": row["primarySmtpAddress"],
                    "RecipientTypeDetails": row["recipientTypeDetails"], "ForwardingType": "External" if outside else "Internal",
                    "ForwardTo": outside or inside, "ForwardingSmtpAddress": outside, "InternalForwardingAddress": inside,
                    "DeliverToMailboxAndForward": row["DeliverToMailboxAndForward"],
                }
            )  # fmt: skip
    return rows


def list_forwarding(call: Call) -> Reply:
    if nightly.wanted(call, all_tenants=False):
        return nightly.report(call, "mailbox forwarding", forwarding_rows)
    return Reply(forwarding_rows(call.tenant(call.asked("tenantFilter"))))


def permission_rows(tenant: Tenant) -> list[Row]:
    return [
        {
            "MailboxUPN": row["UPN"],
            "MailboxDisplayName": row["displayName"],
            "Permissions": [{"User": who, "AccessRights": ", ".join(rights)}],
        }
        for row in tenant.rows("mailboxes")
        for who, rights in row["_permissions"].items()
    ]


def list_permissions(call: Call) -> Reply:
    who = call.asked("userId")
    if nightly.wanted(call, all_tenants=False) and not who:
        return nightly.report(call, "mailbox permission", permission_rows)
    try:
        row = mail.mailbox(call.tenant(call.asked("tenantFilter")), str(who or ""))
    except GraphError as refusal:
        return Reply([str(refusal)], 403)
    rights = row.get("_permissions", {})
    own = [{"User": "NT AUTHORITY\\SELF", "Permissions": "FullAccess, ReadPermission"}] if row else []
    return Reply(own + [{"User": person, "Permissions": ", ".join(held)} for person, held in rights.items()])


def details(call: Call) -> Reply:
    """A mailbox that cannot be read is a row without values, under 200, and counts as one with an archive."""
    try:
        row = mail.mailbox(call.tenant(call.asked("tenantFilter")), str(call.asked("UserID") or ""))
    except GraphError:
        row = {}
    if not row:
        nothing = dict.fromkeys(("ForwardAndDeliver", "ForwardingAddress", "HiddenFromAddressLists", "RecipientTypeDetails"))
        return Reply([{**nothing, "Permissions": [], "TotalItemSize": 0, "BlockedForSpam": False, "ArchiveMailBox": True}])
    outside = (row["ForwardingSmtpAddress"] or "").removeprefix("smtp:")
    return Reply(
        [
            {
                "ForwardAndDeliver": row["DeliverToMailboxAndForward"], "ForwardingAddress": outside or row["ForwardingAddress"],
                "LitigationHold": False, "RetentionHold": False, "ComplianceTagHold": False, "InPlaceHold": False,
                "HiddenFromAddressLists": row["HiddenFromAddressListsEnabled"], "EWSEnabled": True, "MailboxOWAEnabled": True,
                "Permissions": [{"User": who, "AccessRights": ", ".join(held)} for who, held in row["_permissions"].items()],
                "ItemCount": 1200, "TotalItemSize": 2.4, "BlockedForSpam": False,
                "ArchiveMailBox": row["ArchiveStatus"] == "Active",
                "AutoExpandingArchive": False, "RecipientTypeDetails": row["recipientTypeDetails"], "Mailbox": [visible(row)],
            }
        ]
    )  # fmt: skip


def shared_statistics(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    return Reply(
        [
            {"DisplayName": row["displayName"], "MailboxGuid": row["id"], "ItemCount": 40,
             "TotalItemSize": "12.5 MB (13,107,200 bytes)",
             "LastLogonTime": None, "MailboxTypeDetail": row["recipientTypeDetails"]}
            for row in tenant.rows("mailboxes")
            if row["recipientTypeDetails"] == "SharedMailbox"
        ]
    )  # fmt: skip


ENDPOINTS = {
    "ExecEmailForward": Endpoint("Exchange.Mailbox.ReadWrite", forward),
    "ExecConvertMailbox": Endpoint("Exchange.Mailbox.ReadWrite", convert),
    "ExecEnableArchive": Endpoint("Exchange.Mailbox.ReadWrite", archive),
    "ExecSetOoO": Endpoint("Exchange.Mailbox.ReadWrite", set_reply),
    "ListOoO": Endpoint("Exchange.Mailbox.Read", show_reply),
    "ListMailboxForwarding": Endpoint("Exchange.Mailbox.Read", list_forwarding),
    "ListmailboxPermissions": Endpoint("Exchange.Mailbox.Read", list_permissions),
    "ListUserMailboxDetails": Endpoint("Exchange.Mailbox.Read", details),
    "ListSharedMailboxStatistics": Endpoint("Exchange.Mailbox.Read", shared_statistics),
}
