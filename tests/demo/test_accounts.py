"""Making users, passes, MFA, risk, push, mailboxes and calendars over the wire."""

from __future__ import annotations

from typing import Any

import pytest

F = "fabrikam.example"
ANA = "ana@fabrikam.example"
LENA = "lena@fabrikam.example"  # one of her MFA methods cannot be removed


def verbs(box: Any) -> list[str]:
    return [effect.verb for effect in box.world.ledger]


def person(box: Any, upn: str) -> dict[str, Any]:
    found = box.world.tenant(F).user(upn)
    assert found is not None
    return found  # type: ignore[no-any-return]


def form(**more: Any) -> dict[str, Any]:
    return {"tenantFilter": F, "username": "new.joiner", "PrimDomain": {"value": F}, "DisplayName": "New Joiner"} | more


def test_a_new_user_comes_with_its_password_by_position(cipp: Any, box: Any) -> None:
    group = next(row for row in cipp.rows("ListGroups", tenantFilter=F) if row["displayName"] == "Sales")
    order = form(
        usageLocation={"value": "ES"}, licenses=[{"value": "3b555118-da6a-4418-894f-7df1e2096870"}], copyFrom={"value": ANA},
        AddToGroups=[{"value": group["id"], "label": "Sales", "addedFields": {"groupType": "Microsoft 365"}}],
        sharedMailboxes=["frontdesk@fabrikam.example", "ben@fabrikam.example"],
    )  # fmt: skip
    body = cipp.post("AddUser", order).json()
    said = body["Results"]
    assert (said[0], said[1]["copyField"]) == ("Created New User.", "new.joiner@fabrikam.example")
    assert said[2]["copyField"] in box.secrets
    assert any(line.startswith("Skipped") for line in said[3:])
    assert any("already a member" in line for line in said[3:])  # copied from Ana first, then asked for again
    assert body["User"]["userPrincipalName"] == "new.joiner@fabrikam.example"
    assert len(body["CopyFrom"]["Success"]) == 3
    box.world.advance(1000)
    frontdesk = cipp.rows("ListmailboxPermissions", tenantFilter=F, userId="frontdesk@fabrikam.example")
    assert {"User": "new.joiner@fabrikam.example", "Permissions": "FullAccess"} in frontdesk


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"username": "x"}, 400),
        (form(PrimDomain={"value": "elsewhere.example"}), 500),
        (form(username="ana"), 500),
        (form(DisplayName=""), 500),
    ],
)
def test_a_user_that_cannot_be_made_is_not_made(cipp: Any, box: Any, order: dict[str, Any], status: int) -> None:
    assert cipp.post("AddUser", order).status_code == status
    assert box.world.ledger == ()


def test_a_second_scheduled_user_is_refused_and_reported_as_scheduled(cipp: Any, box: Any) -> None:
    later = int(box.world.now().timestamp()) + 3600
    order = form(Scheduled={"Enabled": True, "date": later}, reference="op-9")
    for _ in range(2):
        (said,) = cipp.results("AddUser", order)
        assert said.startswith("Successfully created scheduled task")
    assert verbs(box) == ["schedule"]
    box.world.advance(4000)
    cipp.sign_in()
    assert cipp.rows("ListUsers", tenantFilter=F, UserID="new.joiner@fabrikam.example")[0]["displayName"] == "New Joiner"


def test_a_pass_stands_in_three_fields_and_a_second_one_is_refused(cipp: Any, box: Any) -> None:
    first, second = cipp.results("ExecCreateTAP", {"tenantFilter": F, "ID": ANA, "lifetimeInMinutes": 30})
    assert first["copyField"] == first["temporaryAccessPass"]
    assert first["temporaryAccessPass"] in first["resultText"]
    assert (first["isUsableOnce"], second["copyField"]) == (False, ANA)
    assert cipp.results("ExecCreateTAP", {"tenantFilter": F, "ID": ANA}, status=500).startswith("Failed")
    assert verbs(box) == ["create_pass"]


def test_resetting_mfa_tells_what_was_removed_and_what_was_not(cipp: Any, box: Any) -> None:
    said = cipp.results("ExecResetMFA", {"tenantFilter": F, "ID": LENA}, status=500)
    assert "microsoftAuthenticatorMethod" in said
    assert "failed to remove (phoneMethod)" in said
    assert person(box, LENA)["_methods"] == ["password", "phone"]
    assert cipp.results("ExecResetMFA", {"tenantFilter": F, "ID": ANA}).startswith("Successfully")
    assert cipp.results("ExecResetMFA", {"tenantFilter": F, "ID": ANA}).startswith("No MFA methods")
    assert verbs(box) == ["reset_mfa", "reset_mfa"]


def test_per_user_mfa_succeeds_for_nobody_as_well(cipp: Any, box: Any) -> None:
    for upn in (ANA, "nobody@fabrikam.example"):
        assert cipp.results("ExecPerUserMFA", {"tenantFilter": F, "userPrincipalName": upn, "State": "enforced"})[0].startswith(
            "Successfully"
        )
    assert len(box.world.ledger) == 1
    assert cipp.rows("ListPerUserMFA", tenantFilter=F, userId=ANA)[0]["PerUserMFAState"] == "enforced"


def test_sessions_risk_and_push(cipp: Any, box: Any) -> None:
    hana = "hana@fabrikam.example"
    assert cipp.results("ExecRevokeSessions", {"tenantFilter": F, "id": hana}).strip() == "Successfully revoked sessions for"
    risky = cipp.rows("ListGraphRequest", TenantFilter=F, Endpoint="identityProtection/riskyUsers")
    assert [row["userPrincipalName"] for row in risky] == [hana]
    cipp.results("ExecDismissRiskyUser", {"tenantFilter": F, "userId": risky[0]["id"], "userDisplayName": "Hana"})
    (still,) = cipp.rows("ListGraphRequest", TenantFilter=F, Endpoint=f"identityProtection/riskyUsers/{risky[0]['id']}")
    assert (still["riskState"], still["riskLevel"]) == ("dismissed", "none")
    assert cipp.results("ExecSendPush", {"TenantFilter": F, "UserEmail": hana})["state"] == "success"
    assert cipp.results("ExecSendPush", {"TenantFilter": F, "UserEmail": "breakglass@fabrikam.example"})["state"] == "error"
    assert verbs(box) == ["revoke_sessions", "dismiss_risk", "push"]


def test_counts_and_reports(cipp: Any, box: Any) -> None:
    counts = cipp.get("ListUserCounts", tenantFilter=F).json()
    assert counts == {"Users": 20, "LicUsers": 12, "Gas": 2, "Guests": 2}
    assert set(cipp.get("ListUserCounts", tenantFilter="AllTenants").json().values()) == {"Not Supported"}
    failures = cipp.rows("ListSignIns", tenantFilter=F, failedLogonsOnly="true", FailureThreshold="3")
    assert {row["userPrincipalName"] for row in failures} == {"hana@fabrikam.example"}
    mfa = {row["UPN"]: row for row in cipp.rows("ListMFAUsers", tenantFilter=F)}
    assert mfa[ANA]["CoveredByCA"] == "Enforced - All Apps"
    assert mfa["breakglass@fabrikam.example"]["CoveredByCA"] == "Not Enforced"
    assert mfa["kim@fabrikam.example"]["IsAdmin"] is True
    applies = {row["displayName"]: row["policyApplies"] for row in
               cipp.rows("ListUserConditionalAccessPolicies", tenantFilter=F, UserID="breakglass@fabrikam.example")}  # fmt: skip
    assert applies["Require MFA for all users"] is False
    assert cipp.rows("ListUserConditionalAccessPolicies", tenantFilter=F, UserID="nobody") == [{}]
    assert cipp.rows("ListUserDevices", tenantFilter=F, UserID="nobody") == []
    (device,) = cipp.rows("ListUserDevices", tenantFilter=F, UserID=ANA)
    assert device["EPMID"] == cipp.rows("ListDevices", tenantFilter=F)[0]["id"]


def test_inactive_accounts_come_from_the_nightly_database_only(cipp: Any) -> None:
    rows = {row["userPrincipalName"]: row["daysSinceLastSignIn"] for row in cipp.rows("ListInactiveAccounts", tenantFilter=F)}
    assert rows == {"ivo@fabrikam.example": None, "jun@fabrikam.example": 240}
    assert cipp.rows("ListInactiveAccounts", tenantFilter="tailspindemo.onmicrosoft.com", InactiveDays="1") == []


def test_the_nightly_database_is_old_and_renewed_by_a_sync(cipp: Any, box: Any) -> None:
    def states() -> dict[str, Any]:
        return {row["UPN"]: row["AccountEnabled"] for row in cipp.rows("ListMFAUsers", tenantFilter=F, UseReportDB="true")}

    cipp.results("ExecDisableUser", {"tenantFilter": F, "ID": ANA})
    assert states()[ANA] is True
    reply = cipp.get("ExecCIPPDBCache", TenantFilter=F, Name="MFAState").json()
    box.world.advance(10)
    assert cipp.rows("ListCippQueue", QueueId=reply["Metadata"]["QueueId"])[0]["Status"] == "Completed"
    assert states()[ANA] is False
    never = cipp.get("ListMFAUsers", tenantFilter="tailspindemo.onmicrosoft.com", UseReportDB="true")
    assert (never.status_code, never.json()[0].startswith("No cached")) == (500, True)


def test_forwarding_and_its_read_back(cipp: Any, box: Any) -> None:
    def forwarded() -> dict[str, str]:
        return {row["UPN"]: row["ForwardTo"] for row in cipp.rows("ListMailboxForwarding", tenantFilter=F)}

    order = {"tenantFilter": F, "userID": ANA, "KeepCopy": True}
    cipp.results("ExecEmailForward", order | {"forwardOption": "ExternalAddress", "ForwardExternal": "ana@home.example"})
    assert forwarded() == {ANA: "ana@home.example"}
    cipp.results("ExecEmailForward", order | {"forwardOption": "internalAddress", "ForwardInternal": "ben@fabrikam.example"})
    assert forwarded() == {ANA: "ben@fabrikam.example"}
    assert cipp.results("ExecEmailForward", order | {"forwardOption": "internalAddress"}) == [None]
    unset = cipp.post("ExecEmailForward", order | {"forwardOption": "sideways"})
    assert (unset.status_code, unset.json()["error"]["code"]) == (500, "InternalServerError")
    assert len(cipp.results("ExecEmailForward", order | {"forwardOption": "disabled"})) == 2
    assert forwarded() == {}
    assert verbs(box) == ["forward", "forward", "stop_forwarding"]


def test_out_of_office_keeps_texts_that_are_not_sent(cipp: Any, box: Any) -> None:
    cipp.results(
        "ExecSetOoO", {"tenantFilter": F, "userId": ANA, "AutoReplyState": {"value": "Enabled"}, "input": "Back on Monday"}
    )
    cipp.results("ExecSetOoO", {"tenantFilter": F, "userId": ANA, "AutoReplyState": "Disabled"})
    reply = cipp.get("ListOoO", tenantFilter=F, userid=ANA)
    assert reply.headers["content-type"].startswith("text/plain")
    assert (reply.json()["AutoReplyState"], reply.json()["InternalMessage"]) == ("Disabled", "Back on Monday")
    assert cipp.results("ExecSetOoO", {"tenantFilter": F, "userId": ANA, "AutoReplyState": "On"}, status=500).startswith(
        "Could not"
    )
    assert verbs(box) == ["out_of_office", "out_of_office"]


def test_converting_and_archiving(cipp: Any, box: Any) -> None:
    cipp.results("ExecConvertMailbox", {"tenantFilter": F, "ID": ANA, "MailboxType": "Shared"})
    assert cipp.results("ExecConvertMailbox", {"tenantFilter": F, "ID": ANA, "MailboxType": "Huge"}, status=500).startswith(
        "Failed"
    )
    cipp.results("ExecEnableArchive", {"tenantFilter": F, "id": ANA})
    assert "already enabled" in cipp.results("ExecEnableArchive", {"tenantFilter": F, "id": ANA}, status=500)
    (details,) = cipp.rows("ListUserMailboxDetails", tenantFilter=F, UserID=ANA)
    assert (details["RecipientTypeDetails"], details["ArchiveMailBox"]) == ("SharedMailbox", True)
    assert "Ana Ruiz" in [row["DisplayName"] for row in cipp.rows("ListSharedMailboxStatistics", tenantFilter=F)]
    (nobody,) = cipp.rows("ListUserMailboxDetails", tenantFilter=F, UserID="nobody@fabrikam.example")
    assert (nobody["RecipientTypeDetails"], nobody["ForwardAndDeliver"], nobody["ArchiveMailBox"]) == (None, None, True)


def test_calendar_rights_are_granted_unless_removal_is_asked_for(cipp: Any, box: Any) -> None:
    def rights() -> dict[str, list[str]]:
        return {row["User"]: row["AccessRights"] for row in cipp.rows("ListCalendarPermissions", tenantFilter=F, UserID=ANA)}

    def change(**entry: Any) -> dict[str, Any]:
        return {"tenantFilter": F, "userID": ANA, "permissions": [entry]}

    ben = "ben@fabrikam.example"
    said = cipp.results("ExecModifyCalPerms", change(UserID=[ben, "nobody"], PermissionLevel="Editor"), status=500)
    assert [line.split()[0] for line in said] == ["Successfully", "Failed"]
    assert rights()["Ben Okafor"] == ["Editor"]
    cipp.results("ExecModifyCalPerms", change(UserID=[{"value": ben}], Modification="Remove"))
    assert "Ben Okafor" not in rights()
    cipp.results("ExecModifyCalPerms", change(UserID="notices@fabrikam.example", PermissionLevel="Reviewer"))
    assert rights()["Notices"] == ["Reviewer"]
    cipp.results("ExecModifyCalPerms", change(UserID="sales@fabrikam.example", PermissionLevel="Reviewer"), status=500)
    assert cipp.post("ExecModifyCalPerms", {"tenantFilter": F}).status_code == 400
    assert cipp.post("ExecModifyCalPerms", {"tenantFilter": F, "userID": "nobody@fabrikam.example"}).status_code == 404
    assert verbs(box) == ["grant", "revoke", "grant"]
    (report,) = cipp.rows("ListCalendarPermissions", tenantFilter=F, UseReportDB="true")
    assert (report["CalendarUPN"], report["Permissions"][0]["User"]) == ("dora@fabrikam.example", "Kim Larsen")
    assert report["PermissionCacheTimestamp"] < box.world.now().isoformat()
