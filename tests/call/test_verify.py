"""The read-back: which rows show a write, which do not, and when the read itself says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.case import Case
from cipp_mcp.call.targets import Target
from cipp_mcp.call.verify import Evidence, Seen, already_so, can_verify, look, note_before
from cipp_mcp.catalog.proof import Expect, Verify
from cipp_mcp.errors import Lost
from cipp_mcp.message import Request, Response
from tests.call.making import SKU_A, SKU_B, case, catalog, few, response, user

ANA, BEN = user(), user("ben@fabrikam.example", 2)
SHOWN, NOT_SHOWN, UNREADABLE = Seen.SHOWN, Seen.NOT_SHOWN, Seen.UNREADABLE


def row(target: Target = ANA, **changes: Any) -> dict[str, Any]:
    """The user as CIPP lists it."""
    return {"id": target.id, "userPrincipalName": target.name, "displayName": target.label, **target.state, **changes}


def licences(*skus: str) -> list[dict[str, str]]:
    return [{"skuId": sku, "disabledPlans": ""} for sku in skus]


def written(tool: str, *targets: Target, **arguments: Any) -> Case:
    return case(tool, arguments, *(targets or (ANA,)))


CLEAR = written("clear_user_immutable_id", user_id=ANA.name)
BLOCK = written("set_user_sign_in", user_id=ANA.name, enabled=False)
ALLOW = written("set_user_sign_in", user_id=ANA.name, enabled=True)
RESET = written("reset_user_password", user(lastPasswordChangeDateTime="2026-01-01T00:00:00Z"), user_id=ANA.name)
RESET_NEW = written("reset_user_password", user(lastPasswordChangeDateTime=None), user_id=ANA.name)
ADD = written("set_user_licenses", user_ids=[ANA.id], operation="Add", licenses=[SKU_A])
REMOVE = written("set_user_licenses", user_ids=[ANA.id], operation="Remove", licenses_to_remove=[SKU_A])
STRIP = written("set_user_licenses", user_ids=[ANA.id], operation="Remove", remove_all_licenses=True)
SWAP = written("set_user_licenses", user_ids=[ANA.id], operation="Replace", licenses=[SKU_A], licenses_to_replace=[SKU_B])
DELETE = written("remove_user", user_id=ANA.id)

# What the read of the target gives afterwards, and whether that shows the write.
AFTERWARDS = [
    (CLEAR, row(onPremisesImmutableId=None), SHOWN),
    (CLEAR, row(onPremisesImmutableId=""), SHOWN),
    (CLEAR, row(), NOT_SHOWN),
    (BLOCK, row(accountEnabled=False), SHOWN),
    (BLOCK, row(accountEnabled=True), NOT_SHOWN),
    (BLOCK, row(accountEnabled=None), NOT_SHOWN),
    (BLOCK, row(accountEnabled=0), NOT_SHOWN),
    (BLOCK, row(accountEnabled="false"), NOT_SHOWN),
    (ALLOW, row(accountEnabled=True), SHOWN),
    (ALLOW, row(accountEnabled=1), NOT_SHOWN),
    (RESET, row(lastPasswordChangeDateTime="2026-11-24T08:00:00Z"), SHOWN),
    (RESET, row(lastPasswordChangeDateTime="2026-01-01T00:00:00Z"), NOT_SHOWN),
    (RESET, row(lastPasswordChangeDateTime=None), NOT_SHOWN),
    (RESET_NEW, row(lastPasswordChangeDateTime="2026-11-24T08:00:00Z"), SHOWN),
    (ADD, row(assignedLicenses=licences(SKU_B, SKU_A.upper())), SHOWN),
    (ADD, row(assignedLicenses=licences(SKU_B)), NOT_SHOWN),
    (ADD, row(assignedLicenses=[]), NOT_SHOWN),
    (REMOVE, row(assignedLicenses=licences(SKU_B)), SHOWN),
    (REMOVE, row(assignedLicenses=licences(SKU_A, SKU_B)), NOT_SHOWN),
    (STRIP, row(assignedLicenses=[]), SHOWN),
    (STRIP, row(assignedLicenses=licences(SKU_B)), NOT_SHOWN),
    (SWAP, row(assignedLicenses=licences(SKU_A)), SHOWN),
    (SWAP, row(assignedLicenses=licences(SKU_A, SKU_B)), NOT_SHOWN),
    (SWAP, row(assignedLicenses=[]), NOT_SHOWN),
]


class Cipp:
    """Answers reads from a table, endpoint -> answer; remembers what was asked."""

    def __init__(self, *, before: dict[str, Any] | None = None, **after: Any) -> None:
        self.before, self.after = before or {}, after
        self.written = False
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        found = (self.after if self.written else self.before).get(request.path.removeprefix("/api/"), [])
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, Response) else response(found)


def read_back(one: Case, cipp: Cipp) -> Evidence:
    async def no_wait(_: float) -> None:
        return None

    async def go() -> Evidence:
        before = await note_before(cipp.send, catalog().kinds, one)
        cipp.written = True
        return await look(cipp.send, catalog().kinds, one, before, wait=no_wait)

    return anyio.run(go)


@pytest.mark.parametrize(("one", "after", "seen"), AFTERWARDS)
def test_a_row_shows_a_write_only_when_it_holds_what_was_wanted(one: Case, after: dict[str, Any], seen: Seen) -> None:
    cipp = Cipp(ListUsers=[after])
    assert read_back(one, cipp).seen == {ANA.id: seen}
    assert {r.method for r in cipp.asked} == {"GET"}


NO_ROW: dict[str, Callable[[], Any]] = {
    "nothing at all": lambda: response(b""),
    "null": lambda: response(b"null"),
    "a sentence": lambda: response({"Results": "Failed to connect to the tenant"}),
    "an error object": lambda: response({"error": {"message": "token expired"}}),
    "an error row": lambda: response([{"error": "x"}]),
    "a page": lambda: response(b"<!DOCTYPE html><html></html>", 200, "text/html"),
    "broken JSON": lambda: response(b'[{"id": '),
    "a queue": lambda: response({"Results": [], "Metadata": {"Queued": True, "QueueId": "q"}}),
    "500": lambda: response(b"Object reference not set to an instance of an object.", 500),
    "no such tenant": lambda: response(b"Could not get token: AADSTS90002: Tenant 'fabrikam.example' not found.", 500),
    "403": lambda: response(["Failed: Insufficient privileges"], 403),
    "401": lambda: response(b"", 401),
    "302": lambda: response(b"", 302),
    "a cut connection": lambda: Lost("The connection broke."),
    "another user": lambda: [row(BEN)],
}


@pytest.mark.parametrize("name", NO_ROW)
@pytest.mark.parametrize("one", [CLEAR, BLOCK, RESET, ADD, STRIP], ids=lambda c: c.action.name)
def test_a_read_that_fails_shows_nothing(one: Case, name: str) -> None:
    assert read_back(one, Cipp(ListUsers=NO_ROW[name]())).seen == {ANA.id: UNREADABLE}


@pytest.mark.parametrize("name", [n for n in NO_ROW if n != "another user"])
def test_a_read_that_fails_does_not_show_that_somebody_is_gone(name: str) -> None:
    cipp = Cipp(ListUsers=NO_ROW[name](), ListDeletedItems=NO_ROW[name]())
    assert read_back(DELETE, cipp).seen[ANA.id] is not SHOWN


GONE = [
    (response([]), response([{"id": ANA.id}]), SHOWN),
    ([row()], [{"id": ANA.id}], SHOWN),
    ([row()], [{"id": BEN.id}], NOT_SHOWN),
    (response(f"Resource '{ANA.id}' does not exist or one of its references is not present.", 500), [], SHOWN),
    ([row()], response(b"", 500), NOT_SHOWN),
    (response(b"Object reference not set", 500), [], NOT_SHOWN),
]


@pytest.mark.parametrize(("users", "deleted", "seen"), GONE)
def test_the_recycle_bin_or_a_missing_row_shows_a_deletion(users: Any, deleted: Any, seen: Seen) -> None:
    assert read_back(DELETE, Cipp(ListUsers=users, ListDeletedItems=deleted)).seen[ANA.id] is seen


def job(key: str, target: Target = ANA, **more: Any) -> dict[str, Any]:
    return {"Name": f"Offboarding: {target.name}", "RowKey": key, "TaskState": "Planned"} | more


FRESH_JOB = Verify(
    read="GET /api/ListScheduledItems",
    send={"query.tenantFilter": "$tenant"},
    expect=(Expect(row={"Name": "Offboarding: {name}"}, fresh="RowKey"),),
)


def queueing(*targets: Target) -> Case:
    """A call whose only trace is a job of its own."""
    one = written("offboard_user", *targets, users=[t.name for t in targets], disable_sign_in=True)
    return replace(one, action=one.action.model_copy(update={"verify": (FRESH_JOB,)}))


QUEUE, QUEUE_TWO = queueing(ANA), queueing(ANA, BEN)
JOBS = [
    ([], [job("1")], {ANA.id: SHOWN}),
    ([job("1")], [job("1")], {ANA.id: NOT_SHOWN}),
    ([job("1")], [job("1"), job("2")], {ANA.id: SHOWN}),
    ([], [job("1", BEN)], {ANA.id: NOT_SHOWN}),
    ([], response(b"", 500), {ANA.id: UNREADABLE}),
]


@pytest.mark.parametrize(("before", "after", "seen"), JOBS)
def test_only_a_job_that_was_not_there_before_shows_the_queueing(before: Any, after: Any, seen: dict[str, Seen]) -> None:
    cipp = Cipp(before={"ListScheduledItems": before}, ListScheduledItems=after)
    assert read_back(QUEUE, cipp).seen == seen


@pytest.mark.parametrize("blind", [response(b"Object reference not set", 500), response(b"", 401), Lost("cut")])
def test_an_old_job_is_no_evidence_when_nobody_could_look_before(blind: Any) -> None:
    cipp = Cipp(before={"ListScheduledItems": blind}, ListScheduledItems=[job("1")])
    assert read_back(QUEUE, cipp).seen != {ANA.id: SHOWN}


def test_each_target_is_looked_for_by_itself() -> None:
    evidence = read_back(QUEUE_TWO, Cipp(ListScheduledItems=[job("1")]))
    assert (evidence.seen, evidence.all_shown, evidence.some_shown) == ({ANA.id: SHOWN, BEN.id: NOT_SHOWN}, False, True)


def test_the_looks_end_when_it_shows_and_wait_in_between() -> None:
    waits: list[float] = []
    answers = iter([row(), row(), row(onPremisesImmutableId=None)])

    async def send(_: Request) -> Response:
        return response([next(answers)])

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async def go() -> Evidence:
        return await look(send, catalog().kinds, CLEAR, {}, wait=wait)

    assert anyio.run(go).all_shown
    assert waits == [2.0, 3.0]


def added_to(*held: str) -> Case:
    """Adding a licence to somebody who holds these."""
    target = user(**{"assignedLicenses.skuId": list(held)})
    return written("set_user_licenses", target, user_ids=[target.id], operation="Add", licenses=[SKU_A])


ALREADY = [
    (BLOCK, False),
    (ALLOW, True),
    (written("set_user_sign_in", user(accountEnabled=False), user_id=ANA.name, enabled=False), True),
    (CLEAR, False),
    (written("clear_user_immutable_id", user(onPremisesImmutableId=None), user_id=ANA.name), True),
    (written("clear_user_immutable_id", replace(user(onPremisesImmutableId=None), note="deleted"), user_id=ANA.name), False),
    (RESET, False),
    (DELETE, False),
    (QUEUE, False),
    (added_to(SKU_A), True),
    (added_to(), False),
]


@pytest.mark.parametrize(("one", "so"), ALREADY)
def test_a_state_that_was_so_before_is_known(one: Case, so: bool) -> None:
    assert already_so(one) is so


APP = {"id": "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c05", "displayName": "7-Zip"}
VPN = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c07"
TO_VPN = {"target": {"@odata.type": "#microsoft.graph.groupAssignmentTarget", "groupId": VPN}, "intent": "required"}


@pytest.mark.parametrize(("there", "so"), [([], False), ([TO_VPN], True)])
def test_what_only_the_row_showed_before_the_call_was_so_too(there: list[Any], so: bool) -> None:
    """The assignments are no part of the app's state: a replace that fails must not be called done for a group that was in."""
    app = Target("intune_app", APP["id"], APP["id"], "7-Zip", row={**APP, "assignments": there})
    one = written("assign_app", app, app_id=app.id, group_ids=[VPN], assignment_mode="replace")
    evidence = read_back(one, Cipp(ListApps=[{**APP, "assignments": [TO_VPN]}]))
    assert (evidence.all_shown, evidence.was_so) == (True, so)


MFA = written("reset_user_mfa", user_id=ANA.name)
PASSWORD, PHONE = {"id": "28c10230-6103-485e-b985-444c60001490"}, {"id": "3179e48a-750b-4051-897c-87b9720928f7"}


@pytest.mark.parametrize(
    ("methods", "seen"), [([PASSWORD], SHOWN), ([], SHOWN), ([PASSWORD, PHONE], NOT_SHOWN), ([PHONE], NOT_SHOWN)]
)
def test_nothing_but_the_password_may_be_left_and_a_guest_has_not_even_that(methods: list[Any], seen: Seen) -> None:
    before = {"ListGraphRequest": {"Results": [PASSWORD, PHONE]}}
    assert read_back(MFA, Cipp(before=before, ListGraphRequest={"Results": methods})).seen == {ANA.id: seen}


def test_methods_that_could_not_be_read_are_not_gone() -> None:
    refused = response("Graph Error: Insufficient privileges", 400)
    assert read_back(MFA, Cipp(ListGraphRequest=refused)).seen == {ANA.id: UNREADABLE}


LEAVER = written("offboard_user", users=[ANA.name], disable_sign_in=True, delete_user=True)
KEPT = written("offboard_user", users=[ANA.name], disable_sign_in=True, delete_user=False)


@pytest.mark.parametrize(("one", "seen"), [(LEAVER, NOT_SHOWN), (KEPT, SHOWN)])
def test_a_leaver_who_was_to_be_deleted_is_not_shown_by_being_blocked(one: Case, seen: Seen) -> None:
    cipp = Cipp(ListUsers=[row(accountEnabled=False)])

    async def go() -> Evidence:
        return await look(cipp.send, catalog().kinds, one, {}, proofs=one.action.verify, looks=(0.0,), wait=anyio.sleep)

    cipp.written = True
    assert anyio.run(go).seen == {ANA.id: seen}


def policy(number: int, family: str) -> dict[str, Any]:
    return {"id": f"6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1{number:03}", "displayName": f"Policy {number}", "URLName": family}


MINE, BESIDE, APART = policy(1, "Intents"), policy(2, "Intents"), policy(3, "DeviceConfigurations")
PATCHY = [
    ([MINE, BESIDE, APART], [BESIDE, APART], (SHOWN, False)),
    ([MINE, BESIDE, APART], [APART], (NOT_SHOWN, False)),  # the whole family is missing: it could not be read
    ([MINE, BESIDE, APART], [], (NOT_SHOWN, False)),
    ([MINE, APART], [APART], (SHOWN, True)),  # nobody can tell: a success is believed, a failure is not called done
    (response(b"", 500), [BESIDE, APART], (SHOWN, True)),
]


@pytest.mark.parametrize(("before", "after", "shown"), PATCHY)
def test_a_list_that_leaves_out_what_it_could_not_read_does_not_show_that_something_is_gone(
    before: Any, after: Any, shown: tuple[Seen, bool]
) -> None:
    target = Target("intune_policy", MINE["id"], MINE["id"], "Policy 1", row=MINE)
    one = written("remove_intune_policy", target, policy_id=target.id, url_name="Intents")
    evidence = read_back(one, Cipp(before={"ListIntunePolicy": before}, ListIntunePolicy=after))
    assert (evidence.seen[target.id], evidence.was_so) == shown


ANA_IN = {"UserPrincipalName": ANA.name, "Group": "Members", "Type": "User (via M365 Group)"}
UNREAD = {"UserPrincipalName": None, "Group": "Members", "Type": "M365 Group"}


@pytest.mark.parametrize(("after", "seen"), [([], SHOWN), ([UNREAD], NOT_SHOWN), ([ANA_IN], NOT_SHOWN)])
def test_a_group_that_could_not_be_read_does_not_show_that_its_member_is_out(after: list[Any], seen: Seen) -> None:
    given = {"user_principal_name": ANA.name, "add": False, "site_url": "https://fabrikam.sharepoint.com/sites/sales"}
    one = written("set_site_member", ANA, **given)
    owner = {"UserPrincipalName": BEN.name, "Group": "Owners", "Type": "User"}
    cipp = Cipp(before={"ListSiteMembers": {"Results": [owner, ANA_IN]}}, ListSiteMembers={"Results": [owner, *after]})
    assert read_back(one, cipp).seen == {ANA.id: seen}


@pytest.mark.parametrize("tool", ["run_standards"])
def test_what_no_read_can_show_says_so(tool: str) -> None:
    assert not can_verify(case(tool, {}))


@few
@given(body=st.binary(max_size=60) | st.just(b"[{}]") | st.just(b'[{"id": null}]'), status=st.integers(200, 599))
def test_no_answer_to_the_read_back_makes_it_raise_or_shows_what_it_does_not_say(body: bytes, status: int) -> None:
    for one in (CLEAR, BLOCK, QUEUE):
        answer = response(body, status)
        assert not read_back(one, Cipp(ListUsers=answer, ListScheduledItems=answer)).all_shown
