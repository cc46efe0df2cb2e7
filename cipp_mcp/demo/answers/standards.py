"""Standards: templates and running them. A run reads its tenant from the query only; none means every tenant."""

from __future__ import annotations

import fnmatch

from cipp_mcp.demo.dialect import Call, Endpoint, Reply, as_list, first, is_true, same, value_of
from cipp_mcp.demo.tenant import Row, Tenant, visible


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


def applies(template: Row, tenant: Tenant) -> bool:
    named = [str(entry.get("value", "")).lower() for entry in template["tenantFilter"]]
    left_out = [str(entry.get("value", "")).lower() for entry in template["excludedTenants"]]
    return tenant.default_domain.lower() not in left_out and bool({"alltenants", tenant.default_domain.lower()} & set(named))


def _remediate(call: Call, template: Row, customer_id: str) -> None:
    tenant = next(each for each in call.world.tenants if each.customer_id == customer_id)
    if not applies(template, tenant):
        return
    for standard, settings in template["standards"].items():
        if not any(same(value_of(each), "Remediate") for each in as_list(settings.get("action"))):
            continue  # reported or alerted on, and left as it is
        row = {"id": f"{template['GUID']}/{standard}", "name": standard}
        tenant.table("standards_runs")[row["id"]] = {**row, "at": call.world.now().isoformat()}
        call.world.record(tenant, "remediate", "standard", row, template["templateName"])


def list_standards(call: Call) -> Reply:
    """Consolidated: one row per standard and tenant. Otherwise the table of long ago, which is empty; a text that holds JSON."""
    where = call.asked("tenantFilter")
    if not is_true(call.asked("ShowConsolidated")):
        return Reply("[]")
    rows = []
    for tenant in call.world.known(call.allowed):
        if where in (None, "AllTenants") or tenant.answers_to(str(where)):
            for template in call.world.rows("standards_templates"):
                if not template["runManually"] and applies(template, tenant):
                    rows += [{"Tenant": tenant.default_domain, "Standard": name, "Settings": settings,
                              "TemplateId": template["GUID"]}
                             for name, settings in template["standards"].items()]  # fmt: skip
    return Reply(rows)


def remove_template(call: Call) -> Reply:
    key = str(first(call.sent("ID"), call.asked("ID")) or "")
    row = call.world.table("standards_templates").pop(key, None)
    if row is None:
        return call.failed(f"Failed to remove Standards template:  with id: {key}. Error: The entity does not exist.")
    call.world.record(None, "delete", "standards_template", row, row["templateName"])
    return call.done(f"Removed Standards Template named: '{row['templateName']}' with id: {key}")


ENDPOINTS = {
    "ListStandards": Endpoint("Tenant.Standards.Read", list_standards),
    "RemoveStandardTemplate": Endpoint("Tenant.Standards.ReadWrite", remove_template),
    "listStandardTemplates": Endpoint("Tenant.Standards.Read", list_templates, any_tenant=True),
    "ExecStandardsRun": Endpoint("Tenant.Standards.ReadWrite", run),
}
