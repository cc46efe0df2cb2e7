"""A client that cannot ask anybody, as Claude Desktop's: without a yes beside it, nothing that changes anything leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import anyio
import pytest

from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.guard.seal import Vault
from tests.outside.guarded import ANA, BEN, GUARDED, F, arguments_of
from tests.outside.house import ERAS, WITHIN, House, opened, shared_out, until

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def houses(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, House]]:
    """One house for each era, whose client cannot ask anybody."""
    async with AsyncExitStack() as stack:
        impatient = {"CIPP_MCP_ANSWER_WITHIN": "5"}
        yield {
            era: await stack.enter_async_context(opened(era, tmp_path_factory.mktemp(era), impatient, asks=False)) for era in ERAS
        }


MADE_UP: list[Any] = ["plan_" + "0" * 32, "yes", True]


@pytest.mark.parametrize(("era", "name"), shared_out(GUARDED))
async def test_no_confirm_and_a_made_up_confirm_send_nothing(house: House, name: str) -> None:
    one = GUARDED[name]
    first = await house.call(one.tool, **arguments_of(one))
    assert (first["outcome"], first["success"], first["changed"]) == ("needs_approval", False, "no")
    assert first["plan_id"] in first["approve_with"]
    assert {"plan", "expires_at", "next_step", "tenant"} <= set(first)
    assert first["plan"]["digest"] == house.plans()[0].short
    for confirm in MADE_UP:
        again = await house.call(one.tool, **arguments_of(one, confirm=confirm))
        assert (again["outcome"], again["changed"]) == ("refused", "no"), confirm
    assert (await house.call(one.tool, **arguments_of(one)))["plan_id"] == first["plan_id"], "the same plan still waits"
    assert len(house.plans()) == 1
    assert (house.changing, house.effects) == ([], [])


# A plan of the first call, and a call that is not exactly the first one.
SWAPS = [
    (GUARDED["clear"].tool, {"user_id": ANA}, GUARDED["clear"].tool, {"user_id": f"jun@{F}"}),
    (GUARDED["clear"].tool, {"user_id": ANA}, "remove_user", {"user_id": ANA}),
    ("set_user_sign_in", {"user_id": BEN, "enabled": False}, "set_user_sign_in", {"user_id": BEN, "enabled": True}),
    ("remove_user", {"user_id": ANA}, "remove_user", {"user_id": "ana@contoso.example", "tenant_filter": "contoso.example"}),
    ("remove_user", {"user_id": ANA}, "remove_user", {"user_id": "ana@fabrlkam.example", "tenant_filter": "fabrlkam.example"}),
    ("reset_user_password", {"user_id": ANA}, "reset_user_password", {"user_id": ANA, "must_change": False}),
    ("reset_user_password", {"user_id": ANA}, "reset_user_password", {"user_id": ANA, "display_name": "Ana"}),
    ("offboard_user", {"users": [ANA], "remove_groups": True}, "offboard_user", {"users": [ANA], "delete_user": True}),
    ("offboard_user", {"users": [ANA], "remove_groups": True}, "offboard_user", {"users": [ANA, BEN], "remove_groups": True}),
]


@pytest.mark.parametrize(("era", "tool", "planned", "other_tool", "called"), shared_out(SWAPS))
async def test_a_yes_to_one_plan_runs_no_other_call(
    house: House, tool: str, planned: dict[str, Any], other_tool: str, called: dict[str, Any]
) -> None:
    first = await house.call(tool, tenant_filter=F, **planned)
    house.approve(first["plan_id"])
    other = await house.call(other_tool, **({"tenant_filter": F} | called | {"confirm": first["plan_id"]}))
    assert (other["outcome"], other["changed"]) == ("refused", "no")
    assert "plan" in other["message"] or "confirm" in other["message"]
    assert (house.changing, house.effects) == ([], [])


@pytest.mark.parametrize("era", ["legacy"])
async def test_a_plan_that_nobody_approved_is_handed_out_again_when_the_time_is_up(house: House) -> None:
    first = await house.call("remove_user", tenant_filter=F, user_id=ANA)
    waited = await house.call("remove_user", tenant_filter=F, user_id=ANA, confirm=first["plan_id"])
    assert (waited["outcome"], waited["plan_id"]) == ("needs_approval", first["plan_id"])
    assert (house.changing, house.effects) == ([], [])


def aged(house: House, plan: Plan, seconds: float) -> None:
    """Rewrite a plan, with a good seal, as if it had been made earlier."""
    vault = Vault(house.home)
    old = replace(plan, created=plan.created - seconds, expires=plan.expires - seconds).record()
    file = house.home / "plans" / f"{plan.id}.json"
    file.write_text(json.dumps({"plan": old, "mac": vault.seal("plan", old)}), encoding="utf-8")


@pytest.mark.parametrize("era", ERAS)
async def test_an_expired_plan_is_refused(house: House) -> None:
    first = await house.call("remove_user", tenant_filter=F, user_id=ANA)
    aged(house, house.plans()[0], 16 * 60)
    late = await house.call("remove_user", tenant_filter=F, user_id=ANA, confirm=first["plan_id"])
    assert (late["outcome"], "expired" in late["message"]) == ("refused", True)
    assert (house.changing, house.effects) == ([], [])


@pytest.mark.parametrize("era", ["auto"])
async def test_a_yes_in_the_arguments_or_beside_them_is_none(house: House) -> None:
    for extra in ({"confirmed": True}, {"phrase": ANA}, {"approve": "yes"}, {"confirm": {"phrase": ANA}}, {"confirm": [True]}):
        answer = await house.call("clear_user_immutable_id", tenant_filter=F, user_id=ANA, **extra)
        assert answer["outcome"] == "refused"
    with_state = await house.client.session.call_tool(
        "clear_user_immutable_id",
        {"tenant_filter": F, "user_id": ANA},
        input_responses={"confirm": {"action": "accept", "content": {"phrase": ANA}}},
        allow_input_required=True,
    )
    assert with_state.structured_content["outcome"] == "needs_approval"
    assert (house.changing, house.effects) == ([], [])


PROTECTED = [
    ("remove_user", {"user_id": f"Sync_FABDC01_0d3a1c@{F.replace('.example', 'demo.onmicrosoft.com')}"}, "synchronises"),
    (
        "remove_user",
        {"tenant_filter": "contoso.example", "user_id": "admin@contoso.example"},
        "last enabled Global Administrator",
    ),
    (
        "set_user_sign_in",
        {"tenant_filter": "contoso.example", "user_id": "admin@contoso.example", "enabled": False},
        "last enabled Global Administrator",
    ),
    ("remove_user", {"user_id": f"nobody@{F}"}, "no user"),
    ("remove_user", {"tenant_filter": "woodgrove.example", "user_id": "ana@woodgrove.example"}, "No tenant"),
    ("remove_user", {"tenant_filter": "Northwind Traders", "user_id": "glen@northwind-uk.example"}, "2 tenants"),
    ("remove_user", {"user_id": ANA, "user_principal_name": BEN}, "is not the user_id"),
    ("set_user_licenses", {"user_ids": [ANA, BEN, ANA.upper()], "operation": "Add", "licenses": ["x"]}, "twice"),
]


@pytest.mark.parametrize(("era", "tool", "arguments", "says"), shared_out(PROTECTED))
async def test_what_is_never_touched_does_not_even_get_a_plan(
    house: House, tool: str, arguments: dict[str, Any], says: str
) -> None:
    answer = await house.call(tool, **({"tenant_filter": F} | arguments))
    assert (answer["outcome"], says in answer["message"]) == ("refused", True), answer
    assert (house.plans(), house.changing, house.effects) == ([], [], [])


@pytest.mark.parametrize("era", ERAS)
async def test_a_set_for_one_target_asks_nobody_and_takes_no_confirm(house: House) -> None:
    confirmed = await house.call(
        "set_user_sign_in", tenant_filter=F, user_id=f"gil@{F}", enabled=True, confirm="plan_" + "0" * 32
    )
    assert confirmed["outcome"] == "refused"
    assert house.effects == []
    answer = await house.call("set_user_sign_in", tenant_filter=F, user_id=f"gil@{F}", enabled=True)
    assert (answer["outcome"], house.effects) == ("done", ["ExecDisableUser"])


# ------------------------------------------------------------------------------------------- a yes beside the client


@pytest.mark.parametrize(("era", "name"), shared_out(["clear", "license two", "block"]))
async def test_a_stored_yes_runs_the_same_call_once(house: House, name: str) -> None:
    one = GUARDED[name]
    plan_id = (await house.call(one.tool, **arguments_of(one)))["plan_id"]
    house.approve(plan_id)
    assert (house.changing, house.effects) == ([], [])
    answer = await house.call(one.tool, **arguments_of(one, confirm=plan_id))
    assert answer["outcome"] == one.word
    again = await house.call(one.tool, **arguments_of(one, confirm=plan_id))
    assert again["outcome"] == "refused"
    assert [r.endpoint for r in house.changing] == [one.endpoint]
    assert set(house.effects) == {one.endpoint}


@pytest.mark.parametrize("era", ["legacy"])
async def test_a_waiting_call_runs_the_moment_that_a_person_says_yes(house: House) -> None:
    one = GUARDED["clear"]
    plan_id = (await house.call(one.tool, **arguments_of(one)))["plan_id"]
    ended: list[dict[str, Any]] = []

    async def waits() -> None:
        ended.append(await house.call(one.tool, **arguments_of(one, confirm=plan_id)))

    reads = len(house.requests)
    with anyio.fail_after(WITHIN):
        async with anyio.create_task_group() as group:
            group.start_soon(waits)
            await anyio.to_thread.run_sync(until, lambda: len(house.requests) > reads)
            assert house.effects == []
            house.approve(plan_id)
    assert (ended[0]["outcome"], house.effects) == ("done", ["ExecClrImmId"])


@pytest.mark.parametrize("era", ["legacy"])
async def test_a_state_that_changed_after_the_yes_makes_the_plan_stale(house: House) -> None:
    one = GUARDED["clear"]
    plan_id = (await house.call(one.tool, **arguments_of(one)))["plan_id"]
    house.approve(plan_id)
    row = house.box.world.tenant(F).user(ANA)
    assert row is not None
    row["onPremisesImmutableId"] = "another"
    for _ in range(2):
        answer = await house.call(one.tool, **arguments_of(one, confirm=plan_id))
        assert (answer["outcome"], answer["changed"]) == ("refused", "no")
    assert (house.plans(), house.changing, house.effects) == ([], [], [])
