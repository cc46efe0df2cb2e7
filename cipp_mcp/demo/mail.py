"""Rules about mailboxes, as Exchange Online keeps them: type, forwarding, replies, permissions, archive."""

from __future__ import annotations

from typing import Any

from cipp_mcp.demo.dialect import GraphError
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World


def mailbox(tenant: Tenant, key: str) -> Row:
    """The mailbox of a user given by id, UPN or address; Exchange's own words where there is none."""
    if tenant.ghost:
        return {}
    user = tenant.find("users", key)
    row = tenant.find("mailboxes", user["id"] if user else key)
    if row is None:
        raise GraphError(f"The operation couldn't be performed because object '{key}' couldn't be found.")
    return row


def convert(world: World, tenant: Tenant, key: str, kind: str) -> Row:
    row = mailbox(tenant, key)
    name = {"shared": "SharedMailbox", "regular": "UserMailbox", "room": "RoomMailbox", "equipment": "EquipmentMailbox"}
    if kind.lower() not in name:
        raise GraphError(f"Cannot process argument transformation on parameter 'Type'. Cannot convert value \"{kind}\".")
    world.change(tenant, "mailbox", row, "convert", recipientTypeDetails=name[kind.lower()])
    return row


def forward(world: World, tenant: Tenant, key: str, inside: Any = None, outside: Any = None, keep: bool = False) -> Row:
    """Forward to a recipient of the tenant or to an outside address; with neither, stop forwarding."""
    row = mailbox(tenant, key)
    if inside and not tenant.ghost:
        inside = mailbox(tenant, str(inside))["primarySmtpAddress"]
    world.change(
        tenant, "mailbox", row, "forward" if inside or outside else "stop_forwarding",
        ForwardingAddress=inside or None, ForwardingSmtpAddress=f"smtp:{outside}" if outside else None,
        DeliverToMailboxAndForward=keep,
    )  # fmt: skip
    return row


def reply(world: World, tenant: Tenant, key: str, state: str, **rest: Any) -> Row:
    row = mailbox(tenant, key)
    world.change(
        tenant,
        "mailbox",
        row,
        "out_of_office",
        AutoReplyState=state,
        **{name: value for name, value in rest.items() if value is not None},
    )
    return row


def grant(world: World, tenant: Tenant, key: str, who: str, right: str, automap: bool = True) -> Row:
    row = mailbox(tenant, key)
    person = tenant.one("users", who)
    if row and person:
        rights = row["_permissions"].setdefault(person["userPrincipalName"], [])
        if right not in rights:
            rights.append(right)
            row["_automap"][person["userPrincipalName"]] = automap
            world.record(tenant, "grant", "mailbox", row, f"{right} to {person['userPrincipalName']}")
    return row


def revoke_everywhere(world: World, tenant: Tenant, upn: str, where: str = "_permissions") -> int:
    """Take a person's rights (or calendar rights) off every mailbox of the tenant."""
    touched = 0
    for row in tenant.rows("mailboxes"):
        if row[where].pop(upn, None) is not None:
            touched += 1
            world.record(tenant, "revoke", "mailbox" if where == "_permissions" else "calendar", row, upn)
    return touched
