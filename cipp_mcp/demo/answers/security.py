"""Security alerts and incidents, and the deployment of Defender policies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.answers.app import chosen
from cipp_mcp.demo.answers.intune import save_policy
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, pick, to_boolean
from cipp_mcp.demo.tenant import Row, Tenant, visible
from cipp_mcp.demo.world import stamp


def _alert(tenant: Tenant, row: Row) -> Row:
    return {
        "Tenant": tenant.default_domain, "GUID": None, "Id": row["id"], "Title": row["title"], "Category": row["category"],
        "EventDateTime": row["eventDateTime"], "Severity": row["severity"], "Status": row["status"], "RawResult": visible(row),
        "InvolvedUsers": row["userStates"],
    }  # fmt: skip


def list_alerts(call: Call) -> Reply:
    """Results is one object; it is null while the all-tenants cache is loading."""
    where, world = call.asked("tenantFilter"), call.world
    metadata: Row = {}
    if where == "AllTenants":
        metadata, ready = schedule.load(world, "AllTenants-alert", "Alerts List - All Tenants", 30)
        if not ready:
            return Reply({"Results": None, "Metadata": metadata})
        tenants = world.known(call.allowed)
    else:
        tenants = [call.tenant(where)]
    rows = [_alert(tenant, row) for tenant in tenants for row in tenant.rows("alerts")]
    rows.sort(key=lambda row: str(row["EventDateTime"]), reverse=True)
    open_ = [row for row in rows if row["Status"] in ("newAlert", "inProgress")]
    severities = {"High": "high", "Medium": "medium", "Low": "low"}
    result: dict[str, Any] = {
        "NewAlertsCount": sum(row["Status"] == "newAlert" for row in rows),
        "InProgressAlertsCount": sum(row["Status"] == "inProgress" for row in rows),
        **{f"Severity{name}AlertsCount": sum(row["Severity"] == level for row in open_) for name, level in severities.items()},
        "SeverityInformationalCount": sum(row["Severity"] == "informational" for row in open_), "MSResults": rows,
    }  # fmt: skip
    return Reply({"Results": result, "Metadata": metadata})


def set_alert(call: Call) -> Reply:
    where, key, status = call.either("tenantFilter"), str(call.either("GUID") or ""), call.either("Status")
    provider, vendor = call.either("Provider"), call.either("Vendor")
    tenant = call.tenant(where)
    try:
        row = tenant.one("alerts", key)
        if any(mark in f"{status}{provider}{vendor}" for mark in '"\\'):
            raise GraphError("Unable to read JSON request payload.")
        if status not in ("newAlert", "inProgress", "resolved"):
            raise GraphError("Invalid value for property 'status'.")
        if row and row["vendorInformation"] != {"provider": provider, "vendor": vendor}:
            raise GraphError("The vendor information does not match the alert.")
        call.world.change(tenant, "security_alert", row, status=status)
    except GraphError as refusal:
        return call.failed(f"Failed to update alert {key}: {refusal}", where)
    return call.done(f"Set alert {key} to status {status}", where)


def _incident(tenant: Tenant, row: Row) -> Row:
    return {
        "Tenant": tenant.default_domain, "Id": row["id"], "Status": row["status"], "IncidentUrl": row["incidentWebUrl"],
        "RedirectId": row["redirectIncidentId"], "DisplayName": row["displayName"], "Created": row["createdDateTime"],
        "Updated": row["lastUpdateDateTime"], "AssignedTo": row["assignedTo"], "Classification": row["classification"],
        "Determination": row["determination"], "Severity": row["severity"], "Tags": ", ".join(row["tags"]),
        "Comments": row["comments"],
    }  # fmt: skip


def list_incidents(call: Call) -> Reply:
    where, world = call.asked("tenantFilter"), call.world
    begin, end = (_day(call.asked(name)) for name in ("StartDate", "EndDate"))
    metadata: Any = None
    if where == "AllTenants":
        metadata, ready = schedule.load(world, "AllTenants-Incident", "Incidents - All Tenants", 30)
        tenants = world.known(call.allowed) if ready else []
    else:
        tenants = [call.tenant(where)]
    rows = [_incident(tenant, row) for tenant in tenants for row in tenant.rows("incidents")]
    rows = [row for row in rows if (not begin or row["Created"][:10] >= begin) and (not end or row["Created"][:10] <= end)]
    return Reply({"Results": sorted(rows, key=lambda row: str(row["Id"]), reverse=True), "Metadata": metadata})


def _day(text: str | None) -> str | None:
    """yyyyMMdd or nothing; any other text is an exception outside the function's own handling."""
    return datetime.strptime(text, "%Y%m%d").date().isoformat() if text else None


def set_incident(call: Call) -> Reply:
    where, key = call.sent("tenantFilter"), str(call.sent("GUID") or "")
    to_boolean(call.sent("AssignToSelf"))  # an API client has no user name: nobody is assigned
    tenant = call.tenant(where)
    redirected = str(call.sent("Redirected") or "0")
    if redirected.isdigit() and int(redirected) >= 1:
        return call.done(f"Refused to update incident {key}: it was merged into another one", where)
    changes, said = {}, []
    for field, value in (("status", call.sent("Status")), ("severity", call.sent("Severity.value"))):
        if value is not None:
            changes[field] = value
            said.append(f"{field} to {value}")
    try:
        if call.sent("Classification") is not None:
            if call.sent("Determination") is None:
                raise GraphError("ScriptHalted")
            changes |= {"classification": call.sent("Classification"), "determination": call.sent("Determination")}
            said.append(f"classification & determination to {call.sent('Classification')} {call.sent('Determination')}")
        row = tenant.one("incidents", key)
        if row and call.sent("Comment") is not None:
            said.append("resolving comment")
            changes["comments"] = [
                *row["comments"],
                {"comment": call.sent("Comment"), "createdDateTime": stamp(call.world.now())},
            ]
        call.world.change(tenant, "security_incident", row, **changes)
    except GraphError as refusal:
        return call.failed(f"Failed to update incident {key} : {refusal}", where)
    return call.done(f"Set {', '.join(said)} for incident {key}", where)


# Section of the order -> the policies of fixed names it makes.
DEPLOYED = {
    "Compliance": (), "Policy": ("Default AV Policy",), "ASR": ("ASR Default rules",), "EDR": ("EDR Configuration",),
    "Exclusion": ("Default AV Exclusion Policy",),
}  # fmt: skip


def deploy(call: Call) -> Reply:
    """A policy of its default name is skipped where it exists; the connector's settings are overwritten."""
    domains = [str(pick(entry, "defaultDomainName") or pick(entry, "value") or "") for entry in chosen(call)]
    if "AllTenants" in domains:
        domains = [tenant.default_domain for tenant in call.world.known(call.allowed)]
    said = []
    for domain in domains:
        tenant = call.tenant(domain)
        for section, names in DEPLOYED.items():
            wanted = call.sent(section)
            if not wanted:
                continue
            if section == "Compliance":
                row = {"id": "connector", "name": "Defender connector"}
                call.world.record(tenant, "update", "defender_connector", row, section)
                said.append(f"{domain}: Successfully set Defender Compliance and Reporting settings")
            for name in names:
                if any(policy["displayName"] == name for policy in tenant.rows("intune_policies")):
                    said.append(f"{domain}: {name} already exists. Skipping")
                    continue
                save_policy(call.world, tenant, name, "ConfigurationPolicies", "{}")
                said.append(f"{domain}: Successfully set {name} settings")
    return Reply({"Results": said})


ENDPOINTS = {
    "ExecAlertsList": Endpoint("Security.Alert.Read", list_alerts),
    "ExecSetSecurityAlert": Endpoint("Security.Alert.ReadWrite", set_alert),
    "ExecIncidentsList": Endpoint("Security.Incident.Read", list_incidents),
    "ExecSetSecurityIncident": Endpoint("Security.Incident.ReadWrite", set_incident),
    "AddDefenderDeployment": Endpoint("Endpoint.MEM.ReadWrite", deploy),
}
