"""Named locations, and leaving people out of a conditional access policy."""

from __future__ import annotations

import ipaddress
from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, first, pick, same, truthy, value_of
from cipp_mcp.demo.seed import group_row
from cipp_mcp.demo.tenant import Row, Tenant, visible
from cipp_mcp.demo.world import stamp

V4, V6 = "#microsoft.graph.iPv4CidrRange", "#microsoft.graph.iPv6CidrRange"


def list_locations(call: Call) -> Reply:
    rows = []
    for row in call.tenant(call.asked("tenantFilter")).rows("named_locations"):
        ranges = [each["cidrAddress"] for each in row.get("ipRanges", [])]
        rows.append({**visible(row), "rangeOrLocation": ", ".join(ranges or row.get("countriesAndRegions", []))})
    return Reply(rows)


def add(call: Call) -> Reply:
    """A tenant that CIPP may not reach is reported as done like any other."""
    domains = [str(each) for each in as_list(call.sent("selectedTenants.value"))]
    if domains == ["AllTenants"]:
        domains = [tenant.default_domain for tenant in call.world.known(call.allowed)]
    said = []
    for domain in domains:
        tenant = call.tenant(domain)
        now = stamp(call.world.now())
        row: Row = {"id": call.world.new_id("location"), "displayName": str(call.sent("policyName") or ""),
                    "createdDateTime": now,
                    "modifiedDateTime": now}  # fmt: skip
        try:
            if call.sent("Type") == "IPLocation":
                ranges = [_range(text.strip()) for text in str(call.sent("Ips") or "").split("\n") if text.strip()]
                row |= {
                    "@odata.type": "#microsoft.graph.ipNamedLocation",
                    "ipRanges": ranges,
                    "isTrusted": truthy(call.sent("Trusted")),
                }
            else:
                countries = [str(each) for each in as_list(call.sent("Countries.value"))]
                row |= {"@odata.type": "#microsoft.graph.countryNamedLocation", "countriesAndRegions": countries,
                        "includeUnknownCountriesAndRegions": truthy(call.sent("includeUnknownCountriesAndRegions"))}  # fmt: skip
            if not row["displayName"] or not (row.get("ipRanges") or row.get("countriesAndRegions")):
                raise GraphError("1037: The policy contains an invalid named location.")
        except GraphError as refusal:
            said.append(f"Failed to add Named Location {domain}: {refusal}")
            continue
        tenant.add("named_locations", row)
        call.world.record(tenant, "create", "named_location", row)
        said.append(f"Successfully added Named Location for {domain}")
    return Reply({"Results": said})


def _range(text: str, kind: str | None = None) -> Row:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as wrong:
        raise GraphError(f"1003: Invalid value for 'cidrAddress': {text}") from wrong
    real = V4 if network.version == 4 else V6
    if kind is not None and kind != real:
        raise GraphError(f"1003: '{text}' is no IPv4 range.")
    return {"@odata.type": real, "cidrAddress": text}


def edit(call: Call) -> Reply:
    """Addresses are always written as IPv4 ranges, so an IPv6 one is Graph's refusal."""

    def read(name: str) -> Any:
        return first(call.sent(name), call.asked(name))

    where, key, change = read("tenantFilter"), str(read("namedLocationId") or ""), str(read("change") or "")
    content = value_of(read("input"))
    given = [str(each) for each in as_list(content)]
    tenant, world = call.tenant(where), call.world
    name = ""
    try:
        row = tenant.one("named_locations", key)
        name = row.get("displayName", "")
        ranges, countries = row.get("ipRanges", []), row.get("countriesAndRegions", [])
        changes: Row = {}
        if change == "delete":
            tenant.drop("named_locations", row)
            world.record(tenant, "delete", "named_location", row)
            return call.done([f"Deleted named location: {name}"], where)
        if change == "addIp":
            changes["ipRanges"] = [*ranges, *(_range(text, V4) for text in given)]
        elif change == "removeIp":
            changes["ipRanges"] = [each for each in ranges if each["cidrAddress"] not in given]
        elif change == "addLocation":
            changes["countriesAndRegions"] = [*countries, *given]
        elif change == "removeLocation":
            changes["countriesAndRegions"] = [each for each in countries if each not in given]
        elif change == "rename":
            name = changes["displayName"] = content
        elif change in ("setTrusted", "setUntrusted"):
            changes["isTrusted"] = change == "setTrusted"
        else:
            raise GraphError(f"Cannot validate argument on parameter 'Change'. The argument \"{change}\" is not in the set.")
        world.change(tenant, "named_location", row, change, **changes)
    except GraphError as refusal:
        text = f"Failed to edit named location. Error: Failed to edit named location: {name}. Error: {refusal}"
        return call.failed([text], where)
    return call.done([f"Edited named location: {name}. Change: {change}{f' with content {content}' if content else ''}"], where)


def _vacation_group(call: Call, tenant: Tenant, policy: Row) -> Row:
    """Every call makes sure of a group that the policy leaves out, even one that takes an exclusion back."""
    name = f"Vacation Exclusion - {policy['displayName']}"[:120]
    group = next((row for row in tenant.rows("groups") if row["displayName"] == name), None)
    if group is None:
        group = group_row(tenant, {"name": name, "type": "security"}) | {"id": call.world.new_id("group")}
        tenant.add("groups", group)
        call.world.record(tenant, "create", "group", group, "for a policy exclusion")
    left_out = policy["conditions"]["users"]["excludeGroups"]
    if group["id"] not in left_out:
        left_out.append(group["id"])
        call.world.record(tenant, "exclude", "ca_policy", policy, f"group {name}")
    return group


def exclude(call: Call) -> Reply:
    """An immediate change answers with an empty body; every failure is a 200 text."""
    where, key = call.sent("tenantFilter"), str(call.sent("PolicyId") or "")
    users = as_list(call.sent("Users")) or as_list(call.sent("UserID"))
    ids = [str(value_of(user)) for user in users]
    names = [str(pick(user, "addedFields.userPrincipalName") or value_of(user)) for user in users]
    kind = str(call.sent("ExclusionType") or "")
    tenant = call.tenant(where)
    label = ""
    try:
        if tenant.ghost:
            raise GraphError(f"Policy with ID {key} not found in tenant {where}.")
        policy = tenant.one("ca_policies", key)
        label = f" on policy '{policy['displayName']}'"
        group = _vacation_group(call, tenant, policy)
        if call.sent("vacation") is True:
            return _vacation(call, str(where), policy, group, names)
        for who in ids:
            tenant.one("users", who)
        left_out = list(policy["conditions"]["users"]["excludeUsers"])
        if same(kind, "add"):
            wanted = left_out + [who for who in ids if who not in left_out]
        elif same(kind, "remove"):
            wanted = [who for who in left_out if who not in ids]
        else:
            return Reply(None)
        if wanted != left_out:
            policy["conditions"]["users"]["excludeUsers"] = wanted
            policy["modifiedDateTime"] = stamp(call.world.now())
            call.world.record(tenant, "exclude" if same(kind, "add") else "include", "ca_policy", policy, ", ".join(names))
    except GraphError as refusal:
        return Reply({"Results": [f"Failed to perform exclusion for {', '.join(names)}{label}: {refusal}"]})
    return Reply(None)


def _vacation(call: Call, where: str, policy: Row, group: Row, names: list[str]) -> Reply:
    for action, command, when in (("Add", "Add-CIPPGroupMember", "StartDate"), ("Remove", "Remove-CIPPGroupMember", "EndDate")):
        schedule.add_task(
            call.world,
            {"TenantFilter": where, "Name": f"{action} CA Exclusion Vacation Mode: {policy['displayName']}", "Command": command,
             "Parameters": {"GroupType": "Security", "GroupId": group["id"], "Member": names}, "ScheduledTime": call.sent(when),
             "PostExecution": call.sent("postExecution"), "Reference": call.sent("reference")},
        )  # fmt: skip
    said = [f"Successfully added vacation mode schedule for {', '.join(names)} on policy '{policy['displayName']}'."]
    countries = [str(each) for each in as_list(call.sent("TravelCountries.value")) if each]
    if call.sent("CreateTravelPolicy") is True and countries:
        for action, when in (("New", "StartDate"), ("Remove", "EndDate")):
            schedule.add_task(
                call.world,
                {"TenantFilter": where, "Name": f"{action} Travel Policy {', '.join(names)}",
                 "Command": f"{action}-CIPPTravelPolicy",
                 "Parameters": {"Users": names, "Countries": countries}, "ScheduledTime": call.sent(when)},
            )  # fmt: skip
        said.append(f"Successfully scheduled temporary travel policy for {', '.join(countries)}")
    return Reply({"Results": said})


ENDPOINTS = {
    "ListNamedLocations": Endpoint("Tenant.ConditionalAccess.Read", list_locations),
    "AddNamedLocation": Endpoint("Tenant.ConditionalAccess.ReadWrite", add, any_tenant=True),
    "ExecNamedLocation": Endpoint("Tenant.ConditionalAccess.ReadWrite", edit, any_tenant=True),
    "ExecCAExclusion": Endpoint("Tenant.ConditionalAccess.ReadWrite", exclude),
}
