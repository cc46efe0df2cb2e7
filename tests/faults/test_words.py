"""What is said where the bare answer would say too much, or nothing of use: parts, probes, refusals, a caller's time-out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from cipp_mcp import settings, wiring
from cipp_mcp.demo.faults import Fault
from cipp_mcp.message import Word
from tests.faults.scenes import SKU, user
from tests.faults.stage import FABRIKAM, Lane, Pace

pytestmark = pytest.mark.anyio
BEN = f"ben@{FABRIKAM}"
BLOCK = {"tenant_filter": FABRIKAM, "user_id": BEN, "enabled": False}
REFRESH = {"trigger_refresh": True}


async def test_a_part_success_that_no_read_shows_is_not_said_to_have_changed_anything(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("mixed_200", endpoint="ExecDisableUser", effect="none"))
    async with stage.desk() as desk:
        said = await stage.call(desk, "set_user_sign_in", BLOCK)
    assert (said.word, said.changed, stage.effects) == (Word.PARTIAL, "unknown", [])
    assert "shows no change" in said.message


async def test_a_part_that_was_so_before_is_not_said_to_be_a_change(lane: Lane) -> None:
    """Two users, one of whom has the licence already; the call is lost before anything is done."""
    stage = await lane.clean()
    for name, held in (("ivo", []), ("ben", [{"skuId": SKU, "disabledPlans": []}])):
        user(stage.box, name, assignedLicenses=held, usageLocation="ES")
    both = {"tenant_filter": FABRIKAM, "user_ids": [f"ivo@{FABRIKAM}", BEN], "operation": "Add", "licenses": [SKU]}
    stage.box.faults.add(Fault("cut_before", endpoint="ExecBulkLicense"))
    async with stage.desk() as desk:
        said = await stage.call(desk, "set_user_licenses", both)
    assert (said.word, said.changed, stage.effects) == (Word.UNKNOWN, "unknown", []), said.envelope()


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault("gateway_502", endpoint="ListTenants", seconds=0), Word.UNKNOWN),
        (Fault("cut_before", endpoint="ListTenants"), Word.UNKNOWN),
        (Fault("empty", endpoint="ListTenants"), Word.UNKNOWN),
        (Fault("malformed", endpoint="ListTenants"), Word.UNKNOWN),
        (Fault("html", endpoint="ListTenants"), Word.UNKNOWN),
        (Fault("failed_200", endpoint="ListTenants"), Word.FAILED),
        (Fault("too_many", endpoint="ListTenants"), Word.FAILED),
        (Fault("role_403", endpoint="ListTenants"), Word.FAILED),
        (Fault("queued", endpoint="ListTenants", body={"Results": "Successfully started the refresh"}), Word.CLAIMED),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_a_list_that_starts_something_is_unknown_where_it_may_have_started_it(lane: Lane, fault: Fault, word: Word) -> None:
    stage = await lane.clean()
    stage.box.faults.add(fault)
    async with stage.desk() as desk:
        said = await stage.call(desk, "list_tenants", REFRESH)
    assert said.word is word, said.envelope()
    assert stage.sent_to("ListTenants") == 1, "what may have started something is not asked again"


async def test_a_refusal_while_the_target_is_read_names_the_role(lane: Lane) -> None:
    stage = await lane.clean()
    refusal = "Access to this CIPP API endpoint is not allowed, the 'readonly' base role does not have the required permission: "
    stage.box.faults.add(Fault("role_403", endpoint="ListUsers", times=None, text=f"{refusal}Identity.User.Read"))
    async with stage.desk() as desk:
        write = await stage.call(desk, "set_user_sign_in", BLOCK)
        read = await stage.call(desk, "get_user", {"tenant_filter": FABRIKAM, "user_id": BEN})
    assert (write.word, read.word) == (Word.REFUSED, Word.FAILED)
    assert write.facts["next_step"] == "Nothing was sent. Give the API client the role Identity.User.Read in CIPP."
    assert "Identity.User.Read" in read.facts["next_step"]


@pytest.mark.parametrize(("effect", "word"), [("done", Word.DONE), ("none", Word.UNKNOWN)])
async def test_a_write_keeps_to_the_callers_time_and_is_never_sent_again(lane: Lane, effect: Any, word: Word) -> None:
    stage = await lane.clean(Pace(write=30))
    stage.box.faults.add(Fault("hang", endpoint="ExecDisableUser", effect=effect))
    async with stage.desk() as desk:
        began = time.monotonic()
        said = await stage.call(desk, "set_user_sign_in", {**BLOCK, "request_options": {"timeout": 0.3}})
        took = time.monotonic() - began
    assert (said.word, stage.sent_to("ExecDisableUser")) == (word, 1)
    assert took < 5


async def test_a_time_out_above_the_operators_is_refused(lane: Lane) -> None:
    stage = await lane.clean(Pace(read=10))
    async with stage.desk() as desk:
        said = await stage.call(desk, "set_user_sign_in", {**BLOCK, "request_options": {"timeout": 11}})
    assert (said.word, stage.effects) == (Word.REFUSED, [])
    assert "at most 10, the operator's value" in str(said.facts["problems"])


async def test_who_is_in_more_groups_than_cipp_shows_may_be_in_a_protected_one(lane: Lane) -> None:
    stage = await lane.clean()
    (stage.home / "policy.toml").write_text('[protected]\ngroups = ["Board"]\n', encoding="utf-8")
    world = stage.box.world.tenant(FABRIKAM)
    async with stage.desk() as desk:
        assert (await stage.call(desk, "set_user_sign_in", BLOCK)).word is Word.DONE
        join(world, 100)
        said = await stage.call(desk, "set_user_sign_in", {**BLOCK, "enabled": True})
    assert said.word is Word.REFUSED
    assert "counts as protected" in said.message


def join(tenant: Any, count: int) -> None:
    """Ben becomes a member of so many further groups."""
    ben = tenant.user(BEN)["id"]
    pattern = next(row for row in tenant.rows("groups") if not row["groupTypes"])
    for number in range(count):
        tenant.add("groups", pattern | {"id": f"g{number:03}", "displayName": f"A {number:03}", "_members": [ben], "mail": None})


@pytest.mark.parametrize(("groups", "complete"), [(90, True), (100, False), (130, False)])
async def test_a_list_that_cipp_cuts_is_not_called_whole(lane: Lane, groups: int, complete: bool) -> None:
    stage = await lane.clean()
    join(stage.box.world.tenant(FABRIKAM), groups)
    async with stage.desk() as desk:
        said = await stage.call(desk, "list_user_groups", {"tenant_filter": FABRIKAM, "user_id": BEN})
    sheet_is_whole = said.facts["returned"] == said.facts["total"]
    assert said.facts["complete"] is (complete and sheet_is_whole)
    assert ("cuts this list at 100 rows" in said.facts.get("notice", "")) is not complete


async def test_an_operation_that_another_version_kept_is_found_with_its_lock(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("cut_before", endpoint="ExecDisableUser"))
    async with stage.desk() as desk:
        first = await stage.call(desk, "set_user_sign_in", BLOCK)
    operation = first.facts["operation_id"]
    vault = wiring.vault_of(settings.read(stage.environment()).home)
    file = f"operations/{operation}.json"
    record = json.loads(vault.read(file) or b"{}")["operation"]
    record = {k: v for k, v in record.items() if k != "others"} | {"of_a_newer_version": [1]}
    vault.replace(file, json.dumps({"operation": record, "mac": vault.seal("operation", record)}).encode())
    async with stage.desk() as desk:
        again = await stage.call(desk, "set_user_sign_in", BLOCK)
    assert (first.word, again.word, again.facts["operation_id"]) == (Word.UNKNOWN, Word.UNKNOWN, operation)
    assert stage.sent_to("ExecDisableUser") == 1
