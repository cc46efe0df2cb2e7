"""Making, changing and deleting groups. EditGroup answers 200 whatever happens; its texts tell good from bad."""

from __future__ import annotations

from typing import Any

from cipp_mcp.demo import people
from cipp_mcp.demo.answers.user import group_type
from cipp_mcp.demo.dialect import (
    NO_STATUS,
    Call,
    Endpoint,
    GraphError,
    Reply,
    as_list,
    first,
    is_true,
    pick,
    same,
    truthy,
    value_of,
)
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import stamp

MEMBERSHIPS = (("AddMember", "_members", True), ("RemoveMember", "_members", False), ("AddOwner", "_owners", True),
               ("RemoveOwner", "_owners", False))  # fmt: skip
EXCHANGE = ("Distribution List", "Mail-Enabled Security")


def _kind(asked: str) -> str:
    """CIPP's wildcard table: the order matters, and "Mail-Enabled Security" comes first."""
    low = asked.lower()
    if low == "mail-enabled security":
        return "Security"
    for part, kind in (("dynamicdistribution", "DynamicDistribution"), ("dynamic", "Dynamic"), ("generic", "Generic"),
                       ("security", "Security"), ("azurerole", "AzureRole"), ("m365", "M365"), ("unified", "M365"),
                       ("microsoft", "M365"), ("distribution", "Distribution"), ("mail", "Distribution")):  # fmt: skip
        if part in low:
            return kind
    return asked


def add(call: Call) -> Reply:
    said: list[str] = []
    status = 200
    name = str(call.sent("displayName") or "")
    for where in [value_of(each) for each in as_list(call.sent("tenantFilter"))]:
        try:
            _create(call, call.tenant(where), str(where), name)
            said.append(f"Successfully created group {name} for {where}")
            status = 200
        except GraphError as refusal:
            said.append(f"Failed to create group. {name} for {where} Failed to create group {name}: {refusal}")
            status = 500
    return Reply({"Results": said}, status) if said else NO_STATUS


def _create(call: Call, tenant: Tenant, where: str, name: str) -> None:
    world, kind = call.world, _kind(str(call.sent("groupType") or ""))
    # For ten minutes a second group of that name counts as made, and nothing is made.
    key = f"{where}_{name}"
    made = world.table("group_creations").get(key)
    if made and (world.now() - made["at"]).total_seconds() < 600:
        return
    mailed = kind in ("M365", "Distribution", "DynamicDistribution", "Security")
    username = str(call.sent("username") or "")
    if not name or (mailed and not username):
        raise GraphError("A value is required for property 'mailNickname' of resource 'Group'.")
    domain = call.sent("primDomain.value") or tenant.default_domain
    mail = (username if "@" in username else f"{username}@{domain}") if mailed else None
    if mail and any(same(group["mail"] or "", mail) for group in tenant.rows("groups")):
        raise GraphError("Another object with the same value for property proxyAddresses already exists.")
    rule = call.sent("membershipRules")
    types = ["Unified"] if kind == "M365" else []
    if rule and kind in ("M365", "Dynamic", "Generic"):
        types.append("DynamicMembership")
    named = [] if "DynamicMembership" in types else as_list(call.sent("members"))
    members = [tenant.one("users", value_of(each)) for each in named]
    owners = [tenant.one("users", value_of(each)) for each in as_list(call.sent("owners"))]
    row: Row = {
        "id": world.new_id("group"), "displayName": name, "description": call.sent("description"),
        "createdDateTime": stamp(world.now()),
        "mail": mail, "mailNickname": username.split("@")[0] or name.replace(" ", ""), "visibility": None, "membershipRule": rule,
        "isAssignableToRole": kind == "AzureRole", "resourceProvisioningOptions": [], "onPremisesSyncEnabled": None,
        "onPremisesSamAccountName": None, "groupTypes": types, "mailEnabled": mailed,
        "securityEnabled": kind not in ("Distribution", "M365"),
        "assignedLicenses": [{"disabledPlans": [], "skuId": str(value_of(each))}
                             for each in as_list(call.sent("licenses")) if kind == "Generic"],
        "_members": [user["id"] for user in members if user], "_owners": [user["id"] for user in owners if user],
        "_hidden": mailed and kind != "M365" and truthy(call.sent("hideFromGAL")),
        "_external": mailed and kind != "M365" and truthy(call.sent("allowExternal")),
        "_copies": truthy(call.sent("subscribeMembers")),
    }  # fmt: skip
    # Graph, and so the list, does not know the dynamic lists of Exchange.
    tenant.add("dynamic_lists" if kind == "DynamicDistribution" else "groups", row)
    world.record(tenant, "create", "group", row, kind)
    world.table("group_creations")[key] = {"id": key, "at": world.now()}


def edit(call: Call) -> Reply:
    key = value_of(call.sent("groupId"))
    checked = call.tenant(call.sent("tenantFilter"))
    group = checked.one("groups", key)
    # The members are changed in tenantId when one is sent: another tenant than the one that was checked.
    tenant = call.tenant(first(call.sent("tenantId"), call.sent("tenantFilter")))
    kind = (group_type(group) or "Security") if group else "Security"
    name = first(call.sent("groupName"), call.sent("displayName"), key)
    said: list[str] = []
    if any(call.sent(field) for field in ("displayName", "description", "mailNickname", "membershipRules")):
        said += _properties(call, checked, group, kind, str(name))
    target = group if tenant is checked else tenant.find("groups", key) or {}
    for field, part, adding in MEMBERSHIPS:
        for entry in as_list(call.sent(field)):
            said.append(_member(call, tenant, target, kind, entry, part, adding))
    said += [_device(call, tenant, target, kind, entry) for entry in as_list(call.sent("AddDevice"))]
    said += ["Error - A contact does not fit into this kind of group" for _ in as_list(call.sent("AddContact"))]
    said += _settings(call, tenant, target, kind, str(name))
    return call.done(said, call.sent("tenantFilter"))


def _properties(call: Call, tenant: Tenant, group: Row, kind: str, name: str) -> list[str]:
    """One PATCH with all three names: what was not sent becomes null."""
    changes = {field: call.sent(field) for field in ("displayName", "description", "mailNickname")}
    if kind not in EXCHANGE and call.sent("membershipRules"):
        changes["membershipRule"] = call.sent("membershipRules")
    if not changes["displayName"] and kind not in EXCHANGE:
        return ["Error - Failed to edit group properties: Invalid value specified for property 'displayName'."]
    call.world.change(tenant, "group", group, **changes)
    said = [f"Success - Edited group properties for {name} group."]
    wanted = call.sent("securityEnabled")
    if kind not in EXCHANGE and wanted is not None and call.world.change(tenant, "group", group, securityEnabled=truthy(wanted)):
        said.append(f"Security capabilities {'enabled' if truthy(wanted) else 'disabled'} for group {name}")
    return said


def _member(call: Call, tenant: Tenant, group: Row, kind: str, entry: Any, part: str, adding: bool) -> str:
    """Graph groups go by `value`, Exchange groups by the UPN beside it; a bare text is neither when removing."""
    upn, key = pick(entry, "addedFields.userPrincipalName"), pick(entry, "value")
    shown = first(upn, key, entry if adding else None)
    wanted = shown if kind in EXCHANGE and part == "_members" else first(key, entry if adding else None)
    role = "member" if part == "_members" else "owner"
    try:
        people.set_member(call.world, tenant, group, tenant.one("users", wanted), adding, part)
    except GraphError as refusal:
        return f"Error - {refusal}"
    return f"Success - {'Added' if adding else 'Removed'} {role} {shown} {'to' if adding else 'from'} the group"


def _device(call: Call, tenant: Tenant, group: Row, kind: str, entry: Any) -> str:
    """By the directory object id; the device id only counts in the field beside it, as an Intune row sends it."""
    if kind in EXCHANGE:
        return f"Error - A device does not fit into a {kind} group"
    other = pick(entry, "addedFields.azureADDeviceId")
    try:
        device = tenant.one("entra_devices", first(other, pick(entry, "value")))
        if device and other is None and device["id"] != pick(entry, "value"):
            raise GraphError(f"Resource '{device['deviceId']}' does not exist or one of its references is not present.")
        people.set_member(call.world, tenant, group, device, True)
    except GraphError as refusal:
        return f"Error - {refusal}"
    return f"Success - Added device {first(pick(entry, 'label'), pick(entry, 'value'))} to the group"


def _settings(call: Call, tenant: Tenant, group: Row, kind: str, name: str) -> list[str]:
    said, world = [], call.world
    if kind == "Security" and (add_ := as_list(call.sent("AddLicenses"))) + (drop := as_list(call.sent("RemoveLicenses"))):
        gone = [str(value_of(each)) for each in drop]
        kept = [each for each in group.get("assignedLicenses", []) if each["skuId"] not in gone]
        kept += [{"disabledPlans": [], "skuId": str(value_of(each))} for each in add_]
        world.change(tenant, "group", group, "assign_license", assignedLicenses=kept)
        said.append(f"Success - Changed the licenses of {name}")
    if call.sent("allowExternal") is not None and kind != "Security":
        allowed = is_true(call.sent("allowExternal"))
        world.change(tenant, "group", group, _external=allowed)
        said.append(f"{'Allowed' if allowed else 'Blocked'} external senders for {call.sent('mail')}.")
    if kind == "Microsoft 365" and str(call.sent("visibility") or "").strip():
        world.change(tenant, "group", group, visibility=call.sent("visibility"))
        said.append(f"Set group visibility to {call.sent('visibility')} for {name}.")
    if call.sent("sendCopies") is not None:
        if kind == "Microsoft 365":
            world.change(tenant, "group", group, _copies=is_true(call.sent("sendCopies")))
            said.append(f"Send Copies for {call.sent('mail')} {'enabled' if is_true(call.sent('sendCopies')) else 'disabled'}.")
        else:
            said.append(f"Failed to change Send Copies for {call.sent('mail')}.")
    if call.sent("hideFromOutlookClients") is not None and kind == "Microsoft 365":
        world.change(tenant, "group", group, _hidden=is_true(call.sent("hideFromOutlookClients")))
        said.append(f"Successfully changed the visibility in Outlook for {name}.")
    return said


KINDS = ("Security", "Microsoft 365", *EXCHANGE)


def delete(call: Call) -> Reply:
    """A type that is none of the four does nothing, says nothing, and is a 200."""
    where, kind, key, name = (call.either(field) for field in ("tenantFilter", "GroupType", "id", "displayName"))
    if str(kind or "").lower() not in [each.lower() for each in KINDS]:
        return Reply({"Results": None})
    tenant = call.tenant(where)
    try:
        group = tenant.one("groups", key)
        if group and group["onPremisesSyncEnabled"]:
            raise GraphError(people.SYNCED)
        if group and (kind in EXCHANGE) != (group_type(group) in EXCHANGE):
            raise GraphError(f"The operation couldn't be performed because object '{key}' is no object of that kind.")
    except GraphError as refusal:
        return call.failed(f"Could not delete {name or ''}. Error: {refusal}", where)
    tenant.drop("groups", group)
    if group and group_type(group) == "Microsoft 365":
        tenant.add("deleted", {**group, "deletedDateTime": stamp(call.world.now()), "_kind": "group"})
    call.world.record(tenant, "delete", "group", group)
    return call.done(f"Successfully Deleted {kind} group {name or ''}", where)


def _exchange_setting(call: Call, key: str, **change: bool) -> None:
    """Change it where the type matches anything at all; CIPP speaks of success in any case."""
    kind = str(call.either("GroupType") or "")
    if kind in (*EXCHANGE, "Microsoft 365"):
        tenant = call.tenant(call.either("tenantFilter"))
        call.world.change(tenant, "group", tenant.one("groups", key), "update", **change)


def hide(call: Call) -> Reply:
    where, kind, key = call.either("tenantFilter"), str(call.either("GroupType") or ""), str(call.either("ID") or "")
    hidden = is_true(call.either("HideFromGAL"))
    if kind == "Security":
        return Reply({"Results": f"A group of type {kind} cannot be hidden"})
    try:
        _exchange_setting(call, key, _hidden=hidden)
    except GraphError as refusal:
        return Reply({"Results": f"Failed. {refusal}"})
    return call.done(f"Successfully {'hidden' if hidden else 'unhidden'} {kind} group {key} from GAL.", where)


def delivery(call: Call) -> Reply:
    where, kind, key = call.either("tenantFilter"), str(call.either("GroupType") or ""), str(call.either("ID") or "")
    inside = call.either("OnlyAllowInternal")
    try:
        if not isinstance(inside, bool):
            raise GraphError("Cannot process argument transformation on parameter 'OnlyAllowInternal'.")
        if kind == "Security":
            raise GraphError("A security group has no such setting.")
        _exchange_setting(call, key, _external=not inside)
    except GraphError as refusal:
        return call.failed(f"Failed to set Delivery Management for {key}. Error: {refusal}", where)
    return call.done(f"Successfully set {kind} group {key} to allow mail from {'inside' if inside else 'anywhere'}", where)


ENDPOINTS = {
    "AddGroup": Endpoint("Identity.Group.ReadWrite", add),
    "EditGroup": Endpoint("Identity.Group.ReadWrite", edit),
    "ExecGroupsDelete": Endpoint("Exchange.Mailbox.ReadWrite", delete),
    "ExecGroupsHideFromGAL": Endpoint("Exchange.Group.ReadWrite", hide),
    "ExecGroupsDeliveryManagement": Endpoint("Exchange.Group.ReadWrite", delivery),
}
