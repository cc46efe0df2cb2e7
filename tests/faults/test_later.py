"""Work that CIPP does later: a handle, followed to its end over restarts; and what the same call meets meanwhile."""

from __future__ import annotations

import anyio
import pytest

from cipp_mcp.call.guard.approve import Reply
from cipp_mcp.demo.faults import Fault
from cipp_mcp.message import Word
from tests.faults.scenes import user
from tests.faults.stage import FABRIKAM, Lane, Stage

pytestmark = pytest.mark.anyio
BEN = f"ben@{FABRIKAM}"
LEAVE = {"tenant_filter": FABRIKAM, "users": [BEN], "disable_sign_in": True, "convert_to_shared": True}
BLOCK = {"tenant_filter": FABRIKAM, "user_id": BEN, "enabled": False}
ALLOW = {"tenant_filter": FABRIKAM, "user_id": BEN, "enabled": True}
AWAY = {
    "tenant_filter": FABRIKAM,
    "name": "Ben away",
    "command": "Set-CIPPOutOfOffice",
    "parameters": {"UserID": BEN, "State": "Enabled", "InternalMessage": "Back on Monday."},
}


async def advance(stage: Stage, seconds: float) -> None:
    await anyio.to_thread.run_sync(stage.box.world.advance, seconds)


async def test_an_offboarding_is_followed_to_its_end_step_by_step_over_a_restart(lane: Lane) -> None:
    stage = await lane.clean()
    async with stage.desk() as desk:
        first = await stage.call(desk, "offboard_user", LEAVE)
        operation = first.facts["operation_id"]
    assert first.word is Word.ACCEPTED
    assert [row["Reference"] for row in stage.box.world.rows("tasks")] == [operation], "our mark stands in CIPP"
    async with stage.desk() as desk:
        assert (await stage.check(desk, operation)).word is Word.ACCEPTED
        await advance(stage, 16 * 60)
        end = await stage.check(desk, operation)
        assert end.word is Word.DONE
        assert len(end.facts["details"]) == 2, "each step"
        assert (await stage.check(desk, operation)).word is Word.DONE


async def test_what_an_offboarding_puts_off_stays_accepted_until_it_shows(lane: Lane) -> None:
    """CIPP ends the job and takes the licences away in another one, minutes later."""
    stage = await lane.clean()
    async with stage.desk() as desk:
        first = await stage.call(desk, "offboard_user", LEAVE | {"remove_licenses": True})
        for _ in range(2):  # the second look finds the job long over, and still it is neither in doubt nor done
            stage.clock.shift += 60
            await advance(stage, 60)
            assert (await stage.check(desk, first.facts["operation_id"])).word is Word.ACCEPTED
        stage.clock.shift += 20 * 60
        await advance(stage, 20 * 60)
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.DONE


async def test_a_reference_of_the_callers_own_is_kept_and_finds_the_job_too(lane: Lane) -> None:
    stage = await lane.clean()
    async with stage.desk() as desk:
        first = await stage.call(desk, "offboard_user", {**LEAVE, "reference": "T-4711"})
        assert [row["Reference"] for row in stage.box.world.rows("tasks")] == ["T-4711"]
        await advance(stage, 16 * 60)
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.DONE


async def test_somebody_elses_job_of_the_same_name_is_not_taken_for_ours(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("lost", endpoint="ExecOffboardUser"))
    async with stage.desk() as desk:

        async def theirs() -> None:
            from cipp_mcp.demo import schedule

            task = {"Name": f"Offboarding: {BEN}", "Command": "Invoke-CIPPOffboardingJob", "TenantFilter": FABRIKAM}
            schedule.add_task(stage.box.world, task | {"Parameters": {"Username": BEN, "options": {"HideFromGAL": True}}})

        stage.at_intent = theirs
        first = await stage.call(desk, "offboard_user", LEAVE)
        assert first.word is Word.PENDING
        await advance(stage, 16 * 60)
        stage.clock.shift = 16 * 60
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.UNKNOWN


async def test_a_job_whose_steps_fail_in_part_ends_partial(lane: Lane) -> None:
    stage = await lane.clean()
    user(stage.box, "ben", onPremisesSyncEnabled=True)
    async with stage.desk() as desk:
        first = await stage.call(desk, "offboard_user", LEAVE)
        await advance(stage, 16 * 60)
        end = await stage.check(desk, first.facts["operation_id"])
    assert end.word is Word.PARTIAL
    assert {"bad", "good"} <= {line["reads_as"] for line in end.facts["details"]}


async def test_a_user_whose_making_broke_off_is_not_called_done_for_what_no_read_shows(lane: Lane) -> None:
    stage = await lane.clean()
    name = {"domain": FABRIKAM, "display_name": "Cleo Hart", "aliases": ["c.hart@fabrikam.example"]}
    stage.box.faults.add(Fault("cut_after", endpoint="AddUser"))

    async def blinded() -> None:
        stage.box.faults.add(Fault("unavailable", endpoint="ListUsers", times=None))

    stage.at_intent = blinded
    async with stage.desk() as desk:
        first = await stage.call(desk, "add_user", {"tenant_filter": FABRIKAM, "username": "cleo", **name})
        assert first.word is Word.UNKNOWN
        stage.box.faults.clear()
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.PARTIAL


async def test_a_scheduled_task_carries_our_mark_and_is_never_an_overwrite(lane: Lane) -> None:
    stage = await lane.clean()
    async with stage.desk() as desk:
        first = await stage.call(desk, "add_scheduled_item", AWAY)
    assert first.word is Word.ACCEPTED
    assert [(e.verb, e.target_type) for e in stage.effects] == [("schedule", "task")]
    assert stage.box.world.rows("tasks")[0]["Reference"] == first.facts["operation_id"]


@pytest.mark.parametrize(("mailbox", "word"), [(True, Word.CLAIMED), (False, Word.FAILED)])
async def test_a_scheduled_task_whose_answer_was_lost_is_found_and_followed_to_its_end_over_a_restart(
    lane: Lane, mailbox: bool, word: Word
) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("cut_after", endpoint="AddScheduledItem"))
    async with stage.desk() as desk:
        first = await stage.call(desk, "add_scheduled_item", AWAY)
    if not mailbox:
        stage.box.world.tenant(FABRIKAM).table("mailboxes").clear()
    assert first.word is Word.ACCEPTED, "our mark shows the task although the answer was lost"
    async with stage.desk() as desk:
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.ACCEPTED
        await advance(stage, 16 * 60)
        end = await stage.check(desk, first.facts["operation_id"])
    assert (end.word, len(end.facts["details"])) == (word, 1), end.envelope()
    assert stage.sent_to("AddScheduledItem") == 1


async def test_a_queued_app_is_followed_until_intune_lists_it(lane: Lane) -> None:
    stage = await lane.clean()
    app = {"tenants": [FABRIKAM], "package_name": "git", "application_name": "Git", "assign_to": "AllDevices"}
    async with stage.desk() as desk:
        first = await stage.call(desk, "add_chocolatey_app", app)
        assert (first.word, (await stage.check(desk, first.facts["operation_id"])).word) == (Word.ACCEPTED, Word.ACCEPTED)
        await advance(stage, 12 * 3600 + 1)
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.DONE


async def test_a_success_that_does_not_show_yet_is_pending_then_done_when_it_shows(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("lost", endpoint="ExecDisableUser"))
    async with stage.desk() as desk:
        first = await stage.call(desk, "set_user_sign_in", BLOCK)
        assert (first.word, first.changed, first.is_error) == (Word.PENDING, "unknown", False)
        user(stage.box, "ben", accountEnabled=False)  # the directory agrees with itself at last
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.DONE


async def test_the_only_one_of_its_kind_is_called_removed_where_cipp_said_so_and_the_list_follows(lane: Lane) -> None:
    """CIPP leaves out of that list what it cannot read: an empty part of it proves a success, and never undoes a failure."""
    stage = await lane.clean()
    tenant = stage.box.world.tenant(FABRIKAM)
    (script,) = (row for row in tenant.rows("scripts") if row["scriptType"] == "Remediation")
    given = {"tenant_filter": FABRIKAM, "script_id": script["id"], "script_type": "Remediation"}
    async with stage.desk() as desk:
        stage.box.faults.add(Fault("lost", endpoint="RemoveIntuneScript"))
        first = await stage.call(desk, "remove_intune_script", given)
        assert first.word is Word.PENDING
        del tenant.table("scripts")[script["id"]]
        assert (await stage.check(desk, first.facts["operation_id"])).word is Word.DONE


# -- the same call again -----------------------------------------------------------------------------------


async def test_an_open_call_is_answered_with_its_own_operation_and_not_sent_again(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("cut_before", endpoint="ExecDisableUser"))
    async with stage.desk() as desk:
        first = await stage.call(desk, "set_user_sign_in", BLOCK)
        assert first.word is Word.UNKNOWN
        again = await stage.call(desk, "set_user_sign_in", BLOCK)
        assert (again.facts["operation_id"], again.word) == (first.facts["operation_id"], Word.UNKNOWN)
        locked = await stage.call(desk, "set_user_sign_in", ALLOW)
        assert locked.word is Word.REFUSED, "this action on this target is locked"
        other = await stage.call(desk, "revoke_user_sessions", {"tenant_filter": FABRIKAM, "user_id": BEN})
        assert other.word in {Word.DONE, Word.CLAIMED}, "another action is not"
        stage.clock.shift += 15 * 60 + 1
        later = await stage.call(desk, "set_user_sign_in", BLOCK)
        assert later.word is Word.DONE, "the lock ends by itself"
    assert stage.sent_to("ExecDisableUser") == 2


async def test_a_done_set_is_sent_again_because_somebody_may_have_changed_it_back(lane: Lane) -> None:
    stage = await lane.clean()
    user(stage.box, "ben", accountEnabled=False)
    async with stage.desk() as desk:
        assert (await stage.call(desk, "set_user_sign_in", ALLOW)).word is Word.DONE
        user(stage.box, "ben", accountEnabled=False)
        assert (await stage.call(desk, "set_user_sign_in", ALLOW)).word is Word.DONE
    assert stage.sent_to("ExecDisableUser") == 2


async def test_any_other_done_write_asks_again_and_says_when_it_was_done(lane: Lane) -> None:
    stage = await lane.clean()
    group = {"tenant_filter": FABRIKAM, "display_name": "Project", "group_type": "generic"}
    async with stage.desk() as desk:
        assert (await stage.call(desk, "add_group", group)).word is Word.DONE
        stage.clock.shift += 4 * 60
        stage.person.says = Reply.NO
        again = await stage.call(desk, "add_group", group)
        assert again.word is Word.REFUSED
        assert "4 minutes ago" in str(stage.person.asked[-1].preview)
        stage.clock.shift += 7 * 60
        await advance(stage, 11 * 60)  # CIPP itself holds a group of the same name back for ten minutes
        assert (await stage.call(desk, "add_group", group)).word is Word.DONE, "after ten minutes it is a call like any other"
    assert stage.sent_to("AddGroup") == 2


async def test_ten_same_calls_at_the_same_moment_are_one(lane: Lane) -> None:
    """Nobody is asked for a group, so nothing but the operations keeps these apart."""
    stage = await lane.clean()
    group = {"tenant_filter": FABRIKAM, "display_name": "Project", "group_type": "generic"}
    words = []
    async with stage.desk() as desk, stage.desk() as other, anyio.create_task_group() as calls:

        async def one(number: int) -> None:
            words.append((await stage.call(other if number % 2 else desk, "add_group", group)).word)

        for number in range(10):
            calls.start_soon(one, number)
    assert stage.sent_to("AddGroup") == 1
    assert set(words) <= {Word.DONE, Word.PENDING}


async def test_a_push_is_not_repeated_by_a_clients_own_retry(lane: Lane) -> None:
    stage = await lane.clean()
    push = {"tenant_filter": FABRIKAM, "user_email": BEN}
    async with stage.desk() as desk:
        assert (await stage.call(desk, "send_mfa_push", push)).word is Word.CLAIMED
        assert (await stage.call(desk, "send_mfa_push", push)).word is Word.REFUSED
        stage.clock.shift += 61
        assert (await stage.call(desk, "send_mfa_push", push)).word is Word.CLAIMED
    assert len(stage.effects) == 2
