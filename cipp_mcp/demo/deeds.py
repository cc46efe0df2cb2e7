"""The commands that a scheduled task may name and the demo really carries out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cipp_mcp.demo import backups, joiner, mail, people
from cipp_mcp.demo.dialect import GraphError, as_list, pick, to_boolean
from cipp_mcp.demo.tenant import Row, Tenant

if TYPE_CHECKING:
    from cipp_mcp.demo.schedule import Job
    from cipp_mcp.demo.world import World


def where(world: World, task: Row, given: dict[str, Any]) -> tuple[Tenant, str]:
    """The tenant and the user of a task, under any of the names CIPP's commands use."""
    who = next((given[key] for key in ("UserID", "userid", "UserId", "Username", "username", "ID") if given.get(key)), "")
    return world.reach(task["Tenant"]), str(who)


def _sign_in(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    enabled = to_boolean(pick(given, "AccountEnabled"))
    people.set_sign_in(world, tenant, who, enabled)
    return f"Successfully set the sign-in state of {who} to {enabled}"


def _reset(world: World, task: Row, given: dict[str, Any]) -> dict[str, Any]:
    tenant, who = where(world, task, given)
    password = people.set_password(world, tenant, who, True)
    return {
        "resultText": f"Successfully reset the password of {who}. It is now {password}",
        "copyField": password,
        "state": "success",
    }


def _revoke(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    people.revoke_sessions(world, tenant, who)
    return f"Successfully revoked the sessions of {who}"


def _remove(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    people.delete_user(world, tenant, who)
    return f"Successfully deleted user {who}"


def _convert(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    mail.convert(world, tenant, who, str(pick(given, "MailboxType") or "Shared"))
    return f"Successfully converted the mailbox of {who}"


def _create(world: World, task: Row, given: dict[str, Any]) -> dict[str, Any]:
    try:
        joined = joiner.create(world, world.reach(task["Tenant"]), given["UserObj"])
    except GraphError as refusal:
        raise GraphError("System.Collections.Hashtable") from refusal  # the reason is thrown as an object and lost
    return {"Results": joined.said, "Username": joined.username, "Password": joined.password}


def _strip(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    try:
        held = [licence["skuId"] for licence in tenant.one("users", who)["assignedLicenses"]]
        people.assign_licences(world, tenant, who, [], held)
    except GraphError as refusal:
        return f"Could not remove license for {who}. Error: {refusal}"
    return f"Removed directly assigned licenses for {who}" if held else f"No licenses to remove for {who}"


def _access(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    mail.grant(world, tenant, str(given.get("UserId") or who), str(given["AccessUser"]), str(given["PermissionLevel"]))
    return f"Successfully gave {given['AccessUser']} {given['PermissionLevel']}"


def _reply(world: World, task: Row, given: dict[str, Any]) -> str:
    tenant, who = where(world, task, given)
    texts = {name: pick(given, name) for name in ("InternalMessage", "ExternalMessage")}
    mail.reply(world, tenant, who, str(pick(given, "State") or "Enabled"), **texts)
    return f"Set Out-of-office for {who}"


def _member(adding: bool) -> Job:
    def job(world: World, task: Row, given: dict[str, Any]) -> str:
        tenant = world.reach(task["Tenant"])
        group = tenant.one("groups", given["GroupId"])
        members = [str(each) for each in as_list(given["Member"])]
        for who in members:
            people.set_member(world, tenant, group, tenant.one("users", who), adding)
        return f"Successfully {'added' if adding else 'removed'} {', '.join(members)}"

    return job


JOBS: dict[str, Job] = {
    "Set-CIPPSignInState": _sign_in,
    "Set-CIPPResetPassword": _reset,
    "Revoke-CIPPSessions": _revoke,
    "Remove-CIPPUser": _remove,
    "Set-CIPPMailboxType": _convert,
    "New-CIPPUserTask": _create,
    "Remove-CIPPLicense": _strip,
    "Set-CIPPMailboxPermission": _access,
    "Set-CIPPOutOfOffice": _reply,
    "Add-CIPPGroupMember": _member(True),
    "Remove-CIPPGroupMember": _member(False),
    "New-CIPPBackup": backups.scheduled,
}
