"""Groups over the wire, with EditGroup's way of answering 200 to everything."""

from __future__ import annotations

from typing import Any

F = "fabrikam.example"
ANA = "ana@fabrikam.example"


def group(cipp: Any, name: str) -> dict[str, Any]:
    return next(row for row in cipp.rows("ListGroups", tenantFilter=F) if row["displayName"] == name)


def members(cipp: Any, name: str) -> set[str]:
    found = cipp.get("ListGroups", tenantFilter=F, groupID=group(cipp, name)["id"], members="true", owners="true").json()
    return {each["userPrincipalName"] for each in found["members"]}


def ref(box: Any, upn: str) -> dict[str, Any]:
    return {"value": box.world.tenant(F).user(upn)["id"], "addedFields": {"userPrincipalName": upn}}


def test_a_second_group_of_the_name_is_reported_and_not_made(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": F, "displayName": "Night shift", "groupType": "m365", "username": "night", "members": [ANA]}
    for _ in range(2):
        assert cipp.results("AddGroup", order)[0].startswith("Successfully")
    assert [row["displayName"] for row in cipp.rows("ListGroups", tenantFilter=F)].count("Night shift") == 1
    assert members(cipp, "Night shift") == {ANA}
    box.world.advance(700)
    assert cipp.results("AddGroup", order, status=500)[0].startswith("Failed to create group.")
    assert len(box.world.ledger) == 1


def test_members_come_and_go_one_text_each(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": F, "groupId": group(cipp, "VPN Users")["id"], "groupName": "VPN Users",
             "AddMember": [ref(box, "ben@fabrikam.example"), ref(box, ANA)],
             "RemoveMember": [ref(box, "kim@fabrikam.example"), ANA],
             "AddOwner": [ref(box, "kim@fabrikam.example")]}  # fmt: skip
    said = cipp.results("EditGroup", order)
    assert [line.split(" ")[0] for line in said] == ["Success", "Error", "Success", "Error", "Success"]
    assert members(cipp, "VPN Users") == {ANA, "emil@fabrikam.example", "fay@fabrikam.example", "ben@fabrikam.example"}
    assert [effect.verb for effect in box.world.ledger] == ["add_member", "remove_member", "add_owner"]


def test_properties_that_are_not_sent_are_nulled(cipp: Any) -> None:
    key = group(cipp, "Sales")["id"]
    cipp.results("EditGroup", {"tenantFilter": F, "groupId": key, "displayName": "Sales EMEA"})
    changed = group(cipp, "Sales EMEA")
    assert (changed["description"], changed["mailNickname"]) == (None, None)


def test_another_tenant_in_the_body_redirects_the_change(cipp: Any, box: Any) -> None:
    order = {
        "tenantFilter": F,
        "tenantId": "contoso.example",
        "groupId": group(cipp, "VPN Users")["id"],
        "AddMember": [ref(box, ANA)],
    }
    assert cipp.results("EditGroup", order)[0].startswith("Error")
    assert box.world.ledger == ()


def test_an_unknown_group_is_a_500(cipp: Any) -> None:
    assert cipp.post("EditGroup", {"tenantFilter": F, "groupId": "nothing"}).status_code == 500


def test_settings_of_a_group(cipp: Any, box: Any) -> None:
    sales, notices = group(cipp, "Sales")["id"], group(cipp, "Notices")["id"]
    said = cipp.results(
        "ExecGroupsHideFromGAL", {"tenantFilter": F, "ID": notices, "GroupType": "Mail-Enabled Security", "HideFromGAL": True}
    )
    assert "hidden" in said
    assert "cannot" in cipp.results("ExecGroupsHideFromGAL", {"tenantFilter": F, "ID": notices, "GroupType": "Security"})
    assert cipp.results("ExecGroupsHideFromGAL", {"tenantFilter": F, "ID": notices, "GroupType": "Team"}).startswith(
        "Successfully"
    )
    order = {"tenantFilter": F, "ID": sales, "GroupType": "Microsoft 365", "OnlyAllowInternal": False}
    assert cipp.results("ExecGroupsDeliveryManagement", order).startswith("Successfully")
    assert cipp.get("ListGroups", tenantFilter=F, groupID=sales).json()["allowExternal"] is True
    cipp.results(
        "EditGroup",
        {"tenantFilter": F, "groupId": sales, "visibility": "Private", "hideFromOutlookClients": True, "sendCopies": True},
    )
    one = cipp.get("ListGroups", tenantFilter=F, groupID=sales).json()
    assert (one["sendCopies"], one["hideFromOutlookClients"], one["groupInfo"]["visibility"]) == (True, True, "Private")
    assert len(box.world.ledger) == 5


def test_deleting_by_the_wrong_type_does_nothing_under_200(cipp: Any, box: Any) -> None:
    sales = group(cipp, "Sales")["id"]
    assert cipp.results("ExecGroupsDelete", {"tenantFilter": F, "id": sales, "GroupType": "Team"}) is None
    assert box.world.ledger == ()
    cipp.results("ExecGroupsDelete", {"tenantFilter": F, "id": sales, "GroupType": "Microsoft 365", "displayName": "Sales"})
    assert sales in [row["id"] for row in cipp.rows("ListDeletedItems", tenantFilter=F) if row["TargetType"] == "Group"]
    cipp.results("ExecRestoreDeleted", {"tenantFilter": F, "ID": sales})
    assert ANA in members(cipp, "Sales")
    servers = group(cipp, "Servers from AD")["id"]
    assert cipp.results("ExecGroupsDelete", {"tenantFilter": F, "id": servers, "GroupType": "Security"}, status=500).startswith(
        "Could not"
    )


def test_the_list_of_all_tenants_comes_from_the_nightly_database(cipp: Any) -> None:
    rows = cipp.rows("ListGroups", tenantFilter="AllTenants")
    assert {row["Tenant"] for row in rows} >= {F, "contoso.example"}
    assert all(row["CacheTimestamp"] for row in rows)
    assert (
        cipp.get("ListGroups", tenantFilter="northwind-uk.example", UseReportDB="true")
        .json()[0]
        .startswith("No cached groups data")
    )
