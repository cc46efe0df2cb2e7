"""Devices, apps, policies, scripts and Autopilot over the wire."""

from __future__ import annotations

from typing import Any

import pytest

F = "fabrikam.example"
REF = [{"customerId": "11111111-aaaa-4aaa-8aaa-000000000001", "defaultDomainName": F, "value": F, "label": "Fabrikam"}]
EVERYWHERE = [{"customerId": "AllTenants", "defaultDomainName": "AllTenants", "value": "AllTenants", "label": "AllTenants"}]


def device(cipp: Any, name: str = "FAB-LT-01", tenant: str = F) -> dict[str, Any]:
    return next(row for row in cipp.rows("ListDevices", tenantFilter=tenant) if row["deviceName"] == name)


def verbs(box: Any) -> list[str]:
    return [effect.verb for effect in box.world.ledger]


def act(cipp: Any, action: str, status: int = 200, **more: Any) -> Any:
    return cipp.results(
        "ExecDeviceAction", {"tenantFilter": F, "GUID": device(cipp)["id"], "Action": action} | more, status=status
    )


def test_device_actions_are_queued_and_unknown_ones_refused(cipp: Any, box: Any) -> None:
    assert act(cipp, "wipe", keepUserData=True).startswith("Queued wipe")
    assert device(cipp)["managementState"] == "wipePending"
    assert box.world.ledger[-1].detail == "keepUserData"
    assert act(cipp, "setDeviceName", input="PC-%SERIAL%") == f"Queued setDeviceName on {device(cipp)['id']}"
    assert device(cipp)["managedDeviceName"].startswith("PC-SN")
    assert act(cipp, "explode", status=500).startswith("Failed")
    ben = box.world.tenant(F).user("ben@fabrikam.example")["id"]
    assert act(cipp, "users", user={"value": ben}).startswith("Changed primary user")
    assert device(cipp)["userPrincipalName"] == "ben@fabrikam.example"


def test_deleting_a_device_says_nothing_at_all(cipp: Any, box: Any) -> None:
    key = device(cipp)["id"]
    assert act(cipp, "delete") == ""
    assert key not in [row["id"] for row in cipp.rows("ListDevices", tenantFilter=F)]
    assert verbs(box) == ["delete"]


def test_the_two_ids_of_a_device_are_not_interchangeable(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": F, "GUID": device(cipp)["azureADDeviceId"], "Action": "wipe"}
    assert cipp.results("ExecDeviceAction", order, status=500).startswith("Failed")
    assert "No BitLocker" in cipp.results("ExecGetRecoveryKey", {"tenantFilter": F, "GUID": device(cipp)["id"]})
    assert box.world.ledger == ()


def test_recovery_keys_are_one_a_list_or_a_sentence(cipp: Any, box: Any) -> None:
    def keys(name: str, **more: Any) -> Any:
        found = device(cipp, name)
        guid = found["id"] if more else found["azureADDeviceId"]
        return cipp.results("ExecGetRecoveryKey", {"tenantFilter": F, "GUID": guid} | more)

    assert len(keys("FAB-LT-01")) == 2
    assert keys("FAB-LT-02")["copyField"] in box.secrets
    assert keys("FAB-LT-03").startswith("No BitLocker")
    assert keys("FAB-MAC-01", RecoveryKeyType="FileVault")["state"] == "success"
    assert verbs(box) == ["reveal", "reveal", "reveal"]
    order = {"tenantFilter": F, "GUID": "x", "RecoveryKeyType": "Other"}
    assert cipp.results("ExecGetRecoveryKey", order, status=500).startswith("Invalid")


def test_laps_reads_the_body_only_never_fails_and_ignores_exclusion(cipp: Any, box: Any) -> None:
    guid = device(cipp)["azureADDeviceId"]
    assert cipp.results("ExecGetLocalAdminPassword", {"TenantFilter": F, "guid": guid})["copyField"] in box.secrets
    assert cipp.results("ExecGetLocalAdminPassword", {"TenantFilter": F, "guid": "x"}).startswith("Could not")
    excluded = box.world.tenant("woodgrove.example").rows("managed_devices")[0]["azureADDeviceId"]
    assert (
        cipp.results("ExecGetLocalAdminPassword", {"TenantFilter": "woodgrove.example", "guid": excluded})["state"] == "success"
    )
    reply = cipp.post("ExecGetLocalAdminPassword", {}, TenantFilter=F, guid=guid)
    assert reply.json()["Results"].startswith("Could not")


def test_an_entra_device_goes_by_its_object_id(cipp: Any, box: Any) -> None:
    found = cipp.rows("ListUserDevices", tenantFilter=F, UserID="gil@fabrikam.example")[0]
    cipp.results("ExecDeviceDelete", {"tenantFilter": F, "ID": found["ID"], "action": "Disable"})
    assert cipp.rows("ListUserDevices", tenantFilter=F, UserID="gil@fabrikam.example")[0]["accountEnabled"] is False
    cipp.results("ExecDeviceDelete", {"tenantFilter": F, "ID": found["ID"], "action": "Delete"})
    assert cipp.rows("ListUserDevices", tenantFilter=F, UserID="gil@fabrikam.example") == []
    cipp.results("ExecDeviceDelete", {"tenantFilter": F, "ID": device(cipp)["azureADDeviceId"], "action": "Delete"}, status=400)
    assert verbs(box) == ["disable", "delete"]


def test_an_app_is_queued_and_deployed_half_a_day_later(cipp: Any, box: Any) -> None:
    order = {"selectedTenants": REF, "PackageName": "9NBLGGH4NNS1", "ApplicationName": "Notes", "AssignTo": "AllUsers"}
    assert cipp.results("AddStoreApp", order) == f"Successfully added Store App for {F} to queue."
    (queued,) = cipp.rows("ListApplicationQueue")
    assert (queued["tenantName"], queued["status"]) == (F, "Not Deployed yet")
    box.world.advance(12 * 3600 + 60)
    cipp.sign_in()
    app = next(row for row in cipp.rows("ListApps", tenantFilter=F) if row["displayName"] == "Notes")
    assert app["AppAssignment"] == "All Licensed Users (required)"


def test_any_intent_means_uninstall_and_an_app_of_the_name_is_skipped(cipp: Any, box: Any) -> None:
    order = {"selectedTenants": REF, "PackageName": "notes", "ApplicationName": "Notes", "AssignTo": "AllUsers",
             "InstallationIntent": "Required"}  # fmt: skip
    cipp.results("AddChocoApp", order)
    cipp.results("AddChocoApp", order | {"ApplicationName": "7-Zip"})
    cipp.post("ExecAppUpload")
    box.world.run_due()
    app = next(row for row in cipp.rows("ListApps", tenantFilter=F) if row["displayName"] == "Notes")
    assert app["AppAssignment"] == "All Licensed Users (uninstall)"
    assert [row["displayName"] for row in cipp.rows("ListApps", tenantFilter=F)].count("7-Zip") == 1
    assert cipp.rows("ListApplicationQueue") == []  # taken out before it is tried, however it ends


def test_an_app_whose_group_is_not_found_is_made_and_is_for_nobody(cipp: Any, box: Any) -> None:
    order = {"PackageName": "notes", "ApplicationName": "Notes", "AssignTo": "customGroup", "CustomGroup": "No such group"}
    cipp.results("AddChocoApp", order | {"selectedTenants": EVERYWHERE})
    cipp.post("ExecAppUpload")
    box.world.run_due()
    for tenant in (F, "contoso.example"):
        app = next(row for row in cipp.rows("ListApps", tenantFilter=tenant) if row["displayName"] == "Notes")
        assert app["AppAssignment"] == ""
    assert [row["status"] for row in cipp.rows("ListApplicationQueue")] == ["Deployed"]  # for tenants that come later
    assert cipp.post("AddChocoApp", order | {"PackageName": "no spaces"}).status_code == 400


def test_msp_apps_know_their_names_and_a_queued_one_can_be_taken_back(cipp: Any, box: Any) -> None:
    order = {"selectedTenants": REF, "RMMName": {"value": "datto"}, "DisplayName": "Datto", "params": {"key": "secret"}}
    cipp.results("AddMSPApp", order)
    assert cipp.post("AddMSPApp", order | {"RMMName": {"value": "other"}}).status_code == 400
    assert cipp.post("AddMSPApp", order | {"RMMName": {"value": "ninja"}}).status_code == 500
    (queued,) = cipp.rows("ListApplicationQueue")
    assert "secret" in queued["cmdLine"]
    cipp.results("RemoveQueuedApp", {"ID": queued["id"]})
    assert cipp.results("RemoveQueuedApp", {"ID": queued["id"]}, status=403).startswith("Failed")
    assert verbs(box) == ["queue", "delete"]


def test_office_goes_out_inline_and_only_once(cipp: Any, box: Any) -> None:
    contoso = {
        "defaultDomainName": "contoso.example",
        "value": "contoso.example",
        "customerId": "22222222-bbbb-4bbb-8bbb-000000000002",
    }
    said = cipp.results("AddOfficeApp", {"selectedTenants": [*REF, contoso], "updateChannel": "current"})
    assert [line.split()[0] for line in said] == ["Office", "Successfully"]
    assert [effect.tenant for effect in box.world.ledger] == ["contoso.example"]


def test_assigning_appends_replaces_and_excludes(cipp: Any) -> None:
    def app() -> dict[str, Any]:
        return next(row for row in cipp.rows("ListApps", tenantFilter=F) if row["displayName"] == "Company Portal")

    groups = {row["displayName"]: row["id"] for row in cipp.rows("ListGroups", tenantFilter=F)}
    order = {"tenantFilter": F, "ID": app()["id"]}
    cipp.results("ExecAssignApp", order | {"AssignTo": "AllDevices", "Intent": "Available"})
    assert app()["AppAssignment"] == "VPN Users (required), All Devices (Available)"
    cipp.results("ExecAssignApp", order | {"ExcludeGroupIds": [groups["Sales"]], "assignmentMode": "replace"})
    assert (app()["AppAssignment"].count("("), app()["AppExclude"]) == (2, "Sales (Required)")
    cipp.results("ExecAssignApp", order | {"GroupNames": ["Finance*"], "assignmentMode": "replace"})
    assert (app()["AppAssignment"], app()["AppExclude"]) == ("Finance Approvers (Required)", "")
    assert cipp.post("ExecAssignApp", order).status_code == 500
    assert cipp.post("ExecAssignApp", order | {"AssignTo": "AllUsers", "assignmentMode": "sideways"}).status_code == 500
    cipp.results("RemoveApp", order)
    assert cipp.post("RemoveApp", {"tenantFilter": F}).status_code == 204


def test_a_policy_lives_under_its_family(cipp: Any, box: Any) -> None:
    policy = next(row for row in cipp.rows("ListIntunePolicy", tenantFilter=F) if row["displayName"] == "Windows baseline")
    assert (policy["URLName"], policy["PolicyAssignment"]) == ("ConfigurationPolicies", "All Devices")
    order = {"tenantFilter": F, "ID": policy["id"]}
    assert cipp.results("RemovePolicy", order | {"URLName": "Intents"}, status=403).startswith("Could not")
    said = cipp.results("ExecAssignPolicy", order | {"Type": "ConfigurationPolicies", "GroupNames": ["Sales"]})
    assert said.startswith("No assignments specified")
    cipp.results(
        "ExecAssignPolicy", order | {"Type": "ConfigurationPolicies", "AssignTo": "allLicensedUsers", "assignmentMode": "replace"}
    )
    (one,) = cipp.rows("ListIntunePolicy", tenantFilter=F, ID=policy["id"], URLName="ConfigurationPolicies")
    assert [each["target"]["@odata.type"] for each in one["assignments"]] == ["#microsoft.graph.allLicensedUsersAssignmentTarget"]
    cipp.results("RemovePolicy", order | {"URLName": "ConfigurationPolicies"})
    assert cipp.post("RemovePolicy", {"tenantFilter": F, "URLName": "Intents"}).status_code == 204
    assert verbs(box) == ["assign", "delete"]


def test_a_new_policy_a_template_of_its_name_and_replacements(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": [F, "contoso.example"], "displayName": "Print settings", "TemplateType": "Admin",
             "RAWJson": '{"server": "%SERVER%"}', "replacemap": {F: {"%SERVER%": "fab-print"}}}  # fmt: skip
    assert len(cipp.results("AddPolicy", order)) == 2
    made = box.world.tenant("contoso.example").rows("intune_policies")
    contoso = next(row for row in made if row["displayName"] == "Print settings")
    assert contoso["_raw"] == '{"server": "fab-print"}'  # the replacement for one tenant went on to the next
    cipp.results("AddPolicy", order | {"displayName": "Edge settings"})
    edge = next(row for row in box.world.tenant(F).rows("intune_policies") if row["displayName"] == "Edge settings")
    assert "Edge settings" in edge["_raw"]
    assert cipp.results("AddPolicy", order | {"RAWJson": "{"})[0].startswith("Failed")


def test_an_app_protection_policy_stays_where_it_cannot_be_assigned_and_takes_users_as_a_group(cipp: Any) -> None:
    order = {"tenantFilter": [F], "displayName": "Apps", "TemplateType": "AppProtection", "RAWJson": "{}"}
    assert cipp.results("AddPolicy", order | {"AssignTo": "AllDevices"})[0].startswith("Failed to add or set policy")
    assert cipp.results("AddPolicy", order | {"AssignTo": "AllDevicesAndUsers"})[0].startswith("Successfully edited")
    made = next(row for row in cipp.rows("ListAppProtectionPolicies", tenantFilter=F) if row["displayName"] == "Apps")
    assert [each["target"]["@odata.type"] for each in made["assignments"]] == ["#microsoft.graph.groupAssignmentTarget"]


def test_scripts_and_templates(cipp: Any) -> None:
    script = next(row for row in cipp.rows("ListIntuneScript", tenantFilter=F) if row["scriptType"] == "Windows")
    order = {"TenantFilter": F, "ID": script["id"], "DisplayName": script["displayName"]}
    assert cipp.results("RemoveIntuneScript", order | {"ScriptType": "Linux"}, status=403).startswith("Failed")
    assert cipp.results("RemoveIntuneScript", order | {"ScriptType": "Windows"}).startswith("Deleted")
    templates = cipp.get("ListIntuneTemplates")
    assert templates.headers["content-type"].startswith("text/plain")
    assert [row["Displayname"] for row in templates.json()] == ["Edge settings", "Windows baseline"]
    assert "usage" in cipp.rows("ListIntuneTemplates", View="false")[0]
    assert cipp.rows("ListIntuneTemplates", mode="Tag")[0]["value"] == "Starter"


def test_autopilot(cipp: Any, box: Any) -> None:
    first, second = cipp.rows("ListAPDevices", tenantFilter=F)
    order = {"tenantFilter": F, "device": second["id"], "serialNumber": second["serialNumber"]}
    added = {"userPrincipalName": "ben@fabrikam.example", "addressableUserName": "Ben"}
    cipp.results("ExecAssignAPDevice", order | {"user": {"addedFields": added}})
    assert cipp.rows("ListAPDevices", tenantFilter=F)[1]["userPrincipalName"] == "ben@fabrikam.example"
    cipp.results("ExecAssignAPDevice", order | {"user": "ben@fabrikam.example"})
    assert cipp.rows("ListAPDevices", tenantFilter=F)[1]["userPrincipalName"] == ""
    cipp.results("RemoveAPDevice", {"tenantFilter": F, "ID": first["id"]})
    # Only the sync after the delete fails, and yet it is a 500 in plain text.
    reply = cipp.post("RemoveAPDevice", {"tenantFilter": F, "ID": second["id"]})
    assert (reply.status_code, reply.headers["content-type"].startswith("text/plain")) == (500, True)
    assert cipp.rows("ListAPDevices", tenantFilter=F) == []
    assert cipp.results("ExecSyncAPDevices", {"tenantFilter": F}, status=403).startswith("Failed")
    box.world.advance(700)
    assert cipp.results("ExecSyncAPDevices", {"tenantFilter": F}).startswith("Successfully")
    assert cipp.rows("ListAutopilotconfig", tenantFilter=F, type="ESP")[0]["displayName"].startswith("All users")
    assert cipp.rows("ListAutopilotconfig", tenantFilter=F, type="Other") == [None]


@pytest.mark.parametrize("endpoint", ["ListDevices", "ListAPDevices", "ListDefenderTVM"])
def test_lists_of_one_tenant_are_empty_for_all_tenants(cipp: Any, endpoint: str) -> None:
    assert cipp.rows(endpoint, tenantFilter="AllTenants") == []


def test_defender(cipp: Any, box: Any) -> None:
    assert cipp.rows("ListDefenderState", tenantFilter=F, DeviceID="x") == ["Resource 'x' does not exist."]
    overdue = [row["deviceName"] for row in cipp.rows("ListDefenderState", tenantFilter=F)
               if row["windowsProtectionState"]["signatureUpdateOverdue"]]  # fmt: skip
    assert overdue == ["FAB-LT-02"]
    assert cipp.rows("ListDefenderTVM", tenantFilter=F)[0]["affectedDevicesCount"] == 2
    order = {"selectedTenants": REF, "ASR": {"AssignTo": "none"}, "Compliance": {"Supported": True}}
    cipp.results("AddDefenderDeployment", order)
    assert "Skipping" in cipp.results("AddDefenderDeployment", order)[1]
    assert verbs(box) == ["update", "create", "update"]
