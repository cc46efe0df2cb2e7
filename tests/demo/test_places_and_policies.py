"""Sites, teams, numbers, locations, exclusions, alerts and incidents over the wire."""

from __future__ import annotations

import json
from typing import Any

from cipp_mcp.demo.answers.teams import SUBMITTED

F = "fabrikam.example"
ANA = "ana@fabrikam.example"
BEN = "ben@fabrikam.example"
REF = [{"defaultDomainName": F, "value": F, "customerId": "11111111-aaaa-4aaa-8aaa-000000000001"}]


def verbs(box: Any) -> list[str]:
    return [effect.verb for effect in box.world.ledger]


def site(cipp: Any, name: str) -> dict[str, Any]:
    return next(row for row in cipp.rows("ListSites", tenantFilter=F, Type="SharePointSiteUsage") if row["displayName"] == name)


def test_sites_need_a_tenant_and_a_type(cipp: Any) -> None:
    assert cipp.get("ListSites", Type="SharePointSiteUsage").status_code == 400
    assert cipp.get("ListSites", tenantFilter=F).status_code == 400
    drives = cipp.rows("ListSites", tenantFilter=F, Type="OneDriveUsageAccount")
    assert all("-my.sharepoint.com" in row["webUrl"] for row in drives)


def test_members_of_a_site_and_of_the_group_behind_it(cipp: Any, box: Any) -> None:
    def members(name: str) -> set[tuple[str, str]]:
        rows = cipp.rows("ListSiteMembers", tenantFilter=F, SiteId=site(cipp, name)["siteId"])
        return {(row["UserPrincipalName"], row["Group"]) for row in rows}

    intranet = {"tenantFilter": F, "URL": site(cipp, "Intranet")["webUrl"], "user": {"value": BEN}, "Role": "Visitors"}
    cipp.results("ExecSetSharePointMember", intranet | {"Add": True})
    assert members("Intranet") == {(ANA, "Visitors"), (BEN, "Visitors")}
    cipp.results("ExecSetSharePointMember", intranet)  # without Add it removes
    assert members("Intranet") == {(ANA, "Visitors")}
    cipp.results("ExecSetSharePointMember", intranet, status=400)
    group = next(row for row in cipp.rows("ListGroups", tenantFilter=F) if row["displayName"] == "Sales")
    sales = {"tenantFilter": F, "SharePointType": "Group", "GroupID": group["id"], "user": {"value": "carla@fabrikam.example"}}
    cipp.results("ExecSetSharePointMember", sales | {"Add": True})
    assert ("carla@fabrikam.example", "Members") in members("Sales")
    assert verbs(box) == ["add_visitor", "remove_visitor", "add_member"]


def test_site_administrators_are_granted_unless_removal_is_true(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": F, "UPN": BEN, "onedriveAccessUser": [{"value": ANA}, "nobody@fabrikam.example"]}
    said = cipp.results("ExecSharePointPerms", order)
    assert [line.split()[0] for line in said] == ["Successfully", "Failed"]
    cipp.results("ExecSharePointPerms", order | {"RemovePermission": "true"})  # a text is not true
    cipp.results("ExecSharePointPerms", order | {"RemovePermission": True})
    assert verbs(box) == ["add_admin", "remove_admin"]
    assert cipp.post("ExecSharePointPerms", {"tenantFilter": F, "UPN": BEN}).status_code == 400
    assert cipp.post("ExecSharePointPerms", order | {"UPN": "ivo@fabrikam.example"}).status_code == 400


def test_a_site_is_made_once_and_needs_its_template(cipp: Any) -> None:
    order = {"tenantFilter": F, "siteName": "News desk", "siteDescription": "News", "siteOwner": {"value": BEN},
             "templateName": {"value": "Communication"}, "siteDesign": {"value": "Blank"}}  # fmt: skip
    assert cipp.results("AddSite", order | {"templateName": "Communication"}, status=500).startswith("Failed")
    assert cipp.results("AddSite", order).startswith("Successfully")
    assert "exists" in cipp.results("AddSite", order, status=500)
    assert site(cipp, "News desk")["ownerPrincipalName"] == BEN


def test_a_team_is_made_in_the_background_from_its_own_tenant_field(cipp: Any, box: Any) -> None:
    order = {"tenantid": F, "tenantFilter": "contoso.example", "displayName": "Launch", "visibility": "private", "owner": [BEN]}
    cipp.results("AddTeam", order)
    assert "Launch" not in [row["displayName"] for row in cipp.rows("ListTeams", tenantFilter=F, type="List")]
    box.world.advance(SUBMITTED)
    made = next(row for row in cipp.rows("ListTeams", tenantFilter=F, type="List") if row["displayName"] == "Launch")
    (team,) = cipp.rows("ListTeams", tenantFilter=F, type="Team", ID=made["id"])
    assert [owner["email"] for owner in team["Owners"]] == [BEN]
    assert cipp.rows("ListTeams", tenantFilter=F) == [None]
    assert cipp.post("AddTeam", order | {"owner": None}).status_code == 500
    assert box.world.ledger[-1].endpoint == "AddTeam"


def test_numbers_are_submitted_and_change_later(cipp: Any, box: Any) -> None:
    def holders() -> dict[str, Any]:
        rows = cipp.rows("ListTeamsVoice", tenantFilter=F)
        return {row["TelephoneNumber"]: row["AssignedTo"] for row in rows}

    free, taken = "+34910000002", "+34910000001"
    order = {"TenantFilter": F, "PhoneNumber": free, "PhoneNumberType": "DirectRouting", "input": {"value": ANA}}
    assert cipp.results("ExecTeamsVoicePhoneNumberAssignment", order).startswith("Successfully submitted")
    assert holders()[free] == "Unassigned"
    box.world.advance(SUBMITTED)
    assert holders()[free]["userPrincipalName"] == ANA
    cipp.results("ExecTeamsVoicePhoneNumberAssignment", order | {"PhoneNumber": taken}, status=403)
    # The person named is not looked at: the number alone decides.
    cipp.results("ExecRemoveTeamsVoicePhoneNumberAssignment", {"tenantFilter": F, "PhoneNumber": taken, "AssignedTo": ANA})
    box.world.advance(SUBMITTED)
    assert holders()[taken] == "Unassigned"
    cipp.results("ExecRemoveTeamsVoicePhoneNumberAssignment", {"tenantFilter": F, "PhoneNumber": taken}, status=500)
    (place,) = cipp.rows("ListTeamsLisLocation", tenantFilter=F)
    said = cipp.results("ExecTeamsVoicePhoneNumberAssignment",
                        order | {"input": {"value": place["LocationId"]}, "locationOnly": "false"})  # fmt: skip
    assert "emergency location" in said
    assert cipp.rows("ListTeamsActivity", tenantFilter=F, Type="TeamsUserActivityUser")[0]["UPN"]


def test_named_locations(cipp: Any, box: Any) -> None:
    order = {"selectedTenants": [*REF, {"value": "woodgrove.example"}], "policyName": "Warehouse", "Type": "IPLocation",
             "Ips": "192.0.2.0/24\n2001:db8::/32", "Trusted": True}  # fmt: skip
    # An excluded tenant is reported like the others.
    assert [line.split()[0] for line in cipp.results("AddNamedLocation", order)] == ["Successfully", "Successfully"]
    made = next(row for row in cipp.rows("ListNamedLocations", tenantFilter=F) if row["displayName"] == "Warehouse")
    assert made["rangeOrLocation"] == "192.0.2.0/24, 2001:db8::/32"
    edit = {"tenantFilter": F, "namedLocationId": made["id"]}
    assert cipp.results("ExecNamedLocation", edit | {"change": "addIp", "input": "2001:db9::/32"}, status=500)[0].startswith(
        "Failed"
    )
    cipp.results("ExecNamedLocation", edit | {"change": "removeIp", "input": "2001:db8::/32"})
    cipp.results("ExecNamedLocation", edit | {"change": "setUntrusted"})
    cipp.results("ExecNamedLocation", edit | {"change": "rename", "input": "Depot"})
    assert cipp.results("ExecNamedLocation", edit | {"change": "delete"}) == ["Deleted named location: Depot"]
    assert verbs(box) == ["create", "removeIp", "setUntrusted", "rename", "delete"]


def test_an_exclusion_answers_with_nothing_and_always_leaves_a_group(cipp: Any, box: Any) -> None:
    def policy() -> dict[str, Any]:
        rows = cipp.rows("ListConditionalAccessPolicies", tenantFilter=F)
        return next(row for row in rows if row["displayName"] == "Require MFA for all users")

    ana = box.world.tenant(F).user(ANA)["id"]
    order = {"tenantFilter": F, "PolicyId": policy()["id"], "Users": [{"value": ana, "addedFields": {"userPrincipalName": ANA}}]}
    reply = cipp.post("ExecCAExclusion", order | {"ExclusionType": "Add"})
    assert (reply.status_code, reply.content) == (200, b"")
    assert "Ana Ruiz" in policy()["excludeUsers"]
    assert "Vacation Exclusion" in policy()["excludeGroups"]
    cipp.post("ExecCAExclusion", order | {"ExclusionType": "Remove"})
    assert ana not in json.loads(policy()["rawjson"])["conditions"]["users"]["excludeUsers"]
    said = cipp.results("ExecCAExclusion", order | {"PolicyId": "x", "ExclusionType": "Add"})
    assert said[0].startswith("Failed to perform exclusion")
    assert verbs(box) == ["create", "exclude", "exclude", "include"]


def test_a_vacation_is_two_tasks(cipp: Any, box: Any) -> None:
    now = int(box.world.now().timestamp())
    rows = cipp.rows("ListConditionalAccessPolicies", tenantFilter=F)
    ana = box.world.tenant(F).user(ANA)["id"]
    order = {"tenantFilter": F, "PolicyId": rows[0]["id"], "Users": [{"value": ana, "addedFields": {"userPrincipalName": ANA}}],
             "vacation": True, "StartDate": now + 3600, "EndDate": now + 90000, "reference": "op-3"}  # fmt: skip
    assert cipp.results("ExecCAExclusion", order)[0].startswith("Successfully added vacation mode")

    def excluded() -> bool:
        groups = box.world.tenant(F).rows("groups")
        return any(ana in group["_members"] for group in groups if group["displayName"].startswith("Vacation"))

    seen = [excluded()]
    for seconds in (5000, 90000):
        box.world.advance(seconds)
        seen.append(excluded())
    assert seen == [False, True, False]


def test_security_alerts_and_incidents(cipp: Any, box: Any) -> None:
    found = cipp.get("ExecAlertsList", tenantFilter=F).json()["Results"]
    assert (found["NewAlertsCount"], found["SeverityHighAlertsCount"], found["SeverityMediumAlertsCount"]) == (1, 1, 1)
    alert = next(row for row in found["MSResults"] if row["Status"] == "newAlert")
    vendor = alert["RawResult"]["vendorInformation"]
    order = {
        "tenantFilter": F,
        "GUID": alert["Id"],
        "Status": "resolved",
        "Vendor": vendor["vendor"],
        "Provider": vendor["provider"],
    }
    assert cipp.results("ExecSetSecurityAlert", order | {"Vendor": 'x"y'}, status=500).startswith("Failed")
    cipp.results("ExecSetSecurityAlert", order)
    assert cipp.get("ExecAlertsList", tenantFilter=F).json()["Results"]["NewAlertsCount"] == 0
    change = {"tenantFilter": F, "GUID": "101", "Status": "resolved", "Severity": {"value": "low"}, "Comment": "done"}
    cipp.results("ExecSetSecurityIncident", change | {"Classification": "falsePositive"}, status=500)
    cipp.results("ExecSetSecurityIncident", change)
    assert cipp.results("ExecSetSecurityIncident", change | {"Redirected": "1"}).startswith("Refused")
    (incident,) = cipp.rows("ExecIncidentsList", tenantFilter=F)
    assert (incident["Status"], incident["Severity"], incident["Comments"][0]["comment"]) == ("resolved", "low", "done")
    assert cipp.get("ExecIncidentsList", tenantFilter=F, StartDate="soon").status_code == 500
    assert cipp.rows("ExecIncidentsList", tenantFilter=F, StartDate="20990101") == []
    waiting = cipp.get("ExecAlertsList", tenantFilter="AllTenants").json()
    assert (waiting["Results"], waiting["Metadata"]["QueueMessage"].startswith("Loading data")) == (None, True)
    box.world.advance(10)
    rows = cipp.get("ExecAlertsList", tenantFilter="AllTenants").json()["Results"]["MSResults"]
    assert {row["Tenant"] for row in rows} == {F, "contoso.example"}
