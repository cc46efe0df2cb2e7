"""One customer tenant as Microsoft's side holds it: tables of rows in Graph's own property names.

A key that begins with `_` is ours (memberships, secrets, mailbox rules) and never leaves in a listing.
A *ghost* is what CIPP's helpers get when their tenant check refuses: every read is empty and every write
vanishes without an error. That is how CIPP really behaves, so it is modelled once, here, and not per endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.demo.dialect import GraphError, same

Row = dict[str, Any]
Table = dict[str, Row]

# By which properties an object of a table may be named, besides its id.
ALIASES = {
    "users": ("userPrincipalName",),
    "deleted": (),
    "groups": ("mail", "displayName"),
    "mailboxes": ("UPN", "primarySmtpAddress"),
    "sites": ("webUrl",),
    "autopilot": ("serialNumber",),
    "entra_devices": ("deviceId",),
    "managed_devices": ("azureADDeviceId",),
}


@dataclass
class Tenant:
    customer_id: str
    default_domain: str
    initial_domain: str
    display_name: str
    excluded: bool = False
    partner: bool = False
    ghost: bool = False
    details: Row = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        if self.ghost:
            return {}
        return self.tables.setdefault(name, {})

    def rows(self, name: str) -> list[Row]:
        return list(self.table(name).values())

    def find(self, name: str, key: Any) -> Row | None:
        """The object of that id, or of that UPN, mail or serial number where its kind may be named so."""
        if key is None or key == "":
            return None
        table = self.table(name)
        if str(key) in table:
            return table[str(key)]
        for row in table.values():
            if same(row.get("id", ""), key) or any(same(row.get(alias, ""), key) for alias in ALIASES.get(name, ())):
                return row
        return None

    def one(self, name: str, key: Any) -> Row:
        """As `find`, but Graph's 404 where there is none. A ghost gives a row that nobody keeps."""
        if self.ghost:
            return {}
        row = self.find(name, key)
        if row is None:
            raise GraphError(f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.")
        return row

    def add(self, name: str, row: Row) -> Row:
        """Keep a new object. A ghost lets it vanish."""
        self.table(name)[str(row["id"])] = row
        return row

    def drop(self, name: str, row: Row) -> None:
        self.table(name).pop(str(row.get("id")), None)

    def user(self, key: str) -> Row | None:
        """For tests and for reading: a user by id or UPN, or None."""
        return self.find("users", key)

    def answers_to(self, key: str) -> bool:
        """The names under which CIPP's helpers know a tenant; a display name is not among them."""
        return any(same(name, key) for name in (self.customer_id, self.default_domain, self.initial_domain))


def deleted(row: Row) -> Row:
    """What lies in the recycle bin as Graph shows it: a user's object id stands before its UPN, so that the UPN is free."""
    upn = row.get("userPrincipalName")
    return visible(row) | ({"userPrincipalName": f"{row['id'].replace('-', '')}{upn}"} if upn else {})


def visible(row: Row, *without: str) -> Row:
    """The row as it may leave."""
    return {key: value for key, value in row.items() if not key.startswith("_") and key not in without}
