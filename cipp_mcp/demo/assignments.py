"""Whom an Intune app, policy or script is for: reading an order, merging it with what is there, and naming the result."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Any

from cipp_mcp.demo.dialect import Call, GraphError, as_list
from cipp_mcp.demo.tenant import Row, Tenant

GRAPH = "#microsoft.graph."
ALL_USERS, ALL_DEVICES = f"{GRAPH}allLicensedUsersAssignmentTarget", f"{GRAPH}allDevicesAssignmentTarget"
GROUP, NOT_GROUP = f"{GRAPH}groupAssignmentTarget", f"{GRAPH}exclusionGroupAssignmentTarget"
BROAD = {
    "allusers": (ALL_USERS,),
    "alllicensedusers": (ALL_USERS,),
    "alldevices": (ALL_DEVICES,),
    "alldevicesandusers": (ALL_USERS, ALL_DEVICES),
}


def words(value: Any) -> list[str]:
    """A list, or a text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [str(each) for each in as_list(value) if each]


@dataclass(frozen=True)
class Order:
    assign_to: str
    group_ids: list[str]
    group_names: list[str]
    exclude_ids: list[str]
    exclude_name: str
    mode: str
    direction: str | None

    @classmethod
    def of(cls, call: Call, everywhere: bool) -> Order:
        """`everywhere`: read the query as well as the body, as the app's function does."""
        read = call.either if everywhere else call.sent
        direction = str(call.sent("assignmentDirection") or "").lower()
        order = cls(
            str(read("AssignTo") or ""), words(read("GroupIds")), words(read("GroupNames")), words(call.sent("ExcludeGroupIds")),
            str(call.sent("excludeGroup") or ""), str(call.sent("assignmentMode") or "append").lower(),
            direction if direction in ("include", "exclude") else None,
        )  # fmt: skip
        only_excludes = not (order.assign_to or order.group_ids or order.group_names) and (
            order.exclude_ids or order.exclude_name
        )
        if only_excludes and order.mode == "replace" and order.direction is None:
            return cls(**{**order.__dict__, "mode": "append"})
        return order

    @property
    def clears_exclusions(self) -> bool:
        return self.direction == "exclude" and self.mode == "replace"

    def shown(self) -> str:
        return self.assign_to or ", ".join(self.group_names) or ", ".join(self.group_ids)


def _by_name(tenant: Tenant, names: list[str]) -> list[str]:
    return [
        row["id"] for row in tenant.rows("groups") for name in names if fnmatch.fnmatch(row["displayName"].lower(), name.lower())
    ]


def targets(tenant: Tenant, order: Order, intent: str | None) -> list[Row]:
    extra = {} if intent is None else {"intent": intent}
    found: list[Row] = []
    if kinds := BROAD.get(order.assign_to.lower()):
        found = [{"target": {"@odata.type": kind}, **extra} for kind in kinds]
    elif order.assign_to or order.group_ids or order.group_names:
        ids = order.group_ids or _by_name(tenant, order.group_names or words(order.assign_to))
        if not ids and not tenant.ghost:
            raise GraphError(f"No group matches the request: {order.shown()}")
        found = [{"target": {"@odata.type": GROUP, "groupId": key}, **extra} for key in ids]
    left_out = order.exclude_ids or _by_name(tenant, words(order.exclude_name))
    return found + [{"target": {"@odata.type": NOT_GROUP, "groupId": key}, **extra} for key in left_out]


def merged(there: list[Row], new: list[Row], order: Order) -> list[Row]:
    if order.mode == "replace" and order.direction is None:
        return new
    edited = {"exclude": NOT_GROUP, "include": GROUP}.get(order.direction or "")
    names = {(each["target"]["@odata.type"], each["target"].get("groupId")) for each in new}
    kept = []
    for each in there:
        kind, group = each["target"]["@odata.type"], each["target"].get("groupId")
        replaced = kind == edited if order.mode == "replace" else (kind, group) in names
        if not replaced:
            kept.append(each)
    return kept + new


def described(
    tenant: Tenant, assignments: list[Row], with_intent: bool = False, users: str = "All Licensed Users"
) -> tuple[str, str]:
    """The two texts that CIPP's lists show: whom it is for, and who is left out. The lists spell all users differently."""
    inside: list[str] = []
    outside: list[str] = []
    for each in assignments:
        kind = each["target"]["@odata.type"]
        group = tenant.find("groups", each["target"].get("groupId"))
        name = {ALL_DEVICES: "All Devices", ALL_USERS: users}.get(kind) or (group["displayName"] if group else "")
        if name:
            suffix = f" ({each['intent']})" if with_intent and each.get("intent") else ""
            (outside if kind == NOT_GROUP else inside).append(name + suffix)
    return ", ".join(inside), ", ".join(outside)
