"""world.toml -> a World. Only here do the file's short words become Graph's long ones."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from importlib import resources
from typing import Any

from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stable_id, stamp


def read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("cipp_mcp.demo").joinpath(name).read_text(encoding="utf-8"))


def seeded(world: World) -> World:
    people = read("world.toml")
    world.table("catalogue").update({sku["id"]: {"id": sku["id"], **sku} for sku in people["skus"].values()})
    client = people["partner"]
    world.table("settings")["api_client"] = {"id": "api_client", "tenant_id": client["customer_id"], **client}
    world.table("settings")["azure"] = {"id": "azure", "clients": [client["client_id"]]}
    for entry in people["tenants"]:
        world.tenants.append(_tenant(world, entry, people))
    from cipp_mcp.demo.estate import furnish

    furnish(world, read("estate.toml"))
    for tenant in world.known():
        if tenant.details["key"] not in people["no_nightly_data"]:
            world.take_snapshot(tenant, hours_ago=9)
    return world


def _tenant(world: World, entry: dict[str, Any], people: dict[str, Any]) -> Tenant:
    tenant = Tenant(
        customer_id=entry["customer_id"],
        default_domain=entry["default"],
        initial_domain=entry["initial"],
        display_name=entry["name"],
        excluded=entry.get("excluded", False),
        partner=entry.get("partner", False),
        details={"key": entry["key"], "created": stamp(world.now() - timedelta(days=1500))},
    )
    for short, count in entry.get("bought", {}).items():
        sku = people["skus"][short]
        tenant.add(
            "skus",
            {"id": sku["id"], "skuId": sku["id"], "skuPartNumber": sku["part"], "enabled": count, "name": sku["name"],
             "subscription": stable_id(entry["key"], "subscription", short), "created": stamp(world.now() - timedelta(days=200)),
             "renews": stamp(world.now() + timedelta(days=165))},
        )  # fmt: skip
    for name, role in people["roles"].items():
        tenant.add("roles", {"id": role["id"], "templateId": role["id"], "displayName": name, "description": role["about"],
                             "isBuiltIn": True, "isEnabled": True, "_members": []})  # fmt: skip
    for group in entry.get("groups", []):
        tenant.add("groups", group_row(tenant, group))
    for person in entry.get("users", []):
        _enrol(world, tenant, person, people)
    for person in entry.get("users", []):
        if "manager" in person:
            user = tenant.one("users", f"{person['upn']}@{tenant.default_domain}")
            boss = tenant.one("users", f"{person['manager']}@{tenant.default_domain}")
            user["manager"] = {key: boss[key] for key in ("id", "userPrincipalName", "displayName")}
    for person in entry.get("deleted", []):
        row = user_row(world, tenant, person, people)
        row["deletedDateTime"] = stamp(world.now() - timedelta(days=person["days_ago"]))
        tenant.add("deleted", {**row, "_kind": "user"})
    return tenant


MFA = ("password", "microsoftAuthenticator", "phone")
GROUP_KINDS: dict[str, Row] = {
    "m365": {"groupTypes": ["Unified"], "mailEnabled": True, "securityEnabled": False},
    "distribution": {"groupTypes": [], "mailEnabled": True, "securityEnabled": False},
    "mail_security": {"groupTypes": [], "mailEnabled": True, "securityEnabled": True},
    "security": {"groupTypes": [], "mailEnabled": False, "securityEnabled": True},
}


def group_row(tenant: Tenant, entry: dict[str, Any]) -> Row:
    mail = f"{entry['mail']}@{tenant.default_domain}" if "mail" in entry else None
    return {
        "id": stable_id(tenant.details["key"], "group", entry["name"]), "displayName": entry["name"],
        "description": entry.get("about"),
        "createdDateTime": tenant.details["created"], "mail": mail,
        "mailNickname": entry.get("mail", entry["name"].replace(" ", "")),
        "visibility": None, "membershipRule": None, "isAssignableToRole": None, "resourceProvisioningOptions": [],
        "onPremisesSyncEnabled": True if entry.get("synced") else None, "onPremisesSamAccountName": None, "assignedLicenses": [],
        **GROUP_KINDS[entry["type"]], "_members": [], "_owners": [], "_hidden": False, "_external": False, "_copies": False,
    }  # fmt: skip


def user_row(world: World, tenant: Tenant, person: dict[str, Any], people: dict[str, Any]) -> Row:
    domain = tenant.initial_domain if person.get("at") == "initial" else tenant.default_domain
    upn = f"{person['upn']}@{domain}"
    synced, guest = person.get("synced", False), person.get("guest", False)
    name = person["name"]
    mail = None if not (person.get("licences") or person.get("shared")) else upn
    if guest:
        mail = person["upn"].removesuffix("#EXT#").replace("_", "@", 1)
    skus = [people["skus"][short]["id"] for short in person.get("licences", [])]
    seen = person.get("seen_days_ago", 2 if person.get("enabled", True) else 220)
    immutable = stable_id(upn, "anchor")[:22] + "==" if synced or person.get("immutable") else None
    return {
        "id": stable_id(tenant.details["key"], "user", person["upn"]), "accountEnabled": person.get("enabled", True),
        "displayName": name, "givenName": name.split(" ")[0], "surname": name.split(" ")[-1], "userPrincipalName": upn,
        "mail": mail,
        "mailNickname": person["upn"].split("#")[0], "jobTitle": person.get("job"), "department": None, "companyName": None,
        "mobilePhone": person.get("phone"), "businessPhones": [],
        "usageLocation": None if person.get("no_location") or guest else "ES",
        "userType": "Guest" if guest else "Member", "createdDateTime": tenant.details["created"], "city": None, "country": None,
        "officeLocation": None, "otherMails": [], "proxyAddresses": [f"SMTP:{mail}"] if mail and not guest else [],
        "assignedLicenses": [{"disabledPlans": [], "skuId": sku} for sku in skus],
        "onPremisesSyncEnabled": True if synced else None,
        "onPremisesImmutableId": immutable,
        "onPremisesLastSyncDateTime": stamp(world.now() - timedelta(minutes=20)) if synced else None,
        "lastPasswordChangeDateTime": stamp(world.now() - timedelta(days=90)), "showInAddressList": None, "manager": None,
        "signInSessionsValidFromDateTime": stamp(world.now() - timedelta(days=90)),
        "_perUserMfa": "disabled", "_risk": person.get("risky"), "_mustChange": False, "_taps": [], "_rules": [],
        "_methods": [] if guest or person.get("shared") or person.get("mfa") is False else list(MFA),
        "_lastSignIn": None if seen < 0 else stamp(world.now() - timedelta(days=seen)),
    }  # fmt: skip


def mailbox_row(user: Row, shared: bool = False) -> Row:
    return {
        "id": user["id"], "UPN": user["userPrincipalName"], "primarySmtpAddress": user["mail"],
        "displayName": user["displayName"],
        "recipientTypeDetails": "SharedMailbox" if shared else "UserMailbox", "ForwardingAddress": None,
        "ForwardingSmtpAddress": None,
        "DeliverToMailboxAndForward": False, "ArchiveStatus": "None", "HiddenFromAddressListsEnabled": False,
        "AutoReplyState": "Disabled",
        "InternalMessage": "", "ExternalMessage": "", "StartTime": None, "EndTime": None, "_permissions": {}, "_automap": {},
        "_calendar": {"Default": ["AvailabilityOnly"], "Anonymous": ["None"]}, "_calendarFlags": {}, "_meetings": 2,
        "_onedriveAdmins": [], "_onedriveSharing": "ExternalUserAndGuestSharing", "_mobile": ["iPhone"],
    }  # fmt: skip


def _enrol(world: World, tenant: Tenant, person: dict[str, Any], people: dict[str, Any]) -> None:
    user = tenant.add("users", user_row(world, tenant, person, people))
    for name in person.get("groups", []):
        tenant.one("groups", name)["_members"].append(user["id"])
    for role in tenant.rows("roles"):
        if role["displayName"] in person.get("roles", []):
            role["_members"].append(user["id"])
    if user["mail"] and not person.get("guest"):
        tenant.add("mailboxes", mailbox_row(user, person.get("shared", False)))
        user["_rules"] = ["Move newsletters"]
