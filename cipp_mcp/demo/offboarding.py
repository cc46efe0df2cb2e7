"""The offboarding job: one step after the other, each with its own end, in CIPP's order.

A step that fails does not stop the rest; that is why the task's state alone does not say what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cipp_mcp.demo import mail, methods, people, schedule
from cipp_mcp.demo.dialect import GraphError, as_list, is_true, pick, value_of
from cipp_mcp.demo.tenant import Row, Tenant

if TYPE_CHECKING:
    from cipp_mcp.demo.world import World

# In CIPP's order. The first is the option of the request, matched in any letter case.
FLAGS = (
    "RevokeSessions", "ResetPass", "DisableSignIn", "HideFromGAL", "RemoveGroups", "RemoveRules", "RemoveMobile",
    "removeCalendarInvites",
    "OOO", "forward", "disableForwarding", "OnedriveAccess", "DisableOneDriveSharing", "AccessNoAutomap", "AccessAutomap",
    "removePermissions", "removeCalendarPermissions", "ConvertToShared", "RemoveMFADevices", "RemoveTeamsPhoneDID",
    "RemoveLicenses",
    "ClearImmutableId", "DeleteUser",
)  # fmt: skip
TEXTS = ("OOO", "forward")
LISTS = ("OnedriveAccess", "AccessNoAutomap", "AccessAutomap")


def wanted(options: Any) -> list[str]:
    """Which steps these options select. Only a JSON true selects a flag; the text "false" selects nothing either."""
    chosen = []
    for name in FLAGS:
        value = pick(options, name)
        if name in TEXTS:
            selected = bool(str(value_of(value) or "").strip())
        elif name in LISTS:
            selected = any(entry is not None for entry in as_list(value))
        else:
            selected = is_true(value)
        if selected:
            chosen.append(name)
    return chosen


def run(world: World, task: Row, given: dict[str, Any]) -> list[Any]:
    tenant = world.reach(task["Tenant"])
    upn = str(given["Username"])
    options = given.get("options") or {}
    user = tenant.one("users", upn)
    chosen = wanted(options)
    if not chosen:
        raise GraphError(f"No offboarding tasks were selected for {upn}.")
    results: list[Any] = []
    for name in chosen:
        try:
            results.append(STEPS[name](world, tenant, user, options))
        except GraphError as refusal:
            results.append(f"Failed to run step {name} for {upn}. Error: {refusal}")
    return results


def _revoke(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    people.revoke_sessions(world, tenant, user["id"])
    return f"Successfully revoked the sessions of {user['userPrincipalName']}"


def _reset(world: World, tenant: Tenant, user: Row, options: Any) -> Row:
    password = people.set_password(world, tenant, user["id"], True)
    return {"resultText": f"Successfully reset the password. It is now {password}", "copyField": password, "state": "success"}


def _disable(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    people.set_sign_in(world, tenant, user["id"], False)
    if user["onPremisesSyncEnabled"]:
        raise GraphError(f"WARNING: User {user['userPrincipalName']} is AD Sync enabled. Disable it in the local AD.")
    return "Successfully disabled sign-in"


def _hide(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    world.change(tenant, "mailbox", mail.mailbox(tenant, user["id"]), "hide", HiddenFromAddressListsEnabled=True)
    return "Successfully hid the mailbox from the address list"


def _groups(world: World, tenant: Tenant, user: Row, options: Any) -> list[str]:
    said = []
    for group in people.groups_of(tenant, user):
        try:
            people.set_member(world, tenant, group, user, add=False)
            said.append(f"Successfully removed the user from group {group['displayName']}")
        except GraphError as refusal:
            said.append(f"Failed to remove the user from group {group['displayName']}: {refusal}")
    return said or ["The user is a member of no group"]


def _rules(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    world.change(tenant, "user", user, "remove_rules", _rules=[])
    return "Successfully deleted the mailbox rules"


def _mobile(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    world.change(tenant, "mailbox", mail.mailbox(tenant, user["id"]), "remove_mobile", _mobile=[])
    return "Successfully removed the mobile devices"


def _invites(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    world.change(tenant, "mailbox", mail.mailbox(tenant, user["id"]), "cancel_meetings", _meetings=0)
    return "Successfully cancelled the meetings"


def _reply(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    text = str(pick(options, "OOO"))
    mail.reply(world, tenant, user["id"], "Enabled", InternalMessage=text, ExternalMessage=text)
    return "Successfully set the out of office message"


def _forward(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    target = pick(options, "forward.value")
    if target is None:
        return "Successfully stopped forwarding" if mail.forward(world, tenant, user["id"]) else ""
    mail.forward(world, tenant, user["id"], inside=target, keep=bool(pick(options, "KeepCopy")))
    return f"Successfully forwarded the mailbox to {target}"


def _stop(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    mail.forward(world, tenant, user["id"])
    return "Successfully stopped forwarding"


def _onedrive(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    box = mail.mailbox(tenant, user["id"])
    who = [str(value_of(entry)) for entry in as_list(pick(options, "OnedriveAccess"))]
    world.change(tenant, "onedrive", box, "grant", _onedriveAdmins=sorted({*box["_onedriveAdmins"], *who}))
    return f"Successfully gave OneDrive access to {', '.join(who)}"


def _sharing(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    world.change(tenant, "onedrive", mail.mailbox(tenant, user["id"]), "update", _onedriveSharing="Disabled")
    return "Successfully disabled OneDrive sharing"


def _access(name: str, automap: bool) -> Callable[[World, Tenant, Row, Any], list[str]]:
    def step(world: World, tenant: Tenant, user: Row, options: Any) -> list[str]:
        said = []
        for entry in as_list(pick(options, name)):
            mail.grant(world, tenant, user["id"], str(value_of(entry)), "FullAccess", automap)
            said.append(f"Successfully gave {value_of(entry)} full access")
        return said

    return step


def _permissions(where: str) -> Callable[[World, Tenant, Row, Any], str]:
    def step(world: World, tenant: Tenant, user: Row, options: Any) -> str:
        return f"Successfully removed {mail.revoke_everywhere(world, tenant, user['userPrincipalName'], where)} permissions"

    return step


def _shared(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    mail.convert(world, tenant, user["id"], "Shared")
    return "Successfully converted the mailbox to Shared"


def _mfa(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    _, stuck = methods.remove(world, tenant, user)
    if stuck:
        raise GraphError(f"Failed to remove MFA methods ({', '.join(stuck)})")
    return "Successfully removed the MFA methods"


def _numbers(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    for number in tenant.rows("numbers"):
        if number.get("TargetId") == user["id"]:
            world.change(tenant, "phone_number", number, "unassign", TargetId=None, AssignedTo=None)
    return "Successfully removed the phone numbers"


def _licences(world: World, tenant: Tenant, user: Row, options: Any) -> list[str]:
    """Not now: a task of its own, so that the steps that need a mailbox are over."""
    upn = str(user["userPrincipalName"])
    task = {
        "TenantFilter": tenant.default_domain, "Name": f"Remove License: {upn}", "Command": "Remove-CIPPLicense",
        "Parameters": {"userid": user["id"], "username": upn}, "ScheduledTime": schedule.epoch(world.now()) + 300,
    }  # fmt: skip
    return [schedule.add_task(world, task, unique=True), f"Scheduled license removal for {upn}."]


def _immutable(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    if not user["onPremisesImmutableId"]:
        return f"User {user['userPrincipalName']} does not have an ImmutableID set."
    if user["onPremisesSyncEnabled"]:
        return "Scheduled Immutable ID clear task for the day on which the account is no longer synced."
    people.clear_immutable_id(world, tenant, user["id"])
    return "Successfully cleared the immutable ID"


def _delete(world: World, tenant: Tenant, user: Row, options: Any) -> str:
    people.delete_user(world, tenant, user["id"])
    return f"Successfully deleted user {user['userPrincipalName']}"


STEPS: dict[str, Callable[[World, Tenant, Row, Any], Any]] = {
    "RevokeSessions": _revoke, "ResetPass": _reset, "DisableSignIn": _disable, "HideFromGAL": _hide, "RemoveGroups": _groups,
    "RemoveRules": _rules, "RemoveMobile": _mobile, "removeCalendarInvites": _invites, "OOO": _reply, "forward": _forward,
    "disableForwarding": _stop, "OnedriveAccess": _onedrive, "DisableOneDriveSharing": _sharing,
    "AccessNoAutomap": _access("AccessNoAutomap", False), "AccessAutomap": _access("AccessAutomap", True),
    "removePermissions": _permissions("_permissions"), "removeCalendarPermissions": _permissions("_calendar"),
    "ConvertToShared": _shared,
    "RemoveMFADevices": _mfa, "RemoveTeamsPhoneDID": _numbers, "RemoveLicenses": _licences, "ClearImmutableId": _immutable,
    "DeleteUser": _delete,
}  # fmt: skip
