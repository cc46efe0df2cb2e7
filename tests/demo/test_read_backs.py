"""What a client reads after a write: Graph's view of methods, risk and objects, and the lists that show assignments."""

from __future__ import annotations

from typing import Any

import pytest

from cipp_mcp.demo.world import copied

F = "fabrikam.example"
PASSWORD = "28c10230-6103-485e-b985-444c60001490"
VPN = "VPN Users"


def graph(cipp: Any, path: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cipp.rows("ListGraphRequest", TenantFilter=F, Endpoint=path, **query)
    return found


def key(box: Any, table: str, name: str) -> str:
    rows = box.world.tenant(F).rows(table)
    return str(next(row["id"] for row in rows if name in (row.get("displayName"), row.get("userPrincipalName"))))


def test_a_pass_is_listed_without_its_code_and_runs_out(cipp: Any, box: Any) -> None:
    ana = key(box, "users", "ana@fabrikam.example")
    cipp.results("ExecCreateTAP", {"tenantFilter": F, "ID": ana, "lifetimeInMinutes": 60, "isUsableOnce": True})
    (held,) = graph(cipp, f"users/{ana}/authentication/temporaryAccessPassMethods")
    assert (held["isUsable"], held["isUsableOnce"], held["lifetimeInMinutes"]) == (True, True, 60)
    assert held["temporaryAccessPass"] is None
    assert held["id"] in [row["id"] for row in graph(cipp, f"users/{ana}/authentication/methods")]
    box.world.advance(61 * 60)
    cipp.sign_in()
    (held,) = graph(cipp, f"users/{ana}/authentication/temporaryAccessPassMethods")
    assert (held["isUsable"], held["methodUsabilityReason"]) == (False, "Expired")


def test_methods_go_one_by_one_or_together_and_the_password_stays(cipp: Any, box: Any) -> None:
    ana = key(box, "users", "ana@fabrikam.example")
    methods = {row["@odata.type"].rpartition(".")[2]: row["id"] for row in graph(cipp, f"users/{ana}/authentication/methods")}
    assert methods["passwordAuthenticationMethod"] == PASSWORD
    phone = methods["phoneAuthenticationMethod"]
    cipp.results("ExecResetMFA", {"tenantFilter": F, "ID": ana, "MethodId": phone})
    assert phone not in [row["id"] for row in graph(cipp, f"users/{ana}/authentication/methods")]
    assert "No removable" in cipp.results("ExecResetMFA", {"tenantFilter": F, "ID": ana, "MethodId": phone})
    cipp.results("ExecResetMFA", {"tenantFilter": F, "ID": ana})
    assert [row["id"] for row in graph(cipp, f"users/{ana}/authentication/methods")] == [PASSWORD]
    assert [row["id"] for row in graph(cipp, f"users/breakglass@{F}/authentication/methods")] == [PASSWORD]


def test_only_who_was_at_risk_is_among_the_risky(cipp: Any, box: Any) -> None:
    ana = key(box, "users", "ana@fabrikam.example")
    reply = cipp.get("ListGraphRequest", TenantFilter=F, Endpoint=f"identityProtection/riskyUsers/{ana}")
    assert (reply.status_code, "does not exist" in reply.text) == (400, True)


@pytest.mark.parametrize(
    ("table", "name", "kind"),
    [("users", "ana@fabrikam.example", "user"), ("groups", "Sales", "group"), ("entra_devices", "FAB-LT-01", "device")],
)
def test_an_object_is_found_by_its_id_alone(cipp: Any, box: Any, table: str, name: str, kind: str) -> None:
    (row,) = graph(cipp, f"directoryObjects/{key(box, table, name)}")
    assert row["@odata.type"] == f"#microsoft.graph.{kind}"


def test_a_deleted_object_is_not_found_by_its_id(cipp: Any, box: Any) -> None:
    omar = key(box, "deleted", "omar@fabrikam.example")
    assert cipp.get("ListGraphRequest", TenantFilter=F, Endpoint=f"directoryObjects/{omar}").status_code == 400
    cipp.results("ExecRestoreDeleted", {"tenantFilter": F, "ID": omar})
    assert len(graph(cipp, f"directoryObjects/{omar}")) == 1


def test_a_guest_is_found_only_when_the_hash_is_escaped(cipp: Any) -> None:
    upn = "noah_supplier.example#EXT#@fabrikamdemo.onmicrosoft.com"
    escaped = upn.replace("#", "%23")
    (row,) = cipp.rows("ListUsers", tenantFilter=F, graphFilter=f"userPrincipalName eq '{escaped}'")
    assert row["userPrincipalName"] == upn
    assert cipp.get("ListUsers", tenantFilter=F, graphFilter=f"userPrincipalName eq '{upn}'").status_code == 500
    assert cipp.get("ListUsers", tenantFilter=F, UserID=upn).status_code == 500
    assert cipp.rows("ListUsers", tenantFilter=F, UserID=escaped)[0]["userPrincipalName"] == upn


def test_one_user_comes_without_what_the_list_of_properties_lacks(cipp: Any) -> None:
    (one,) = cipp.rows("ListUsers", tenantFilter=F, UserID="ana@fabrikam.example")
    assert "signInSessionsValidFromDateTime" not in one
    assert "signInSessionsValidFromDateTime" in graph(cipp, "users/ana@fabrikam.example")[0]


def test_a_device_joins_a_group_by_its_object_id(cipp: Any, box: Any) -> None:
    group, device = key(box, "groups", VPN), key(box, "entra_devices", "FAB-LT-01")
    device_id = box.world.tenant(F).one("entra_devices", device)["deviceId"]
    said = cipp.results("EditGroup", {"tenantFilter": F, "groupId": group, "AddDevice": [{"value": device_id, "label": "x"}]})
    assert said[0].startswith("Error")
    cipp.results("EditGroup", {"tenantFilter": F, "groupId": group, "AddDevice": [{"value": device, "label": "FAB-LT-01"}]})
    members = cipp.get("ListGroups", tenantFilter=F, groupID=group, members="true").json()["members"]
    assert device in [row["id"] for row in members]
    assert device in [row["id"] for row in graph(cipp, f"groups/{group}/members")]
    assert [effect.verb for effect in box.world.ledger] == ["add_member"]


def test_the_policy_list_shows_assignments_where_graph_has_them(cipp: Any, box: Any) -> None:
    rows = {row["displayName"]: row for row in cipp.rows("ListIntunePolicy", tenantFilter=F)}
    assert rows["Windows baseline"]["assignments"][0]["target"]["@odata.type"].endswith("allDevicesAssignmentTarget")
    assert "assignments" not in rows["Outlook protection"]
    assert rows["Outlook protection"]["PolicyAssignment"] == ""
    (own,) = cipp.rows("ListAppProtectionPolicies", tenantFilter=F)
    assert (own["URLName"], own["PolicyAssignment"]) == ("iosManagedAppProtection", "All Licensed Users")
    assert own["assignments"]


def test_an_app_policy_is_assigned_on_its_own_side_of_graph(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": F, "ID": key(box, "intune_policies", "Outlook protection"), "Type": "iosManagedAppProtection",
             "GroupIds": [key(box, "groups", VPN)]}  # fmt: skip
    assert "Resource not found" in cipp.results("ExecAssignPolicy", order | {"platformType": "deviceManagement"}, status=500)
    cipp.results("ExecAssignPolicy", order | {"platformType": "deviceAppManagement"})
    (own,) = cipp.rows("ListAppProtectionPolicies", tenantFilter=F)
    assert VPN in own["PolicyAssignment"]


def test_two_changes_within_a_second_have_two_stamps(cipp: Any) -> None:
    order = {"tenantFilter": F, "TemplateType": "deviceCompliancePolicies", "displayName": "Macs"}
    stamps = set()
    for text in ("{}", '{"a": 1}'):
        cipp.results("AddPolicy", order | {"RAWJson": text})
        rows = cipp.rows("ListIntunePolicy", tenantFilter=F)
        stamps |= {row["lastModifiedDateTime"] for row in rows if row["displayName"] == "Macs"}
    assert len(stamps) == 2


def test_the_list_of_excluded_licences_fills_itself_and_is_reset_whole(cipp: Any, box: Any) -> None:
    first = cipp.rows("ListExcludedLicenses")
    assert {row["ExclusionType"] for row in first} == {"Excluded Everywhere"}
    cipp.results("ExecExcludeLicenses", {"Action": "AlertOnly", "GUID": "x", "SKUName": "X"})
    assert [row["GUID"] for row in cipp.rows("ListExcludedLicenses") if not row["ExcludedEverywhere"]] == ["x"]
    cipp.results("ExecExcludeLicenses", {"Action": "RestoreDefaults"})
    assert len(cipp.rows("ListExcludedLicenses")) == len(first) + 1
    cipp.results("ExecExcludeLicenses", {"Action": "RestoreDefaults", "FullReset": True})
    assert cipp.rows("ListExcludedLicenses") == first
    assert [effect.verb for effect in box.world.ledger] == ["exclude", "restore_defaults"]


def test_only_what_a_template_remediates_is_remediated(cipp: Any, box: Any) -> None:
    cipp.results("ExecStandardsRun", {}, tenantFilter=F)
    assert [effect.target_name for effect in box.world.ledger if effect.tenant == F] == ["AuditLog"]


def test_going_back_forgets_what_was_still_to_happen(cipp: Any, box: Any) -> None:
    first = copied(box.world.state)
    cipp.results("ExecTeamsVoicePhoneNumberAssignment",
                 {"TenantFilter": F, "PhoneNumber": "+34910000002", "input": {"value": "ana@fabrikam.example"}})  # fmt: skip
    box.world.go_back(first)
    box.world.advance(60)
    assert box.world.ledger == ()
