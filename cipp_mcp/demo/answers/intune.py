"""Intune policies, scripts and templates."""

from __future__ import annotations

import json
from dataclasses import replace

from cipp_mcp.demo import assignments
from cipp_mcp.demo.answers import app_policy, nightly
from cipp_mcp.demo.dialect import Abort, Call, Endpoint, GraphError, Reply, as_list, pick, same, truthy, value_of
from cipp_mcp.demo.tenant import Row, Tenant, visible
from cipp_mcp.demo.world import World, fine_stamp

ALL_USERS_OF_APPS = "acacacac-9df4-4c7d-9d50-4ef0226f57a9"
# The template type of an order -> the family in whose Graph path the policy then lives.
FAMILIES = {
    "AppProtection": "ManagedAppPolicies", "AppConfiguration": "MobileAppConfigurations",
    "deviceCompliancePolicies": "deviceCompliancePolicies", "Admin": "GroupPolicyConfigurations",
    "Device": "DeviceConfigurations",
    "Catalog": "ConfigurationPolicies", "windowsDriverUpdateProfiles": "WindowsDriverUpdateProfiles",
    "windowsFeatureUpdateProfiles": "WindowsFeatureUpdateProfiles",
    "windowsQualityUpdatePolicies": "windowsQualityUpdatePolicies",
    "windowsQualityUpdateProfiles": "windowsQualityUpdateProfiles",
}  # fmt: skip


NO_ASSIGNMENTS = ("Intents", "ManagedAppPolicies")


def policy_rows(tenant: Tenant) -> list[Row]:
    """With the assignments where Graph's list of the family has them; of the app configurations it shows none here."""
    rows = []
    for policy in tenant.rows("intune_policies"):
        if policy["URLName"] == "MobileAppConfigurations":
            continue
        blind = policy["URLName"] in NO_ASSIGNMENTS
        inside, outside = assignments.described(tenant, [] if blind else policy["assignments"], users="All Licenced Users")
        hidden = ("assignments",) if blind else ()
        rows.append({**visible(policy, *hidden), "PolicyAssignment": inside, "PolicyExclude": outside})
    return rows


def list_policies(call: Call) -> Reply:
    if nightly.wanted(call):
        return nightly.report(call, "Intune policy", policy_rows)
    tenant, key, family = call.tenant(call.asked("tenantFilter")), call.asked("ID"), call.asked("URLName") or ""
    if not key:
        return Reply(policy_rows(tenant))
    try:
        row = _policy(tenant, key, family)
    except GraphError as refusal:
        return Reply([str(refusal)], 403)
    return Reply([visible(row)] if row else [])


def _policy(tenant: Tenant, key: str, family: str) -> Row:
    """The family is part of the path: the right id under the wrong family is not found. An app policy's own kind will do."""
    row = tenant.one("intune_policies", key)
    if row and not same(row["URLName"], family) and not same(row.get("_type") or "", family):
        raise GraphError(f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.")
    return row


def remove_policy(call: Call) -> Reply:
    where, key, family = call.either("tenantFilter"), call.either("ID"), str(call.either("URLName") or "")
    if not key:
        raise Abort
    tenant = call.tenant(where)
    try:
        row = _policy(tenant, str(key), family)
    except GraphError as refusal:
        return call.failed(f"Could not delete policy: {refusal}", where, 403)
    tenant.drop("intune_policies", row)
    call.world.record(tenant, "delete", "intune_policy", row, family)
    return call.done(f"Successfully deleted the {family} policy with ID: {key}", where)


def save_policy(world: World, tenant: Tenant, name: str, family: str, raw: str, about: str = "") -> tuple[Row, bool]:
    """Make the policy, or overwrite the one of that name in the family. Says whether it is new."""
    for row in tenant.rows("intune_policies"):
        if same(row["displayName"], name) and same(row["URLName"], family):
            world.change(tenant, "intune_policy", row, description=about or row["description"], _raw=raw,
                         lastModifiedDateTime=fine_stamp(world.now()))  # fmt: skip
            return row, False
    row = {
        "id": world.new_id("policy"), "displayName": name, "description": about, "URLName": family, "PolicyTypeName": family,
        "createdDateTime": fine_stamp(world.now()), "lastModifiedDateTime": fine_stamp(world.now()), "assignments": [],
        "_raw": raw, "_type": str(pick(json.loads(raw or "{}"), "@odata.type") or APP_TYPE).removeprefix(assignments.GRAPH),
    }  # fmt: skip
    tenant.add("intune_policies", row)
    world.record(tenant, "create", "intune_policy", row, family)
    return row, True


def add_policy(call: Call) -> Reply:
    """Replacements made for one tenant stay in the text for the next; a template of the same name wins over the text sent."""
    asked = [str(value_of(each)) for each in as_list(call.sent("tenantFilter"))]
    tenants = [each.default_domain for each in call.world.known()] if "AllTenants" in asked else asked
    name, raw = str(call.sent("displayName") or ""), str(call.sent("RAWJson") or "")
    kind, mapped = str(call.sent("TemplateType") or ""), call.sent("replacemap")
    said = []
    for where in tenants:
        # The map's keys are domains: looked up whole, for a dot in a path would mean a nested value.
        replacements = mapped.get(where) if isinstance(mapped, dict) else None
        for old, new in (replacements if isinstance(replacements, dict) else {}).items():
            raw = raw.replace(str(old), str(new))
        for template in call.world.rows("intune_templates"):
            if template["GUID"] == call.sent("TemplateID") or same(template["Displayname"], name):
                raw = template["RAWJson"]
        try:
            if kind not in FAMILIES or not name:
                raise GraphError(f"The template type '{kind}' is not known.")
            _checked(raw)
            row, new_ = save_policy(
                call.world, call.tenant(where), name, FAMILIES[kind], raw, str(call.sent("Description") or "")
            )
            _assign_new(call, where, row)
            said.append(f"Successfully {'added' if new_ else 'edited'} policy for {where} with display name {name}")
        except GraphError as refusal:
            said.append(f"Failed to add or set policy for {where} with display name {name}: {refusal}")
    return Reply({"Results": said})


APP_TYPE = "iosManagedAppProtection"  # of an app protection policy whose text does not say


def _checked(raw: str) -> None:
    try:
        json.loads(raw)
    except ValueError as wrong:
        raise GraphError("The policy text is empty or no JSON.") from wrong


def _assign_new(call: Call, where: str, row: Row) -> None:
    to = str(call.sent("customGroup") or call.sent("AssignTo") or "")
    if to and to.lower() != "on":
        order = assignments.Order(to, [], [], [], str(call.sent("excludeGroup") or ""), "append", None)
        tenant = call.tenant(where)
        wanted = assignments.merged(row["assignments"], _targets(tenant, order, row), order)
        call.world.change(tenant, "intune_policy", row, "assign", assignments=wanted)


def _targets(tenant: Tenant, order: assignments.Order, policy: Row) -> list[Row]:
    """App protection takes groups only: all users are a group of their own, and devices beside them are left out."""
    if policy.get("URLName") == "ManagedAppPolicies" and (broad := order.assign_to.lower()) in assignments.BROAD:
        if broad == "alldevices":
            raise GraphError("App protection policies cannot be assigned to All Devices.")
        order = replace(order, assign_to="", group_ids=[ALL_USERS_OF_APPS])
    return assignments.targets(tenant, order, None)


def assign_policy(call: Call) -> Reply:
    """Group names alone are not looked at: nothing is done, and that is a 200."""
    where, key, family = call.sent("tenantFilter"), str(call.sent("ID") or ""), str(call.sent("Type") or "")
    order = assignments.Order.of(call, everywhere=False)
    broad = "" if order.assign_to.lower() == "on" else order.assign_to
    if not (broad or order.group_ids or order.exclude_ids or order.exclude_name.strip() or order.clears_exclusions):
        return Reply({"Results": "No assignments specified: nothing was done."})
    tenant = call.tenant(where)
    try:
        row = _policy(tenant, key, family)
        apart = str(call.sent("platformType") or "deviceManagement").lower() == "deviceappmanagement"
        if row and apart is not (row["URLName"] in app_policy.FAMILIES):
            raise GraphError(f"Resource not found for the segment '{family}'.")
        there = row.get("assignments", [])
        wanted = assignments.merged(there, _targets(tenant, order, row), order)
        call.world.change(tenant, "intune_policy", row, "assign", assignments=wanted)
    except GraphError as refusal:
        return call.failed(f"Failed to assign {order.shown()} to Policy {key}. Error: {refusal}", where)
    return call.done(f"Successfully assigned policy {key} to {order.shown() or 'the exclusions given'}", where)


# ---------------------------------------------------------------------------------------------- scripts


def script_rows(tenant: Tenant) -> list[Row]:
    rows = []
    for script in tenant.rows("scripts"):
        inside, outside = assignments.described(tenant, script["assignments"])
        rows.append({**visible(script), "ScriptAssignment": inside, "ScriptExclude": outside})
    return rows


def list_scripts(call: Call) -> Reply:
    if nightly.wanted(call):
        return nightly.report(call, "Intune script", script_rows)
    return Reply(script_rows(call.tenant(call.asked("tenantFilter"))))


def remove_script(call: Call) -> Reply:
    where, key = call.either("TenantFilter"), str(call.either("ID") or "")
    kind, name = str(call.either("ScriptType") or ""), call.either("DisplayName") or ""
    tenant = call.tenant(where)
    try:
        row = tenant.one("scripts", key)
        if row and not same(row["scriptType"], kind):
            raise GraphError(f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.")
    except GraphError as refusal:
        return call.failed(f"Failed to delete {kind} script {name}. Error: {refusal}", where, 403)
    tenant.drop("scripts", row)
    call.world.record(tenant, "delete", "script", row, kind)
    return call.done(f"Deleted {kind} script {name} with ID: {key}", where)


# -------------------------------------------------------------------------------------------- templates


def list_templates(call: Call) -> Reply:
    """Instance-wide. View counts as set whatever its value; the reply is a text that holds JSON."""
    rows = call.world.rows("intune_templates")
    shown: list[Row]
    if truthy(call.asked("View")):
        shown = [
            {**json.loads(row["RAWJson"]), "displayName": row["Displayname"], "description": row["Description"],
             "Type": row["Type"],
             "GUID": row["GUID"], "package": row["_package"], "isSynced": False, "source": None, "usage": []}
            for row in rows
        ]  # fmt: skip
    elif same(call.asked("mode") or "", "Tag"):
        packages = sorted({row["_package"] for row in rows if row["_package"]})
        shown = [
            {
                "label": f"{package} ({len(held)} Templates)",
                "value": package,
                "type": "tag",
                "templateCount": len(held),
                "templates": held,
            }
            for package in packages
            for held in [[visible(row) for row in rows if row["_package"] == package]]
        ]
    else:
        shown = [visible(row, "id") for row in rows]
    if key := call.asked("ID"):
        shown = [row for row in shown if same(row.get("GUID", ""), key)]
    return Reply(json.dumps(sorted(shown, key=lambda row: str(pick(row, "displayName")))))


ENDPOINTS = {
    "ListIntunePolicy": Endpoint("Endpoint.MEM.Read", list_policies),
    "RemovePolicy": Endpoint("Endpoint.MEM.ReadWrite", remove_policy),
    "AddPolicy": Endpoint("Endpoint.MEM.ReadWrite", add_policy),
    "ExecAssignPolicy": Endpoint("Endpoint.MEM.ReadWrite", assign_policy),
    "ListIntuneScript": Endpoint("Endpoint.MEM.Read", list_scripts),
    "RemoveIntuneScript": Endpoint("Endpoint.MEM.ReadWrite", remove_script),
    "ListIntuneTemplates": Endpoint("Endpoint.MEM.Read", list_templates, any_tenant=True),
}
