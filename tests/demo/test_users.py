"""Users over the wire: each write changes the world once, and a read shows it afterwards."""

from __future__ import annotations

from typing import Any

import pytest

F = "fabrikam.example"
ANA = "ana@fabrikam.example"
EMIL = "emil@fabrikam.example"  # synchronised from on-premises


def verbs(box: Any) -> list[str]:
    return [effect.verb for effect in box.world.ledger]


def user(cipp: Any, key: str, tenant: str = F) -> dict[str, Any]:
    (row,) = cipp.rows("ListUsers", tenantFilter=tenant, UserID=key)
    return row


def test_a_user_is_found_by_upn_and_by_object_id(cipp: Any) -> None:
    by_upn = user(cipp, ANA)
    assert user(cipp, by_upn["id"]) == by_upn
    assert by_upn["primDomain"]["value"] == F
    assert not [key for key in by_upn if key.startswith("_")]


def test_an_unknown_user_is_a_500_in_plain_text(cipp: Any) -> None:
    reply = cipp.get("ListUsers", tenantFilter=F, UserID="nobody@fabrikam.example")
    assert reply.status_code == 500
    assert reply.text.startswith("Resource 'nobody@fabrikam.example' does not exist")


def test_all_tenants_gives_a_message_row_and_never_users(cipp: Any) -> None:
    (row,) = cipp.rows("ListUsers", tenantFilter="AllTenants")
    assert list(row) == ["Message"]


@pytest.mark.parametrize(
    ("clause", "found"),
    [
        ("startswith(displayName,'Ana')", {ANA, "ana.ruiz2@fabrikam.example"}),
        ("userPrincipalName eq 'ANA@fabrikam.example'", {ANA}),
        ("startswith(displayName,'Ana') and userPrincipalName ne 'ana@fabrikam.example'", {"ana.ruiz2@fabrikam.example"}),
        ("accountEnabled eq false and startswith(userPrincipalName,'gil')", {"gil@fabrikam.example"}),
    ],
)
def test_the_graph_filter_filters(cipp: Any, clause: str, found: set[str]) -> None:
    assert {row["userPrincipalName"] for row in cipp.rows("ListUsers", tenantFilter=F, graphFilter=clause)} == found


def test_clearing_the_immutable_id_happens_once(cipp: Any, box: Any) -> None:
    for _ in range(2):
        assert cipp.results("ExecClrImmId", {"tenantFilter": F, "ID": ANA}).startswith("Successfully")
    assert user(cipp, ANA)["onPremisesImmutableId"] is None
    (effect,) = box.world.ledger
    assert (effect.endpoint, effect.tenant, effect.target_name) == ("ExecClrImmId", F, ANA)


def test_clearing_it_for_a_deleted_user_restores_the_user_first(cipp: Any, box: Any) -> None:
    gone = next(row for row in cipp.rows("ListDeletedItems", tenantFilter=F) if row["displayName"] == "Omar Haddad")
    cipp.results("ExecClrImmId", {"tenantFilter": F, "ID": gone["id"]})
    assert verbs(box) == ["restore", "update"]
    assert user(cipp, gone["id"])["accountEnabled"] is True


def test_a_synchronised_user_keeps_the_immutable_id(cipp: Any, box: Any) -> None:
    assert cipp.results("ExecClrImmId", {"tenantFilter": F, "ID": EMIL}, status=500).startswith("Failed")
    assert box.world.ledger == ()


def test_a_missing_enable_blocks(cipp: Any) -> None:
    cipp.results("ExecDisableUser", {"tenantFilter": F, "ID": ANA})
    assert user(cipp, ANA)["accountEnabled"] is False
    cipp.results("ExecDisableUser", {"tenantFilter": F, "ID": ANA, "Enable": True})
    assert user(cipp, ANA)["accountEnabled"] is True


def test_a_synchronised_user_is_blocked_and_reported_as_an_error(cipp: Any, box: Any) -> None:
    said = cipp.results("ExecDisableUser", {"tenantFilter": F, "ID": EMIL, "Enable": False}, status=500)
    assert "WARNING" in said
    assert verbs(box) == ["disable"]


def test_a_reset_gives_the_password_twice_and_the_ledger_never(cipp: Any, box: Any) -> None:
    said = cipp.results("ExecResetPass", {"tenantFilter": F, "ID": ANA, "displayName": "Ana Ruiz", "MustChange": True})
    assert said["state"] == "success"
    assert said["copyField"] in said["resultText"]
    assert box.secrets[-1] == said["copyField"]
    assert said["copyField"] not in repr(box.world.ledger) + repr(cipp.rows("ListLogs"))


def test_a_reset_of_a_synchronised_user_is_only_accepted(cipp: Any) -> None:
    said = cipp.results("ExecResetPass", {"tenantFilter": F, "ID": EMIL, "MustChange": False})
    assert said["resultText"].startswith("Password reset accepted")


def test_removing_without_an_id_gives_no_answer(cipp: Any, box: Any) -> None:
    reply = cipp.post("RemoveUser", {"tenantFilter": F})
    assert (reply.status_code, reply.content) == (204, b"")
    assert box.world.ledger == ()


def test_a_removed_user_goes_to_the_bin_and_comes_back_with_its_groups(cipp: Any, box: Any) -> None:
    ana = user(cipp, ANA)
    before = cipp.rows("ListUserGroups", tenantFilter=F, userId=ANA)
    cipp.results("RemoveUser", {"tenantFilter": F, "ID": ana["id"], "userPrincipalName": ANA})
    assert cipp.get("ListUsers", tenantFilter=F, UserID=ANA).status_code == 500
    assert ana["id"] in [row["id"] for row in cipp.rows("ListDeletedItems", tenantFilter=F)]
    cipp.results("ExecRestoreDeleted", {"tenantFilter": F, "ID": ana["id"]})
    assert cipp.rows("ListUserGroups", tenantFilter=F, userId=ANA) == before
    assert verbs(box) == ["delete", "restore"]


def test_an_excluded_tenant_reports_success_and_nothing_happens(cipp: Any, box: Any) -> None:
    said = cipp.results("ExecDisableUser", {"tenantFilter": "woodgrove.example", "ID": "ana@woodgrove.example"})
    assert said.startswith("Successfully")
    assert cipp.rows("ListUsers", tenantFilter="woodgrove.example") == []
    assert box.world.tenant("woodgrove.example").user("ana@woodgrove.example")["accountEnabled"] is True
    assert box.world.ledger == ()


def test_no_tenant_at_all_means_the_partner_itself(cipp: Any, box: Any) -> None:
    cipp.results("RemoveUser", {"ID": "tech@brightdesk.example"})
    (effect,) = box.world.ledger
    assert effect.tenant == "brightdesk.example"


def test_an_offboarding_is_accepted_and_happens_later(cipp: Any, box: Any) -> None:
    order = {"tenantFilter": {"value": F, "label": F}, "user": [{"value": ANA}], "reference": "op-17", "DisableSignIn": True,
             "RemoveLicenses": True, "RemoveGroups": True, "ConvertToShared": True, "RevokeSessions": "false"}  # fmt: skip
    (said,) = cipp.results("ExecOffboardUser", order)
    assert said == f"Task Offboarding: {ANA} scheduled to run now"
    assert verbs(box) == ["schedule"]
    assert user(cipp, ANA)["accountEnabled"] is True
    box.world.run_due()
    after = user(cipp, ANA)
    assert (after["accountEnabled"], bool(after["assignedLicenses"])) == (False, True), "the licences go in a task of their own"
    box.world.advance(1200)
    cipp.sign_in()
    assert user(cipp, ANA)["assignedLicenses"] == []
    assert cipp.rows("ListUserGroups", tenantFilter=F, userId=ANA) == []
    assert "revoke_sessions" not in verbs(box)
    (task,) = cipp.rows("ListScheduledItems", tenantFilter=F, Type="Invoke-CIPPOffboardingJob")
    assert (task["TaskState"], task["Reference"], task["Tenant"]["value"]) == ("Completed", "op-17", F)
    assert len(cipp.rows("ListScheduledItems", tenantFilter=F)) == 2


def test_an_order_that_fails_half_way_is_403_and_half_is_queued(cipp: Any, box: Any) -> None:
    box.world.tasks_left = 1
    order = {"tenantFilter": F, "user": [ANA, "ben@fabrikam.example"], "DisableSignIn": True}
    said = cipp.results("ExecOffboardUser", order, status=403)
    assert [line.split()[0] for line in said] == ["Task", "Error"]
    assert verbs(box) == ["schedule"]


def test_with_pwpush_on_the_answer_holds_a_link(cipp: Any, box: Any) -> None:
    cipp.results("ExecExtensionsConfig", {"PWPush": {"Enabled": True}})
    said = cipp.results("ExecResetPass", {"tenantFilter": F, "ID": ANA})
    assert said["copyField"].startswith("https://pwpush.example/p/")
    assert box.world.tenant(F).user(ANA)["_password"] not in said["resultText"]


def test_a_later_offboarding_waits_for_the_clock_and_can_be_called_off(cipp: Any, box: Any) -> None:
    when = int(box.world.now().timestamp()) + 7200
    order = {"tenantFilter": F, "user": [ANA], "DeleteUser": True, "Scheduled": {"enabled": True, "date": when}}
    (said,) = cipp.results("ExecOffboardUser", order)
    assert said.startswith("Successfully added task")
    (task,) = cipp.rows("ListScheduledItems")
    cipp.results("RemoveScheduledItem", {"id": task["RowKey"]})
    box.world.advance(8000)
    cipp.sign_in()
    assert user(cipp, ANA)["accountEnabled"] is True
    cipp.results("ExecOffboardUser", order)
    box.world.advance(8000)
    cipp.sign_in()
    assert cipp.get("ListUsers", tenantFilter=F, UserID=ANA).status_code == 500


def test_removing_a_task_that_is_gone_speaks_of_success_under_400(cipp: Any) -> None:
    assert "successfully" in cipp.results("RemoveScheduledItem", {"id": "nothing"}, status=400)


@pytest.mark.parametrize(
    ("order", "part"),
    [
        ({"user": [{"value": ANA}], "DisableSignIn": True}, "tenantFilter"),
        ({"tenantFilter": F, "user": [], "DisableSignIn": True}, "'user' is required"),
        ({"tenantFilter": F, "user": ["ana"], "DisableSignIn": True}, "userPrincipalName"),
        ({"tenantFilter": F, "user": [ANA], "DisableSignIn": "false"}, "No offboarding actions"),
        (
            {"tenantFilter": F, "user": [ANA], "DeleteUser": True, "Scheduled": {"enabled": True, "date": "soon"}},
            "Scheduled.date",
        ),
    ],
)
def test_a_bad_offboarding_order_is_a_400_with_a_list(cipp: Any, box: Any, order: dict[str, Any], part: str) -> None:
    said = cipp.results("ExecOffboardUser", order, status=400)
    assert any(part in line for line in said)
    assert box.world.ledger == ()
