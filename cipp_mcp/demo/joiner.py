"""Making a user, and everything that is done for it at once: password, licences, aliases, groups, manager."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cipp_mcp.demo import people, schedule
from cipp_mcp.demo.dialect import GraphError, as_list, pick, same, truthy, value_of
from cipp_mcp.demo.seed import mailbox_row
from cipp_mcp.demo.tenant import Row, Tenant, visible
from cipp_mcp.demo.world import stamp

if TYPE_CHECKING:
    from cipp_mcp.demo.world import World

# Property of the new user <- field of the request, both by the same name.
PLAIN = (
    "givenName", "surname", "displayName", "department", "jobTitle", "mobilePhone", "streetAddress", "city", "state", "country",
    "postalCode", "companyName",
)  # fmt: skip


@dataclass
class Joined:
    user: Row
    username: str
    password: str
    said: list[Any] = field(default_factory=list)
    copied: dict[str, list[str]] = field(default_factory=lambda: {"Success": [], "Error": [], "Skipped": []})


def create(world: World, tenant: Tenant, form: Any) -> Joined:
    domain = str(pick(form, "Domain") or pick(form, "PrimDomain.value") or "")
    upn = f"{pick(form, 'username') or ''}@{domain}"
    if not tenant.ghost and not any(same(domain, own) for own in (tenant.default_domain, tenant.initial_domain)):
        raise GraphError("The domain portion of the userPrincipalName property is invalid for this organization.")
    if tenant.find("users", upn):
        raise GraphError("Another object with the same value for property userPrincipalName already exists.")
    if not str(pick(form, "displayName") or ""):
        raise GraphError("A value is required for property 'displayName' of resource 'User'.")
    password = str(pick(form, "password") or world.secret(f"password/{upn}"))
    if password not in world.state.secrets:
        world.state.secrets.append(password)
    phones = as_list(pick(form, "businessPhones"))
    user: Row = {
        "id": world.new_id("user"), "accountEnabled": True, "userPrincipalName": upn, "mail": None,
        "mailNickname": str(pick(form, "username") or pick(form, "mailNickname") or ""), "userType": "Member",
        "usageLocation": value_of(pick(form, "usageLocation")), "businessPhones": phones,
        "otherMails": as_list(pick(form, "otherMails")),
        "createdDateTime": stamp(world.now()), "officeLocation": None, "proxyAddresses": [], "assignedLicenses": [],
        "onPremisesSyncEnabled": None, "onPremisesImmutableId": None, "onPremisesLastSyncDateTime": None,
        "showInAddressList": None,
        "lastPasswordChangeDateTime": stamp(world.now()), "manager": None, "signInSessionsValidFromDateTime": stamp(world.now()),
        "_perUserMfa": "disabled", "_risk": None, "_mustChange": truthy(pick(form, "MustChangePass")), "_taps": [], "_rules": [],
        "_methods": ["password"], "_lastSignIn": None, "_password": password, **{name: pick(form, name) for name in PLAIN},
    }  # fmt: skip
    tenant.add("users", user)
    world.record(tenant, "create", "user", user)
    shown = people.handed_out(world, password)
    joined = Joined(user, upn, shown, ["Created New User.", f"Username: {upn}", f"Password: {shown}"])
    _equip(world, tenant, joined, form)
    joined.user = visible(user)
    return joined


def _equip(world: World, tenant: Tenant, joined: Joined, form: Any) -> None:
    """The later steps. Each may fail; the user stays, and the failure is one more sentence of a good answer."""
    user, said = joined.user, joined.said
    skus = [str(value) for value in as_list(pick(form, "licenses.value")) if value]
    if skus:
        try:
            if not user["usageLocation"]:
                world.change(tenant, "user", user, usageLocation="US")
            people.assign_licences(world, tenant, user["id"], skus, [])
            said.append(f"Successfully set licenses for {joined.username}.")
            user["mail"] = user["userPrincipalName"]
            user["proxyAddresses"] = [f"SMTP:{user['mail']}"]
            tenant.add("mailboxes", mailbox_row(user))
        except GraphError as refusal:
            said.append(f"Failed to assign licenses for user {joined.username}: {refusal}")
    aliases = str(pick(form, "AddedAliases") or "").split()
    if aliases:
        user["proxyAddresses"] = user["proxyAddresses"] + [f"smtp:{alias}" for alias in aliases]
        said.append(f"Added aliases {', '.join(aliases)}")
    if source := pick(form, "copyFrom.value"):
        _copy(world, tenant, joined, str(source))
    for group in as_list(pick(form, "AddToGroups")):
        said.append(_join(world, tenant, user, str(value_of(group)), str(pick(group, "label") or value_of(group))))
    for box in as_list(pick(form, "sharedMailboxes")):
        said.append(_share(world, tenant, joined, str(value_of(box)), form))
    if boss := pick(form, "setManager.value"):
        manager = tenant.find("users", boss)
        if manager:
            user["manager"] = {key: manager[key] for key in ("id", "userPrincipalName", "displayName")}
        said.append(f"Set {joined.username}'s manager to {boss}" if manager else f"Failed to set the manager to {boss}")


def _join(world: World, tenant: Tenant, user: Row, key: str, label: str) -> str:
    try:
        people.set_member(world, tenant, tenant.one("groups", key), user, add=True)
    except GraphError as refusal:
        return f"Failed to add to group {label}: {refusal}"
    return f"Successfully added {user['userPrincipalName']} to {label}"


def _copy(world: World, tenant: Tenant, joined: Joined, source: str) -> None:
    for group in people.groups_of(tenant, tenant.find("users", source) or {}):
        text = _join(world, tenant, joined.user, group["id"], group["displayName"])
        joined.copied["Error" if text.startswith("Failed") else "Success"].append(text)
        joined.said.append(text)


def _share(world: World, tenant: Tenant, joined: Joined, key: str, form: Any) -> str:
    box = tenant.find("mailboxes", key)
    if not box or box["recipientTypeDetails"] != "SharedMailbox":
        return f"Skipped mailbox access to {key}: there is no shared mailbox of that name."
    for right in as_list(pick(form, "sharedMailboxPermission")) or ["FullAccess"]:
        schedule.add_task(
            world,
            {"TenantFilter": tenant.default_domain,
             "Name": f"Grant Mailbox Access: {joined.username} -> {key} ({value_of(right)})",
             "Command": "Set-CIPPMailboxPermission", "ScheduledTime": schedule.epoch(world.now()) + 900,
             "Parameters": {"UserId": key, "AccessUser": joined.username, "PermissionLevel": value_of(right), "AutoMap": True}},
        )  # fmt: skip
    return f"Scheduled access to the shared mailbox {key} in 15 minutes."
