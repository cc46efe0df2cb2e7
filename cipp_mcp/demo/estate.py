"""estate.toml -> what the tenants own besides people, and CIPP's own tables."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from cipp_mcp.demo import belongings
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stable_id, stamp


def furnish(world: World, estate: dict[str, Any]) -> None:
    for tenant in world.tenants:
        own = estate.get(tenant.details["key"], {})
        for entry in own.get("named_locations", []):
            tenant.add("named_locations", named_location(tenant, entry))
        for entry in own.get("ca_policies", []):
            tenant.add("ca_policies", ca_policy(tenant, entry))
        belongings.furnish(world, tenant, own.get("estate", {}))
    _own_tables(world, estate)


def _own_tables(world: World, estate: dict[str, Any]) -> None:
    now = world.now()
    for entry in estate["standards_templates"]:
        row = standards_template(entry)
        world.table("standards_templates")[row["GUID"]] = row
    for entry in estate["intune_templates"]:
        key = stable_id("intune-template", entry["name"])
        raw = json.dumps({"name": entry["name"], "settings": []})
        world.table("intune_templates")[key] = {
            "id": key, "GUID": key, "Displayname": entry["name"], "Description": "", "Type": entry["type"], "RAWJson": raw,
            "_package": entry.get("package"),
        }  # fmt: skip
    for entry in estate["custom_roles"]:
        tenants = [{"type": "Tenant", "value": world.tenant(name).customer_id, "label": name} for name in entry["tenants"]]
        world.table("custom_roles")[entry["name"]] = {
            "id": entry["name"], "RoleName": entry["name"], "Type": "Custom", "Permissions": entry["permissions"],
            "AllowedTenants": tenants,
            "BlockedTenants": [], "EntraGroup": None, "EntraGroupId": None, "IPRange": [],
        }  # fmt: skip
    own = world.table("settings")["api_client"]
    for name, role, key in [
        ("cipp-mcp", "admin", own["client_id"]),
        *((each["name"], each["role"], stable_id("client", each["name"])) for each in estate["api_clients"]),
    ]:
        row = {
            "id": key,
            "ClientId": key,
            "AppName": name,
            "Role": role,
            "IPRange": ["Any"],
            "Enabled": True,
            "MCPAllowed": False,
        }
        world.table("api_clients")[key] = row
    for entry in estate["api_clients"]:
        world.table("api_clients")[stable_id("client", entry["name"])]["_uriMissing"] = entry.get("uri_missing", False)
    world.table("settings")["azure"]["clients"] = list(world.table("api_clients"))
    for entry in estate["tenant_groups"]:
        key = stable_id("tenant-group", entry["name"])
        world.table("tenant_groups")[key] = {
            "id": key, "RowKey": key, "Name": entry["name"], "GroupType": "dynamic" if entry.get("dynamic") else "static",
            "members": [world.tenant(name).customer_id for name in entry["members"]],
        }  # fmt: skip
    for entry in estate["alert_rules"]:
        key = stable_id("rule", entry["name"])
        tenants = [{"label": name, "value": name, "type": "Tenant"} for name in entry["tenants"]]
        condition = {
            "Property": {"label": "Operation"},
            "Operator": {"label": "Equals", "value": "eq"},
            "Input": {"value": "New-InboxRule"},
        }
        world.table("alert_rules")[key] = {
            "id": key, "RowKey": key, "PartitionKey": "Webhookv2", "type": entry["source"], "AlertComment": entry["name"],
            "CustomSubject": "", "_tenants": tenants, "_excluded": [], "_conditions": [condition],
            "_actions": [{"label": "Generate an email", "value": "generatemail"}],
        }  # fmt: skip
    for entry in estate["breaches"]:
        key = stable_id("breach", entry["account"], entry["name"])
        world.table("breaches")[key] = {
            "id": key, "Name": entry["name"], "Title": entry["name"], "Domain": "forum.example", "BreachDate": "2023-04-01",
            "PwnCount": 1000, "DataClasses": ["Email addresses", "Passwords"], "_account": entry["account"],
            "_leaked": world.secret(f"breach/{key}"),
        }  # fmt: skip
    for entry in estate["audit_logs"]:
        key = stable_id("audit", entry["title"])
        at = stamp(now - timedelta(hours=entry["hours_ago"]))
        world.table("audit_logs")[key] = {"id": key, "LogId": key, "Timestamp": at, "Tenant": entry["tenant"],
                                          "Title": entry["title"],
                                          "Data": {"RawData": {"CreationTime": at, "Operation": "New-InboxRule"}}}  # fmt: skip
    for entry in estate["tenant_backups"]:
        name = f"{entry['tenant']}_{(now - timedelta(days=1)).strftime('%Y-%m-%d')}-0200"
        world.table("tenant_backups")[name] = {"id": name, "TenantFilter": entry["tenant"], "BackupName": name,
                                               "Items": entry["items"],
                                               "Timestamp": stamp(now - timedelta(days=1))}  # fmt: skip
    world.table("settings")["extensions"] = {"id": "extensions", "config": estate["extensions"]}
    for name, entries in estate["mappings"].items():
        shown = {key: {"TenantId": key, **entry} for key, entry in entries.items()}
        world.table("mappings")[name] = {"id": name, "entries": shown}


def standards_template(entry: dict[str, Any]) -> Row:
    key = stable_id("standards", entry["name"])
    return {
        "GUID": key, "id": key, "templateName": entry["name"],
        "tenantFilter": [{"label": name, "value": name} for name in entry["tenants"]], "excludedTenants": [],
        "standards": entry["standards"], "runManually": entry.get("manual", False), "updatedBy": "demo", "source": None,
        "isSynced": False,
    }  # fmt: skip


def named_location(tenant: Tenant, entry: dict[str, Any]) -> Row:
    row: Row = {
        "id": stable_id(tenant.details["key"], "location", entry["name"]), "displayName": entry["name"],
        "createdDateTime": tenant.details["created"], "modifiedDateTime": tenant.details["created"],
    }  # fmt: skip
    if "countries" in entry:
        return row | {
            "@odata.type": "#microsoft.graph.countryNamedLocation", "countriesAndRegions": entry["countries"],
            "includeUnknownCountriesAndRegions": False, "countryLookupMethod": "clientIpAddress",
        }  # fmt: skip
    ranges = [{"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": each} for each in entry["ranges"]]
    return row | {"@odata.type": "#microsoft.graph.ipNamedLocation", "isTrusted": entry.get("trusted", False), "ipRanges": ranges}


def ca_policy(tenant: Tenant, entry: dict[str, Any]) -> Row:
    def ids(table: str, part: str) -> list[str]:
        rows = {row.get("displayName"): row["id"] for row in tenant.rows(table)}
        return [rows.get(name) or tenant.one(table, name)["id"] for name in entry.get(part, [])]

    roles = ids("roles", "roles")
    return {
        "id": stable_id(tenant.details["key"], "policy", entry["name"]), "displayName": entry["name"], "state": entry["state"],
        "createdDateTime": tenant.details["created"], "modifiedDateTime": tenant.details["created"],
        "conditions": {
            "clientAppTypes": entry.get("clients", ["all"]),
            "applications": {"includeApplications": ["All"], "excludeApplications": []},
            "users": {"includeUsers": [] if roles else ["All"], "excludeUsers": ids("users", "exclude"), "includeGroups": [],
                      "excludeGroups": [], "includeRoles": roles, "excludeRoles": []},
            "locations": {"includeLocations": ids("named_locations", "locations"), "excludeLocations": []},
        },
        "grantControls": {"operator": "OR", "builtInControls": entry["grant"]},
    }  # fmt: skip
