"""estate.toml -> what the tenants own besides people."""

from __future__ import annotations

from typing import Any

from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stable_id


def furnish(world: World, estate: dict[str, Any]) -> None:
    for entry in estate["standards_templates"]:
        row = standards_template(entry)
        world.table("standards_templates")[row["GUID"]] = row
    for tenant in world.tenants:
        own = estate.get(tenant.details["key"], {})
        for entry in own.get("named_locations", []):
            tenant.add("named_locations", named_location(tenant, entry))
        for entry in own.get("ca_policies", []):
            tenant.add("ca_policies", ca_policy(tenant, entry))


def standards_template(entry: dict[str, Any]) -> Row:
    key = stable_id("standards", entry["name"])
    return {
        "GUID": key, "id": key, "templateName": entry["name"],
        "tenantFilter": [{"label": name, "value": name} for name in entry["tenants"]],
        "excludedTenants": [], "standards": entry["standards"], "runManually": entry.get("manual", False), "updatedBy": "demo",
        "source": None, "isSynced": False,
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
