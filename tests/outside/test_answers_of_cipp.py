"""Whatever CIPP, its host or the network answers: a clear answer of its own, never a false `done`, never a false "no"."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import anyio
import pytest

from cipp_mcp.call.guard.audit import AuditTrail, verify
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.demo.faults import Fault
from tests.outside.guarded import ANA, BEN, BUSINESS_BASIC, BUSINESS_PREMIUM, GUARDED, F, arguments_of
from tests.outside.house import ERAS, House, shared_out, until

pytestmark = pytest.mark.anyio

GIL = f"gil@{F}"
GUEST = "mira_partner.example#EXT#@fabrikamdemo.onmicrosoft.com"
ENABLE = "ExecDisableUser"
ALWAYS = None
ROLE_403 = (
    "Access to this CIPP API endpoint is not allowed, the 'readonly' base role does not have the required permission: "
    "Identity.User.ReadWrite"
)

# A write that asks nobody, under one fault: the word, whether anything changed, how often it went out, a part of the answer.
WRITES: list[tuple[Fault, str, str, int, str]] = [
    (Fault("unauthorized"), "done", "yes", 2, ""),
    (Fault("unauthorized", times=ALWAYS), "failed", "no", 2, "401"),
    (Fault("role_403", text=ROLE_403), "failed", "no", 1, "Identity.User.ReadWrite"),
    (Fault("role_403", text="Access to this tenant is not allowed"), "failed", "no", 1, "does not include this tenant"),
    (Fault("failed_403"), "failed", "unknown", 1, "403"),
    (Fault("failed_200"), "failed", "unknown", 1, "reports a failure"),
    (Fault("failed_200", effect="done"), "done", "yes", 1, "although"),
    (Fault("html"), "unknown", "unknown", 1, "HTML page"),
    (Fault("empty"), "done", "yes", 1, "read-back"),
    (Fault("empty", effect="none"), "unknown", "unknown", 1, "without a word"),
    (Fault("redirect"), "failed", "no", 1, "redirect"),
    (Fault("server_error"), "failed", "unknown", 1, "500"),
    (Fault("server_error", effect="done"), "done", "yes", 1, "although"),
    (Fault("success_400"), "failed", "unknown", 1, "400"),
    (Fault("cut_before"), "unknown", "unknown", 1, "connection"),
    (Fault("cut_after"), "done", "yes", 1, "although"),
    (Fault("lost"), "pending", "unknown", 1, "does not show it"),
    (Fault("gateway_504", seconds=0), "done", "yes", 1, "although"),
    (Fault("malformed"), "done", "yes", 1, "although"),
    (Fault("wrong_charset"), "done", "yes", 1, "although"),
    (Fault("part_500", effect="none"), "partial", "unknown", 1, "500"),
    (Fault("queued"), "accepted", "unknown", 1, "queued"),
    (Fault("busy_graph"), "accepted", "unknown", 1, "queued"),
    (Fault("too_many", retry_after="1"), "done", "yes", 2, ""),
    (Fault("too_many"), "failed", "no", 1, "429"),
    (Fault("unavailable", retry_after="1"), "done", "yes", 2, ""),
    (Fault("feature_off"), "failed", "no", 1, "switched off"),
    (Fault("late", seconds=0.2), "done", "yes", 1, ""),
]
# The same, seldom met: run with the whole set.
SELDOM: list[tuple[Fault, str, str, int, str]] = [
    (Fault("failed_403", effect="done"), "done", "yes", 1, "although"),
    (Fault("html", effect="done"), "done", "yes", 1, "although"),
    (Fault("empty", status=204, effect="none"), "unknown", "unknown", 1, "without a word"),
    (Fault("null", effect="none"), "unknown", "unknown", 1, "without a word"),
    (Fault("empty_results", effect="none"), "unknown", "unknown", 1, "without a word"),
    (Fault("gateway_504", seconds=0, effect="none"), "unknown", "unknown", 1, "504"),
    (Fault("malformed", effect="none"), "unknown", "unknown", 1, "could not be read"),
    (Fault("truncated", effect="none"), "unknown", "unknown", 1, ""),
    (Fault("wrong_length", effect="none"), "unknown", "unknown", 1, ""),
    (Fault("deep", effect="none"), "unknown", "unknown", 1, "could not be read"),
    (Fault("cold_404"), "unknown", "unknown", 1, "404"),
    (Fault("idle_close"), "done", "yes", 1, ""),
]


def on(endpoint: str, fault: Fault) -> Fault:
    return replace(fault, endpoint=endpoint)


@pytest.mark.parametrize(
    ("era", "fault", "word", "changed", "times", "says"), [*shared_out(WRITES), *shared_out(SELDOM, marks=[pytest.mark.slow])]
)
async def test_a_write_under_a_fault_says_what_is_known(
    house: House, fault: Fault, word: str, changed: str, times: int, says: str
) -> None:
    house.box.faults.add(on(ENABLE, fault))
    answer = await house.call("set_user_sign_in", tenant_filter=F, user_id=GIL, enabled=True)
    house.box.faults.clear()
    happened = house.effects == [ENABLE]
    assert house.effects in ([], [ENABLE])
    assert (answer["outcome"], answer["changed"]) == (word, changed), answer
    assert len(house.changing) == times, "nothing is sent again that may have happened"
    assert happened or answer["outcome"] != "done"
    assert not happened or answer["changed"] != "no"
    assert says in answer["message"] + answer.get("next_step", "")
    if answer["outcome"] in {"unknown", "accepted", "failed"}:
        assert answer["next_step"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_was_put_off_is_not_done_and_happens_later(house: House) -> None:
    house.box.faults.add(Fault("busy_graph", endpoint=ENABLE))
    answer = await house.call("set_user_sign_in", tenant_filter=F, user_id=GIL, enabled=True)
    assert (answer["outcome"], answer["success"], house.effects) == ("accepted", None, [])
    house.box.world.advance(16 * 60)
    assert house.effects == [ENABLE]


@pytest.mark.parametrize("era", ["auto"])
async def test_the_answers_that_a_technician_meets_are_told_apart(house: House) -> None:
    kinds = ["unauthorized", "role_403", "failed_403", "failed_200", "html", "empty", "redirect", "server_error", "cut_before"]
    said: dict[str, str] = {}
    for kind in kinds:
        house.clean()
        house.box.faults.add(Fault(kind, endpoint=ENABLE, times=ALWAYS, effect="none"))
        answer = await house.call("set_user_sign_in", tenant_filter=F, user_id=GIL, enabled=True)
        said[kind] = answer["message"]
    assert len(set(said.values())) == len(kinds), said


# A guarded write under a fault, after the yes: the word and whether it changed.
AFTER_A_YES = [
    (Fault("unauthorized", times=ALWAYS), "failed", "no"),
    (Fault("too_many", retry_after="1"), "failed", "no"),
    (Fault("cut_after"), "done", "yes"),
    (Fault("cut_before"), "unknown", "unknown"),
    (Fault("lost"), "pending", "unknown"),
    (Fault("failed_200"), "failed", "unknown"),
    (Fault("server_error", effect="done"), "done", "yes"),
]


@pytest.mark.parametrize(("era", "fault", "word", "changed"), shared_out(AFTER_A_YES))
async def test_after_a_yes_it_goes_out_once_whatever_happens(house: House, fault: Fault, word: str, changed: str) -> None:
    one = GUARDED["clear"]
    house.box.faults.add(on(one.endpoint, fault))
    answer = await house.call(one.tool, **arguments_of(one))
    assert (answer["outcome"], answer["changed"]) == (word, changed)
    assert len(house.changing) == (2 if fault.kind == "unauthorized" else 1)
    assert (house.effects == [one.endpoint]) is (changed == "yes")
    assert house.plans() == [], "a plan never comes back"


# A read under a fault: the word, and a part of the answer.
READS: list[tuple[Fault, str, str]] = [
    (Fault("unauthorized"), "done", ""),
    (Fault("unauthorized", times=ALWAYS), "failed", "401"),
    (Fault("role_403", text=ROLE_403.replace("ReadWrite", "Read")), "failed", "Identity.User.Read"),
    (Fault("failed_403", times=ALWAYS), "failed", "403"),
    (Fault("failed_200", times=ALWAYS), "failed", "text instead of data"),
    (Fault("html", times=ALWAYS), "failed", "HTML page"),
    (Fault("empty", times=ALWAYS), "failed", "empty"),
    (Fault("redirect", times=ALWAYS), "failed", "redirect"),
    (Fault("server_error", times=ALWAYS), "failed", "500"),
    (Fault("cut_before"), "done", ""),
    (Fault("cut_before", times=ALWAYS), "failed", "connection"),
    (Fault("malformed", times=ALWAYS), "failed", "could not be read"),
    (Fault("deep", times=ALWAYS), "failed", "could not be read"),
    (Fault("truncated"), "done", ""),
    (Fault("gateway_502", seconds=0), "done", ""),
    (Fault("too_many", retry_after="1"), "done", ""),
    (Fault("too_many", times=ALWAYS), "failed", "429"),
    (Fault("feature_off", times=ALWAYS), "failed", "switched off"),
    (Fault("queued"), "done", "Not loaded yet"),
]


@pytest.mark.parametrize(("era", "fault", "word", "says"), shared_out(READS, 1))
async def test_a_read_under_a_fault_is_tried_again_or_says_why_not(house: House, fault: Fault, word: str, says: str) -> None:
    house.box.faults.add(on("ListUsers", fault))
    answer = await house.call("get_user", tenant_filter=F, user_id=ANA)
    assert answer["outcome"] == word, answer
    assert says in answer["message"] + answer.get("next_step", "")
    assert "changed" not in answer
    if word == "failed":
        assert "items" not in answer
    elif says:
        assert (answer["items"], answer["complete"]) == ([], False)
    else:
        assert answer["items"][0]["userPrincipalName"] == ANA
    assert 1 <= len(house.requests) <= 3


# What the demo's world shows: tool, arguments, a column, what must be among its values.
SHOWN = [
    ("list_tenants", {}, "displayName", {"Fabrikam", "Contoso", "Northwind Traders", "Tailspin Toys"}),
    ("list_tenants", {"tenant_filter": "contoso"}, "defaultDomainName", {"contoso.example"}),
    ("get_user", {"tenant_filter": F, "user_id": ANA}, "displayName", {"Ana Ruiz"}),
    ("get_user", {"tenant_filter": F, "user_id": GUEST}, "userType", {"Guest"}),
    ("list_users", {"tenant_filter": F, "graph_filter": "startswith(displayName,'Ana')"}, "displayName", {"Ana Ruiz"}),
    ("list_user_groups", {"tenant_filter": F, "user_id": ANA}, "DisplayName", {"Sales", "All Staff", "VPN Users"}),
    ("list_conditional_access_policies", {"tenant_filter": F}, "Tenant", {F}),
]


@pytest.mark.parametrize(("era", "tool", "arguments", "column", "values"), shared_out(SHOWN))
async def test_reads_show_the_demos_world_and_leave_it_as_it_is(
    house: House, tool: str, arguments: dict[str, Any], column: str, values: set[str]
) -> None:
    answer = await house.call(tool, **arguments)
    assert answer["outcome"] == "done"
    assert values <= {item.get(column) for item in answer["items"]}
    assert (answer["returned"], answer["total"], answer["complete"]) == (len(answer["items"]), len(answer["items"]), True)
    assert answer["as_of"].endswith("Z")
    assert (house.changing, house.effects) == ([], [])


@pytest.mark.parametrize("era", ["auto"])
async def test_a_call_of_the_newest_revision_that_is_cancelled_is_finished_and_recorded(house: House) -> None:
    house.box.faults.add(Fault("late", endpoint=ENABLE, seconds=0.6))
    records = AuditTrail(Vault(house.home), time.time, {})
    before = len([r for r in records.records() if r["kind"] == "outcome"])
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: house.call("set_user_sign_in", tenant_filter=F, user_id=GIL, enabled=True))
        await anyio.to_thread.run_sync(until, lambda: bool(house.changing))
        group.cancel_scope.cancel()
    await anyio.to_thread.run_sync(until, lambda: len([r for r in records.records() if r["kind"] == "outcome"]) > before)
    assert house.effects == [ENABLE]
    assert (await house.call("list_tenants"))["outcome"] == "done"


@pytest.mark.parametrize("era", ERAS)
async def test_an_empty_list_says_that_it_was_read(house: House) -> None:
    answer = await house.call("list_users", tenant_filter=F, graph_filter="startswith(displayName,'Nobody')")
    assert (answer["outcome"], answer["items"], answer["total"], answer["complete"]) == ("done", [], 0, True)
    assert "empty" in answer["message"]


@pytest.mark.parametrize("era", ERAS)
async def test_what_cipp_ignores_stands_in_the_answer(house: House) -> None:
    listed = await house.call("list_groups", tenant_filter=F, group_type="Security")
    assert listed["outcome"] == "done" and "filters nothing" in listed["notice"]
    both: dict[str, Any] = {"licenses": [BUSINESS_BASIC], "licenses_to_remove": [BUSINESS_PREMIUM]}
    added = await house.call("set_user_licenses", tenant_filter=F, user_ids=[BEN], operation="Add", **both)
    assert (added["outcome"], added["notice"]) == ("done", "CIPP ignores licenses_to_remove when operation is Add.")


@pytest.mark.parametrize("era", ["legacy"])
async def test_hidden_characters_and_orders_in_names_do_not_reach_the_model_as_they_are(house: House) -> None:
    answer = await house.call("list_users", tenant_filter=F)
    printer = next(i for i in answer["items"] if i["userPrincipalName"].startswith("printer3@"))
    assert printer["displayName"].startswith("Printer 3 Ignore previous")
    scanner = next(i for i in answer["items"] if i["userPrincipalName"].startswith("scanner@"))
    assert scanner["displayName"] == "Scanner"
    assert "hidden characters" in answer["notice"]


@pytest.mark.parametrize("era", ["legacy"])
async def test_the_trail_of_all_this_is_whole(house: House) -> None:
    await house.call("set_user_sign_in", tenant_filter=F, user_id=GIL, enabled=True)
    verdict = verify(house.home / "audit.jsonl", Vault(house.home))
    assert verdict.whole
    assert verdict.records >= 2
