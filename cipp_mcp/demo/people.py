"""Rules about users, licences, memberships and deleted objects, as Graph keeps them.

Each rule changes state and writes the ledger, or raises what Graph would answer. What CIPP says about it is
the business of the answers; the same rules serve a request and a scheduled job.
"""

from __future__ import annotations

from collections.abc import Iterable

from cipp_mcp.demo.dialect import GraphError, is_true, pick
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stamp

SYNCED = "Unable to update the specified properties for on-premises mastered Directory Sync objects."


def set_sign_in(world: World, tenant: Tenant, key: str, enabled: bool) -> Row:
    user = tenant.one("users", key)
    world.change(tenant, "user", user, "enable" if enabled else "disable", accountEnabled=enabled)
    return user


def clear_immutable_id(world: World, tenant: Tenant, key: str) -> Row:
    user = tenant.find("users", key)
    if user is None and not tenant.ghost:
        user = restore(world, tenant, key)
    if user is None:
        return {}
    if user["onPremisesSyncEnabled"]:
        raise GraphError(SYNCED)
    world.change(tenant, "user", user, onPremisesImmutableId=None)
    return user


def set_password(world: World, tenant: Tenant, key: str, must_change: bool) -> str:
    """A new password; the ledger says that it changed and never what it is."""
    user = tenant.one("users", key)
    password = world.secret(f"password/{key}")
    if user:
        user.update(_password=password, _mustChange=must_change, lastPasswordChangeDateTime=stamp(world.now()))
        world.record(tenant, "reset_password", "user", user, "must change" if must_change else "stays")
    return password


def handed_out(world: World, password: str) -> str:
    """What CIPP shows of a new password: itself, or a link to it where PWPush is switched on."""
    config = world.table("settings").get("extensions", {}).get("config", {})
    if not is_true(pick(config, "PWPush.Enabled")):
        return password
    return "https://pwpush.example/p/" + world.secret("pwpush")


def revoke_sessions(world: World, tenant: Tenant, key: str) -> Row:
    user = tenant.one("users", key)
    if user:
        user["signInSessionsValidFromDateTime"] = stamp(world.now())
        world.record(tenant, "revoke_sessions", "user", user)
    return user


def delete_user(world: World, tenant: Tenant, key: str) -> Row:
    """Into the recycle bin: out of the directory, its groups and its roles remembered for a restore."""
    user = tenant.one("users", key)
    if not user:
        return user
    if user["onPremisesSyncEnabled"]:
        raise GraphError(SYNCED)
    user["deletedDateTime"] = stamp(world.now())
    user["_memberOf"] = [
        row["id"] for table in ("groups", "roles") for row in tenant.rows(table) if user["id"] in row["_members"]
    ]
    for table in ("groups", "roles"):
        for row in tenant.rows(table):
            row["_members"] = [member for member in row["_members"] if member != user["id"]]
    tenant.drop("users", user)
    tenant.add("deleted", {**user, "_kind": "user", "_mailbox": tenant.table("mailboxes").pop(user["id"], None)})
    world.record(tenant, "delete", "user", user, "to the recycle bin")
    return user


def restore(world: World, tenant: Tenant, key: str) -> Row:
    row = tenant.one("deleted", key)
    if not row:
        return row
    tenant.drop("deleted", row)
    kind, mailbox = row.pop("_kind", "user"), row.pop("_mailbox", None)
    row.pop("deletedDateTime", None)
    memberships = row.pop("_memberOf", [])
    tenant.add(f"{kind}s", row)
    for table in ("groups", "roles"):
        for other in tenant.rows(table):
            if other["id"] in memberships:
                other["_members"].append(row["id"])
    if mailbox is not None:
        tenant.add("mailboxes", mailbox)
    world.record(tenant, "restore", kind, row)
    return row


# ---------------------------------------------------------------------------------------------- licences


def consumed(tenant: Tenant, sku: str) -> int:
    return sum(1 for user in tenant.rows("users") for licence in user["assignedLicenses"] if licence["skuId"] == sku)


def assign_licences(world: World, tenant: Tenant, key: str, add: Iterable[str], remove: Iterable[str]) -> Row:
    """All or nothing, as Graph's assignLicense is."""
    user = tenant.one("users", key)
    if not user:
        return user
    add, remove = list(add), list(remove)
    held = [licence["skuId"] for licence in user["assignedLicenses"]]
    for sku in remove:
        if sku not in held:
            raise GraphError("User does not have a corresponding license.")
    new = [sku for sku in add if sku not in held]
    for sku in add:
        bought = tenant.find("skus", sku)
        if bought is None:
            raise GraphError(f"License {sku} does not correspond to a valid company License.")
        if not user["usageLocation"]:
            raise GraphError("License assignment cannot be done for user with invalid usage location.")
        freed = 1 if sku in remove else 0
        if sku in new and consumed(tenant, sku) - freed >= bought["enabled"]:
            raise GraphError(f"Subscription with SKU {sku} does not have any available licenses.")
    kept = [licence for licence in user["assignedLicenses"] if licence["skuId"] not in remove]
    present = [licence["skuId"] for licence in kept]
    kept += [{"disabledPlans": [], "skuId": sku} for sku in add if sku not in present]
    if kept != user["assignedLicenses"]:
        user["assignedLicenses"] = kept
        said = [f"+{sku}" for sku in add] + [f"-{sku}" for sku in remove]
        world.record(tenant, "assign_license", "user", user, " ".join(said))
    return user


# ------------------------------------------------------------------------------------------------ groups


def groups_of(tenant: Tenant, user: Row) -> list[Row]:
    return [group for group in tenant.rows("groups") if user.get("id") in group["_members"]]


def set_member(world: World, tenant: Tenant, group: Row, user: Row, add: bool, part: str = "_members") -> None:
    """Add or remove a member or an owner, with Graph's refusals."""
    if not group or not user:
        return
    if group["onPremisesSyncEnabled"]:
        raise GraphError(SYNCED)
    if "DynamicMembership" in group["groupTypes"]:
        raise GraphError("Cannot update membership of a group with a dynamic membership rule.")
    if add and user["id"] in group[part]:
        raise GraphError("The user is already a member of it.")
    if not add and user["id"] not in group[part]:
        raise GraphError(f"Resource '{user['id']}' does not exist or one of its references is not present.")
    group[part] = [*group[part], user["id"]] if add else [member for member in group[part] if member != user["id"]]
    world.record(tenant, f"{'add' if add else 'remove'}_{part.strip('_').rstrip('s')}", "group", group,
                 str(user.get("userPrincipalName") or user["displayName"]))  # fmt: skip
