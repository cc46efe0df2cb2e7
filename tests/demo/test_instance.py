"""CIPP itself over the wire: rules, tenants' aliases, clients, extensions, backups, passwords, tools and the Graph proxy."""

from __future__ import annotations

from typing import Any

import pytest

from cipp_mcp.demo.serve import Box

F = "fabrikam.example"
FAB = "11111111-aaaa-4aaa-8aaa-000000000001"
ANA = "ana@fabrikam.example"


def verbs(box: Any) -> list[str]:
    return [effect.verb for effect in box.world.ledger]


def test_alert_rules(cipp: Any) -> None:
    condition = {"Property": {"label": "Operation"}, "Operator": {"value": "eq", "label": "Equals"}, "Input": {"value": "x"}}
    order = {"tenantFilter": [{"label": F, "value": F}], "logbook": {"value": "Audit.Exchange"}, "conditions": [condition],
             "actions": [{"label": "Generate an email", "value": "generatemail"}], "RowKey": "rule-1"}  # fmt: skip
    for _ in range(2):
        assert cipp.results("AddAlert", order)[0].startswith("Added Audit Log Alert")
    assert len([row for row in cipp.rows("ListAlertsQueue") if row["RowKey"] == "rule-1"]) == 1
    bad = cipp.post("AddAlert", order | {"conditions": [condition | {"Operator": {"value": "invoke"}}]})
    assert (bad.status_code, bad.json()["error"].startswith("Invalid operator")) == (400, True)


def test_an_alias_left_out_is_deleted_and_groups_are_left(cipp: Any, box: Any) -> None:
    def tenant() -> dict[str, Any]:
        found: dict[str, Any] = cipp.get("ListTenantDetails", tenantFilter=F).json()
        return found

    assert [group["Name"] for group in tenant()["Groups"]] == ["Premium support"]
    cipp.post("EditTenant", {"customerId": FAB, "tenantAlias": "Fabrikam (gold)"})
    assert "Fabrikam (gold)" in [row["displayName"] for row in cipp.rows("ListTenants")]
    assert tenant()["customProperties"] == {"Alias": "Fabrikam (gold)"}
    dynamic = next(row["RowKey"] for row in box.world.rows("tenant_groups") if row["GroupType"] == "dynamic")
    reply = cipp.post("EditTenant", {"customerId": FAB, "tenantGroups": [{"groupId": dynamic}]})
    assert reply.json()["state"] == "success"
    assert (tenant()["Groups"], tenant()["customProperties"]) == ([], {})
    assert cipp.post("EditTenant", {"customerId": "x"}).json()["state"] == "error"
    assert verbs(box) == ["rename", "rename", "leave"]


def test_sync_state_and_csp_licences(cipp: Any) -> None:
    assert (
        cipp.get("ListAzureADConnectStatus", tenantFilter=F, DataToReturn="AzureADConnectSettings").json()["dirSyncEnabled"]
        is True
    )
    both = cipp.rows("ListAzureADConnectStatus", tenantFilter="tailspindemo.onmicrosoft.com")
    assert both[0]["AzureADConnectSettings"]["dirSyncEnabled"] is False
    assert cipp.rows("ListCSPLicenses", tenantFilter=F)[0]["quantity"] > 0
    assert cipp.get("ListCSPLicenses", tenantFilter="contoso.example").status_code == 400


def test_standards(cipp: Any) -> None:
    assert cipp.rows("ListStandards", tenantFilter=F) == []
    rows = cipp.rows("ListStandards", tenantFilter=F, ShowConsolidated="true")
    assert {row["Standard"] for row in rows} == {"AuditLog", "PWnumberMatchingRequiredState"}
    key = rows[0]["TemplateId"]
    assert cipp.results("RemoveStandardTemplate", {"ID": key}).startswith("Removed")
    assert cipp.results("RemoveStandardTemplate", {"ID": key}, status=500).startswith("Failed")


def test_excluded_licences_leave_the_list(cipp: Any) -> None:
    def names() -> set[str]:
        return {row["License"] for row in cipp.rows("ListLicenses", tenantFilter=F)}

    sku = {"GUID": "06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SKUName": "E5"}
    assert cipp.post("ExecExcludeLicenses", sku).status_code == 400
    cipp.results("ExecExcludeLicenses", sku | {"Action": "AddExclusion"})
    assert "Microsoft 365 E5" not in names()
    cipp.results("ExecExcludeLicenses", sku | {"Action": "RemoveExclusion"})
    assert "Microsoft 365 E5" in names()
    assert cipp.post("ExecExcludeLicenses", sku | {"Action": "RemoveExclusion"}).status_code == 500


def test_an_api_client_is_overwritten_and_can_be_locked_out(cipp: Any, box: Box) -> None:
    listed = cipp.rows("ExecApiClient", Action="List")
    other = next(row for row in listed if row["AppName"] == "Reporting")
    assert cipp.post("ExecApiClient", {"Action": "AddUpdate", "ClientId": other["ClientId"]}).json() == ["API client updated"]
    after = next(row for row in cipp.rows("ExecApiClient", Action="List") if row["AppName"] == "Reporting")
    assert (after["Role"], after["Enabled"], after["IPRange"]) == (None, False, ["Any"])
    (secret,) = cipp.post("ExecApiClient", {"Action": "ResetSecret", "ClientId": other["ClientId"]}).json()
    assert secret["copyField"] in box.secrets
    assert (
        cipp.post("ExecApiClient", {"Action": "ResetSecret", "ClientId": {"value": other["ClientId"]}}).json()[0]["state"]
        == "error"
    )
    refused = cipp.post("ExecApiClient", {"Action": "AddUpdate", "AppName": "Boss", "Role": {"value": "superadmin"}}).json()
    assert refused[0]["state"] == "error"
    cipp.post("ExecApiClient", {"Action": "AddUpdate", "ClientId": box.client_id, "Role": {"value": "admin"}})
    assert cipp.get("ListTenants").status_code == 200
    cipp.results("ExecApiClient", {"Action": "SaveToAzure"})
    assert cipp.get("ListTenants").status_code == 401


def test_the_extension_config_is_replaced_as_a_whole(cipp: Any, box: Box) -> None:
    new = {"Hudu": {"Enabled": True, "APIKey": "hudu-key-1"}, "NinjaOne": {"Enabled": True, "Instance": "https://evil.example"}}
    said = cipp.results("ExecExtensionsConfig", new)
    assert said[0].startswith("Error: NinjaOne URL")
    config = cipp.get("ListExtensionsConfig").json()
    assert "HIBP" not in config
    assert (config["Hudu"]["APIKey"], config["NinjaOne"]["Instance"]) == ("SentToKeyVault", "https://evil.example")
    assert "hudu-key-1" in box.secrets
    assert cipp.get("ExecExtensionTest", extensionName="Hudu").json()["Results"].startswith("Successfully")
    assert cipp.get("ExecExtensionTest", extensionName="HIBP").json()["Results"].startswith("Failed to connect")
    assert cipp.results("ExecExtensionSync", Extension="Hudu").startswith("Extension sync")
    assert cipp.post("ExecExtensionSync", Extension="Gradient").content == b""
    assert cipp.rows("ListExtensionSync")[0]["Name"] == "Hudu Extension Sync"


def test_an_empty_mapping_wipes_the_map(cipp: Any) -> None:
    assert cipp.get("ExecExtensionMapping", List="NinjaOne").json()["Mappings"][0]["TenantDomain"] == F
    cipp.results("ExecExtensionMapping", [{"TenantId": FAB, "IntegrationId": "9"}], AddMapping="NinjaOne")
    assert cipp.get("ExecExtensionMapping", List="NinjaOne").json()["Mappings"][0]["IntegrationId"] == "9"
    cipp.results("ExecExtensionMapping", [], AddMapping="NinjaOne")
    assert cipp.get("ExecExtensionMapping", List="NinjaOne").json()["Mappings"] == []


def test_a_backup_repeats_everything_and_brings_it_back(cipp: Any, box: Box) -> None:
    reply = cipp.post("ExecRunBackup").json()
    assert (reply["Results"]["state"], "api_clients" in reply["backup"]) == ("success", True)
    (backup,) = cipp.rows("ExecListBackup", Type="CIPP", NameOnly="true")
    (template, *_) = cipp.rows("listStandardTemplates")
    cipp.results("RemoveStandardTemplate", {"ID": template["GUID"]})
    assert cipp.results("ExecRestoreBackup", {"BackupName": "CippBackup_none"}) == "Backup not found."
    cipp.results("ExecRestoreBackup", {"BackupName": backup["BackupName"], "SelectedTypes": ["standards_templates"]})
    assert template["GUID"] in [row["GUID"] for row in cipp.rows("listStandardTemplates")]
    assert cipp.results("ExecRestoreBackup", {"BackupName": "other"}).startswith("Successfully restored 1 rows")
    assert verbs(box) == ["create", "delete", "restore", "import_rows"]


def test_automatic_backups(cipp: Any, box: Box) -> None:
    assert cipp.post("ExecSetCIPPAutoBackup").content == b""
    cipp.results("ExecSetCIPPAutoBackup", {"Enabled": True})
    box.world.advance(2 * 86400)
    cipp.sign_in()
    assert len(cipp.rows("ExecListBackup", NameOnly="true")) >= 1
    assert cipp.results("ExecSetCIPPAutoBackup", {"Enabled": False}).endswith("removed")
    assert cipp.results("ExecSetCIPPAutoBackup", {"Enabled": False}).startswith("No existing")


def test_the_password_config_is_written_as_a_whole(cipp: Any) -> None:
    order = {
        "passwordType": "Classic",
        "charCount": 20,
        "includeUppercase": True,
        "includeLowercase": True,
        "includeDigits": True,
    }
    assert cipp.results("ExecPasswordConfig", order) == "Successfully set the configuration"
    stored = cipp.get("ExecPasswordConfig", List="true").json()["Results"]
    assert (stored["charCount"], stored["includeSpecialChars"], stored["specialCharSet"]) == (20, False, "")
    for wrong in ({"charCount": 3}, {"includeDigits": False}, {"passwordType": "x"}, {"separator": "longer"}):
        assert cipp.results("ExecPasswordConfig", order | wrong, status=400).startswith("Failed")
    assert [row["RoleName"] for row in cipp.rows("ListCustomRole")][-1] == "First line"


def test_a_parameter_that_is_false_does_not_get_into_the_task(cipp: Any) -> None:
    task = {"TenantFilter": {"value": F}, "Name": "Share", "Command": {"value": "Set-CIPPMailboxPermission"}, "RowKey": "op-1"}
    cipp.results("AddScheduledItem", task | {"Parameters": {"UserId": "ana@fabrikam.example", "AutoMap": False, "Days": 0}})
    (row,) = cipp.rows("ListScheduledItems", Id="op-1")
    assert row["Parameters"] == {"UserId": "ana@fabrikam.example"}


def test_a_scheduled_command_really_runs(cipp: Any, box: Box) -> None:
    order = {"tenantFilter": {"value": F}, "Name": "Block Ana", "Command": {"value": "Set-CIPPSignInState"}, "RowKey": "op-1",
             "Parameters": {"UserID": ANA, "AccountEnabled": False}, "Recurrence": {"value": "0"}}  # fmt: skip
    assert cipp.results("AddScheduledItem", order).startswith("Successfully added task")
    assert cipp.results("AddScheduledItem", order, DisallowDuplicateName="true").endswith("already exists")
    assert cipp.results("AddScheduledItem", {"RowKey": "op-1", "RunNow": True}).endswith("scheduled to run now")
    box.world.run_due()
    assert cipp.rows("ListUsers", tenantFilter=F, UserID=ANA)[0]["accountEnabled"] is False
    details = cipp.get("ListScheduledItemDetails", RowKey="op-1").json()
    assert (details["Task"]["TaskState"], details["Details"][0]["Tenant"]) == ("Completed", F)
    for command in ("Get-Tenants", "Remove-Everything"):
        assert cipp.results("AddScheduledItem", order | {"Command": command}).startswith("Error - The command")
    assert cipp.rows("ListFunctionParameters", Function="Set-CIPPSignInState")[0]["Parameters"][0]["Name"] == "UserID"


def test_search_and_breaches(cipp: Any, box: Box) -> None:
    rows = cipp.rows("ExecUniversalSearchV2", searchTerms="ana ruiz", limit="20")
    assert {row["Tenant"] for row in rows} == {F, "contoso.example", "fabrlkam.example"}
    assert cipp.rows("ExecUniversalSearchV2", searchTerms="E5", type="Licenses")[0]["Data"]["tenantCount"] == 3
    assert cipp.get("ExecUniversalSearchV2").status_code == 500
    assert cipp.rows("ListBreachesAccount", account=ANA)[0]["Name"] == "ExampleForum"
    assert cipp.rows("ListBreachesTenant", tenantFilter=F) == []
    cipp.results("ExecBreachSearch", {"tenantFilter": F})
    (found,) = cipp.rows("ListBreachesTenant", tenantFilter=F)
    assert (found["email"], found["password"] in box.secrets) == (ANA, True)
    assert verbs(box) == ["search"]


def test_audit_logs(cipp: Any) -> None:
    reply = cipp.get("ListAuditLogs", tenantFilter="AllTenants").json()
    assert reply["Metadata"]["Count"] == 2
    assert len(cipp.rows("ListAuditLogs", tenantFilter=F, RelativeTime="7d")) == 1
    assert cipp.rows("ListAuditLogs", tenantFilter=FAB) == []
    assert cipp.get("ListAuditLogs", tenantFilter=F, RelativeTime="a week").status_code == 500


def graph(cipp: Any, path: str, **more: str) -> dict[str, Any]:
    reply = cipp.get("ListGraphRequest", TenantFilter=more.pop("tenant", F), Endpoint=path, **more)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_graph_pages_by_next_link(cipp: Any) -> None:
    options = {"manualPagination": "true", "$top": "8", "$select": "id,userPrincipalName"}
    page = graph(cipp, "users", **options)
    seen = [row["userPrincipalName"] for row in page["Results"]]
    assert set(page["Results"][0]) == {"id", "userPrincipalName", "Tenant", "CippStatus"}
    while link := page["Metadata"].get("nextLink"):
        page = graph(cipp, "users", nextLink=link, **options)
        seen += [row["userPrincipalName"] for row in page["Results"]]
    assert len(seen) == len(set(seen)) == 20
    wrong = cipp.get(
        "ListGraphRequest", TenantFilter=F, Endpoint="users", manualPagination="true", nextLink="https://evil.example/x"
    )
    assert (wrong.status_code, wrong.text.startswith("Graph Error: Invalid nextLink")) == (400, True)


def test_graph_filters_sorts_counts_and_lists_properties(cipp: Any) -> None:
    rows = graph(cipp, "users", **{"$filter": "startswith(displayName,'Ana')", "$orderby": "userPrincipalName desc"})["Results"]
    assert [row["userPrincipalName"] for row in rows] == [ANA, "ana.ruiz2@fabrikam.example"]
    assert graph(cipp, "users", CountOnly="true")["Results"] == [20]
    assert "userPrincipalName" in graph(cipp, "users", ListProperties="true")["Results"]
    bad = cipp.get("ListGraphRequest", TenantFilter=F, Endpoint="users", **{"$filter": "nonsense"})
    assert (bad.status_code, bad.text.endswith("- Endpoint: users")) == (400, True)
    assert cipp.get("ListGraphRequest", TenantFilter=F, Endpoint="nonsense", IgnoreErrors="1").status_code == 200
    assert graph(cipp, "users", tenant="woodgrove.example")["Results"] == []


def test_graph_over_all_tenants_is_queued_and_tagged(cipp: Any, box: Box) -> None:
    first = graph(cipp, "users", tenant="AllTenants")
    assert (first["Results"], first["Metadata"]["Queued"]) == ([], True)
    assert graph(cipp, "users", tenant="AllTenants")["Metadata"]["QueueMessage"].startswith("Data still processing")
    box.world.advance(10)
    rows = graph(cipp, "users", tenant="AllTenants")["Results"]
    assert {row["CippStatus"] for row in rows} == {"Good"}
    assert len({row["Tenant"] for row in rows}) == len(box.world.known())


@pytest.mark.parametrize(
    "path", ["directory/deviceLocalCredentials/{device}", "informationProtection/bitlocker/recoveryKeys/{key}"]
)
def test_graph_hands_out_secrets_under_a_read_role(cipp: Any, box: Box, path: str) -> None:
    device = box.world.tenant(F).rows("managed_devices")[0]
    path = path.format(device=device["azureADDeviceId"], key=device["_bitlocker"][0]["id"])
    shown = repr(graph(cipp, path))
    assert any(secret in shown for secret in box.secrets)
    assert verbs(box) == ["reveal"]
