"""Standards: templates and running them. A run reads its tenant from the query only; none means every tenant."""

from __future__ import annotations

import fnmatch

from cipp_mcp.demo.dialect import Call, Endpoint, Reply, first
from cipp_mcp.demo.tenant import Row, visible


def list_templates(call: Call) -> Reply:
    wanted = call.asked("id")
    rows = [visible(row) for row in call.world.rows("standards_templates") if not wanted or row["GUID"] == wanted]
    return Reply(sorted(rows, key=lambda row: str(row["templateName"])))


def run(call: Call) -> Reply:
    where = call.asked("tenantFilter")
    key = str(first(call.asked("templateId"), "*"))
    templates = [row for row in call.world.rows("standards_templates") if fnmatch.fnmatch(row["GUID"].lower(), key.lower())]
    for template in templates:
        for tenant in call.world.known():
            if where is None or where.lower() == "alltenants" or tenant.answers_to(where):
                _remediate(call, template, tenant.customer_id)
    name = "All" if key == "*" else " ".join(f"{row['templateName']} ({row['GUID']})" for row in templates) or " ()"
    text = f"Successfully started Standards Run for tenant: {where or 'allTenants'} - Template: {name}"
    if any(row.get("runManually") for row in templates):
        text += " (Manual Only)"
    call.log(text, where)
    return Reply({"Results": text})


def _remediate(call: Call, template: Row, customer_id: str) -> None:
    tenant = next(each for each in call.world.tenants if each.customer_id == customer_id)
    named = [str(entry.get("value", "")).lower() for entry in template["tenantFilter"]]
    left_out = [str(entry.get("value", "")).lower() for entry in template["excludedTenants"]]
    if tenant.default_domain.lower() in left_out or not ({"alltenants", tenant.default_domain.lower()} & set(named)):
        return
    for standard in template["standards"]:
        row = {"id": f"{template['GUID']}/{standard}", "name": standard}
        tenant.table("standards_runs")[row["id"]] = {**row, "at": call.world.now().isoformat()}
        call.world.record(tenant, "remediate", "standard", row, template["templateName"])


ENDPOINTS = {
    "listStandardTemplates": Endpoint("Tenant.Standards.Read", list_templates, any_tenant=True),
    "ExecStandardsRun": Endpoint("Tenant.Standards.ReadWrite", run),
}
