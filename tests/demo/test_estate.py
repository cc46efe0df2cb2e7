"""Tenants, licences, roles, policies and standards over the wire."""

from __future__ import annotations

from typing import Any

F = "fabrikam.example"
BUSINESS_BASIC = "3b555118-da6a-4418-894f-7df1e2096870"


def held(box: Any, upn: str, tenant: str = F) -> list[str]:
    return [each["skuId"] for each in box.world.tenant(tenant).user(upn)["assignedLicenses"]]


def order(box: Any, *upns: str, tenant: str = F, operation: str = "Add") -> dict[str, Any]:
    ids = [box.world.tenant(tenant).user(upn)["id"] for upn in upns]
    chosen = [{"label": "Basic", "value": BUSINESS_BASIC}]
    return {"tenantFilter": tenant, "userIds": ids, "LicenseOperation": operation, "Licenses": chosen, "LicensesToRemove": chosen}


def test_the_tenant_list_leaves_out_the_excluded_one(cipp: Any) -> None:
    domains = {row["defaultDomainName"] for row in cipp.rows("ListTenants")}
    assert {F, "contoso.example", "fabrlkam.example", "tailspindemo.onmicrosoft.com"} <= domains
    assert "woodgrove.example" not in domains


def test_an_excluded_tenant_still_shows_under_its_initial_domain(cipp: Any) -> None:
    (row,) = cipp.rows("ListTenants", tenantFilter="woodgrovedemo.onmicrosoft.com")
    assert row["Excluded"] is True


def test_the_selector_puts_all_tenants_first_and_links_on_request(cipp: Any) -> None:
    rows = cipp.rows("ListTenants", AllTenantSelector="true", Mode="TenantList")
    assert rows[0]["customerId"] == "AllTenants"
    assert rows[1]["portal_entra"].startswith("https://entra.microsoft.com/")


def test_clearing_the_cache_is_an_effect_although_the_role_is_read(cipp: Any, box: Any) -> None:
    reply = cipp.post("ListTenants", {"ClearCache": True})
    assert "queued" in reply.json()["Results"][0]["Results"]
    assert [effect.verb for effect in box.world.ledger] == ["clear_cache"]
    assert cipp.rows("ListCippQueue")[0]["Status"] == "Running"
    cipp.rows("ListTenants", TriggerRefresh="false")
    assert [effect.verb for effect in box.world.ledger] == ["clear_cache", "refresh"]


def test_licence_counts_follow_assignments(cipp: Any, box: Any) -> None:
    def free() -> int:
        rows = cipp.rows("ListLicenses", tenantFilter=F)
        return next(int(row["availableUnits"]) for row in rows if row["skuId"] == BUSINESS_BASIC)

    before = free()
    (said,) = cipp.results("ExecBulkLicense", [order(box, "ivo@fabrikam.example")])
    assert said.startswith("Successfully")
    assert free() == before - 1
    # Ivo had no usage location: CIPP sets its default and repeats.
    assert [effect.verb for effect in box.world.ledger] == ["update", "assign_license"]


def test_only_the_first_user_of_an_order_counts(cipp: Any, box: Any) -> None:
    cipp.results("ExecBulkLicense", [order(box, "ana@fabrikam.example", "ben@fabrikam.example")])
    assert BUSINESS_BASIC in held(box, "ana@fabrikam.example")
    assert BUSINESS_BASIC not in held(box, "ben@fabrikam.example")


def test_an_unknown_operation_repeats_the_licences_of_the_order_before(cipp: Any, box: Any) -> None:
    cipp.results("ExecBulkLicense", [order(box, "ana@fabrikam.example"), order(box, "ben@fabrikam.example", operation="Assign")])
    assert BUSINESS_BASIC in held(box, "ben@fabrikam.example")


def test_licences_run_out_user_by_user(cipp: Any, box: Any) -> None:
    orders = [order(box, f"{who}@contoso.example", tenant="contoso.example") for who in ("victor", "quinn")]
    said = cipp.results("ExecBulkLicense", [*orders, {"tenantFilter": "contoso.example", "userIds": []}])
    assert [line.split()[0] for line in said] == ["Failed", "Failed", "No"]
    assert box.world.ledger == ()


def test_all_tenants_licences_load_first_and_queue_again_when_asked_again(cipp: Any, box: Any) -> None:
    for _ in range(2):
        (row,) = cipp.rows("ListLicenses", tenantFilter="AllTenants")
        assert row["License"].startswith("Loading data")
    assert len(cipp.rows("ListCippQueue")) == 2
    box.world.advance(10)
    assert {row["Tenant"] for row in cipp.rows("ListLicenses", tenantFilter="AllTenants")} >= {F, "contoso.example"}


def test_all_tenants_policies_come_from_a_queue(cipp: Any, box: Any) -> None:
    first, second = (cipp.get("ListConditionalAccessPolicies", tenantFilter="AllTenants").json() for _ in range(2))
    assert first["Results"] == second["Results"] == []
    assert first["Metadata"]["QueueMessage"].startswith("Loading data")
    assert second["Metadata"]["QueueMessage"].startswith("Still loading data")
    assert first["Metadata"]["QueueId"] == second["Metadata"]["QueueId"]
    box.world.advance(10)
    (queue,) = cipp.rows("ListCippQueue", QueueId=first["Metadata"]["QueueId"])
    assert (queue["Status"], queue["PercentComplete"]) == ("Completed", 100.0)
    rows = cipp.rows("ListConditionalAccessPolicies", tenantFilter="AllTenants")
    assert {row["Tenant"] for row in rows} >= {F, "contoso.example"}
    box.world.advance(3700)
    cipp.sign_in()
    again = cipp.get("ListConditionalAccessPolicies", tenantFilter="AllTenants").json()
    assert again["Results"] == []


def test_a_standards_run_without_a_tenant_in_the_query_takes_every_tenant(cipp: Any, box: Any) -> None:
    cipp.results("ExecStandardsRun", {"tenantFilter": F})
    assert {effect.tenant for effect in box.world.ledger} >= {F, "contoso.example", "northwind.example"}


def test_a_standards_run_with_the_tenant_in_the_query_takes_that_one(cipp: Any, box: Any) -> None:
    (template,) = [row for row in cipp.rows("listStandardTemplates") if row["templateName"] == "Baseline"]
    assert "Baseline" in cipp.results("ExecStandardsRun", {}, tenantFilter=F, templateId=template["GUID"])
    assert {effect.tenant for effect in box.world.ledger} == {F}


def test_roles_name_their_members(cipp: Any) -> None:
    roles = {row["DisplayName"]: row for row in cipp.rows("ListRoles", tenantFilter="contoso.example")}
    names = {member["userPrincipalName"] for member in roles["Global Administrator"]["Members"]}
    assert names == {"admin@contoso.example", "old.admin@contoso.example"}
    assert roles["Directory Synchronization Accounts"]["MemberCount"] == 0


def test_a_group_shows_its_members_only_when_asked(cipp: Any) -> None:
    group = next(row for row in cipp.rows("ListGroups", tenantFilter=F) if row["displayName"] == "Sales")
    assert group["groupType"] == "Microsoft 365"
    one = cipp.get("ListGroups", tenantFilter=F, groupID=group["id"], members="true").json()
    assert "ana@fabrikam.example" in [member["userPrincipalName"] for member in one["members"]]
    assert cipp.get("ListGroups", tenantFilter=F, members="true").status_code == 400


def test_the_version_needs_a_local_version(cipp: Any) -> None:
    assert cipp.get("GetVersion").status_code == 500
    assert cipp.get("GetVersion", LocalVersion="10.9.0").json()["OutOfDateCIPP"] is False


def test_logs_take_dates_as_eight_digits(cipp: Any) -> None:
    cipp.results("ExecDisableUser", {"tenantFilter": F, "ID": "ana@fabrikam.example"})
    (row,) = [row for row in cipp.rows("ListLogs", Filter="true", Tenant=F, API="ExecDisableUser") if row["Severity"] == "Info"]
    assert cipp.rows("ListLogs", logentryid=row["RowKey"])[0]["Message"] == row["Message"]
    assert cipp.rows("ListLogs", Filter="true", Severity="Error") == []
    assert cipp.get("ListLogs", Filter="true", StartDate="2026-01-01").status_code == 500
    assert cipp.get("ListLogs", logentryid="x").status_code == 500
