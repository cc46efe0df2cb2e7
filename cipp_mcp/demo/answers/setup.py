"""What CIPP holds about a tenant besides its directory: alert rules, alias and groups, organisation, sync state, CSP licences."""

from __future__ import annotations

import json
import re
from typing import Any

from cipp_mcp.demo.dialect import Call, Endpoint, Reply, as_list, pick, same
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import stamp

OPERATORS = {"eq", "ne", "like", "notlike", "match", "notmatch", "gt", "lt", "ge", "le", "in", "notin", "contains", "notcontains"}


def add_alert(call: Call) -> Reply:
    """Its errors stand under `error`, not under Results. A RowKey that exists is overwritten."""
    conditions = as_list(call.sent("conditions"))
    for condition in conditions:
        operator, label = pick(condition, "Operator.value"), pick(condition, "Property.label")
        if operator and str(operator).lower() not in OPERATORS:
            return Reply({"error": f"Invalid operator: {operator}"}, 400)
        if label and not re.fullmatch(r"[a-zA-Z0-9_.]+", str(label)):
            return Reply({"error": f"Invalid property name: {label}"}, 400)
    key = str(call.sent("RowKey") or call.world.new_id("rule"))
    tenants = as_list(call.sent("tenantFilter"))
    row: Row = {
        "id": key, "RowKey": key, "PartitionKey": "Webhookv2", "type": call.sent("logbook.value"),
        "AlertComment": call.sent("AlertComment"),
        "CustomSubject": call.sent("CustomSubject"), "_tenants": tenants, "_excluded": as_list(call.sent("excludedTenants")),
        "_conditions": conditions, "_actions": as_list(call.sent("actions")),
    }  # fmt: skip
    existed = key in call.world.table("alert_rules")
    call.world.table("alert_rules")[key] = row
    call.world.record(None, "replace" if existed else "create", "alert_rule", row, str(row["type"]))
    return Reply(
        {"Results": [f"Added Audit Log Alert for {len(tenants)} tenants. It may take hours before the first one arrives."]}
    )


def list_alerts(call: Call) -> Reply:
    """A text that holds JSON."""
    rows = []
    for row in call.world.rows("alert_rules"):
        said = [
            f"When {pick(each, 'Property.label')} is {pick(each, 'Operator.label')} {pick(each, 'Input.value')}"
            for each in row["_conditions"]
        ]
        labels = [str(pick(each, "label")) for each in row["_tenants"]]
        if call.allowed is not None and not any(pick(each, "customerId") in call.allowed for each in row["_tenants"]):
            continue
        raw = {"Conditions": row["_conditions"], "Actions": row["_actions"], "Tenants": row["_tenants"], "type": row["type"],
               "RowKey": row["RowKey"], "PartitionKey": row["PartitionKey"], "AlertComment": row["AlertComment"],
               "CustomSubject": row["CustomSubject"]}  # fmt: skip
        rows.append(
            {"Tenants": labels, "Conditions": " and ".join(said), "excludedTenants": row["_excluded"],
             "Actions": ",".join(str(pick(each, "label")) for each in row["_actions"]), "LogType": row["type"],
             "EventType": "Audit log Alert", "RowKey": row["RowKey"], "PartitionKey": row["PartitionKey"],
             "RepeatsEvery": "When received",
             "AlertComment": row["AlertComment"], "CustomSubject": row["CustomSubject"], "RawAlert": raw}
        )  # fmt: skip
    return Reply(json.dumps(rows))


def edit_tenant(call: Call) -> Reply:
    """An alias that is left out is deleted. With a list of groups the tenant leaves every static group that is not in it."""
    key, world = str(call.sent("customerId") or ""), call.world
    tenant = next((each for each in world.known() if each.customer_id == key), None)
    if tenant is None:
        return Reply({"state": "error", "resultText": "The property 'displayName' cannot be found on this object."}, 500)
    alias = call.sent("tenantAlias")
    name = str(alias) if alias else tenant.details.get("original_name", tenant.display_name)
    tenant.details.setdefault("original_name", tenant.display_name)
    if name != tenant.display_name:
        tenant.display_name = name
        world.record(tenant, "rename", "tenant", {"id": key, "displayName": name})
    wanted = as_list(call.sent("tenantGroups"))
    names = {str(pick(each, "groupId")) for each in wanted}
    for group in world.rows("tenant_groups"):
        inside = key in group["members"]
        if group["GroupType"] == "dynamic" or (group["RowKey"] in names) is inside or not (wanted or inside is False):
            continue
        if group["RowKey"] in names:
            world.change(None, "tenant_group", group, "join", members=[*group["members"], key])
        elif wanted:
            world.change(None, "tenant_group", group, "leave", members=[each for each in group["members"] if each != key])
    return Reply({"state": "success", "resultText": "Tenant details updated successfully"})


def organisation(tenant: Tenant) -> Row:
    synced = any(user["onPremisesSyncEnabled"] for user in tenant.rows("users"))
    last = max(
        (user["onPremisesLastSyncDateTime"] for user in tenant.rows("users") if user["onPremisesLastSyncDateTime"]), default=None
    )
    return {
        "displayName": tenant.details.get("original_name", tenant.display_name), "id": tenant.customer_id, "city": "Madrid",
        "country": "ES",
        "countryLetterCode": "ES", "street": None, "state": None, "postalCode": None, "businessPhones": "",
        "technicalNotificationMails": f"it@{tenant.default_domain}", "tenantType": "AAD",
        "createdDateTime": tenant.details["created"],
        "onPremisesLastPasswordSyncDateTime": last, "onPremisesLastSyncDateTime": last, "onPremisesSyncEnabled": synced or None,
        "assignedPlans": [],
    }  # fmt: skip


def details(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    if tenant.ghost:
        return Reply(None)
    groups = [{"Id": row["RowKey"], "Name": row["Name"], "Description": None, "GroupType": row["GroupType"]}
              for row in call.world.rows("tenant_groups") if tenant.customer_id in row["members"]]  # fmt: skip
    aliased = "original_name" in tenant.details and tenant.details["original_name"] != tenant.display_name
    return Reply(
        {**organisation(tenant), "customProperties": {"Alias": tenant.display_name} if aliased else {}, "Groups": groups}
    )


def connect_status(call: Call) -> Reply:
    tenant, wanted = call.tenant(call.asked("tenantFilter")), call.asked("DataToReturn") or ""
    raw = None if tenant.ghost else organisation(tenant)
    settings = {
        "dirSyncEnabled": bool(raw and raw["onPremisesSyncEnabled"]), "raw": raw,
        "numberOfHoursFromLastSync": raw and raw["onPremisesLastSyncDateTime"],
    }  # fmt: skip
    objects: list[Any] = [
        {"id": row["id"], "displayName": row["displayName"], "createdDateTime": row["createdDateTime"],
         "onPremisesProvisioningErrors": row.get("_syncErrors", []), "ObjectType": kind}
        for kind in ("user", "group")
        for row in tenant.rows(f"{kind}s")
    ]  # fmt: skip
    if same(wanted, "AzureADConnectSettings"):
        return Reply(settings)
    if same(wanted, "AzureADObjectsInError"):
        return Reply(objects)
    return Reply([{"AzureADConnectSettings": settings, "ObjectsInError": objects}] if not wanted else [None])


def csp_licences(call: Call) -> Reply:
    """Only with the Sherweb integration and a mapped tenant."""
    mapped = call.world.table("mappings").get("Sherweb", {"entries": {}})["entries"]
    tenant = call.tenant(call.asked("tenantFilter"))
    if tenant.customer_id not in mapped:
        return Reply(["Unable to retrieve CSP licenses, ensure that you have enabled the Sherweb integration."], 400)
    return Reply(
        [
            {"id": sku["subscription"], "productName": sku["name"], "sku": sku["skuPartNumber"], "quantity": sku["enabled"],
             "purchaseDate": sku["created"], "commitmentTerm": {"termEndDate": sku["renews"]},
             "retrieved": stamp(call.world.now())}
            for sku in tenant.rows("skus")
        ]
    )  # fmt: skip


ENDPOINTS = {
    "AddAlert": Endpoint("CIPP.Alert.ReadWrite", add_alert),
    "ListAlertsQueue": Endpoint("CIPP.Alert.Read", list_alerts),
    "EditTenant": Endpoint("Tenant.Config.ReadWrite", edit_tenant, any_tenant=True),
    "ListTenantDetails": Endpoint("CIPP.Core.Read", details),
    "ListAzureADConnectStatus": Endpoint("Tenant.Directory.Read", connect_status),
    "ListCSPLicenses": Endpoint("Tenant.Directory.Read", csp_licences),
}
