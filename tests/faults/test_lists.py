"""Lists say how whole and how old they are, why they are empty, and CIPP never builds the same list twice for us."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from cipp_mcp.demo.faults import Fault
from cipp_mcp.message import Word
from tests.faults.stage import FABRIKAM, Lane, Stage

pytestmark = pytest.mark.anyio
EVERYWHERE = {"tenant_filter": "AllTenants"}
BUILT = ["list_conditional_access_policies", "list_mfa_users", "list_licenses"]
ENDPOINTS = {
    "list_conditional_access_policies": "ListConditionalAccessPolicies",
    "list_mfa_users": "ListMFAUsers",
    "list_licenses": "ListLicenses",
}


def cold(stage: Stage) -> Stage:
    """CIPP has built no list yet."""
    stage.box.world.table("caches").clear()
    return stage


def queues(stage: Stage) -> int:
    return len(stage.box.world.rows("queues"))


@pytest.mark.parametrize("tool", BUILT)
async def test_a_list_that_is_being_built_is_polled_and_never_built_again(lane: Lane, tool: str) -> None:
    stage = cold(await lane.clean())
    async with stage.desk() as desk:
        first = await stage.call(desk, tool, EVERYWHERE)
        assert (first.word, first.facts["items"], first.facts["complete"]) == (Word.DONE, [], False)
        assert first.facts["empty_because"] == "not_loaded"
        handle = first.facts["operation_id"]
        for _ in range(3):
            again = await stage.call(desk, tool, EVERYWHERE)
            assert (again.facts["operation_id"], again.facts["empty_because"]) == (handle, "not_loaded")
            assert (await stage.check(desk, handle)).facts["empty_because"] == "not_loaded"
    assert (stage.sent_to(ENDPOINTS[tool]), queues(stage)) == (1, 1)
    async with stage.desk() as desk:  # the handle outlives the process
        await anyio.to_thread.run_sync(stage.box.world.advance, 60)
        rows = await stage.check(desk, handle)
        assert rows.word is Word.DONE and rows.facts["items"] and rows.facts["coverage"]["tenants"] > 1
        one = await stage.call(desk, "check_operation", {"operation_id": handle, "request_options": {"limit": 1}})
        assert (one.facts["items"], one.facts["total"]) == (rows.facts["items"][:1], rows.facts["total"])
        assert (await stage.call(desk, tool, EVERYWHERE)).facts["items"]
    assert queues(stage) == 1


async def test_a_queue_that_nobody_can_read_is_not_queued_again_either(lane: Lane) -> None:
    stage = cold(await lane.clean())
    async with stage.desk() as desk:
        await stage.call(desk, "list_mfa_users", EVERYWHERE)
        stage.box.faults.add(Fault("server_error", endpoint="ListCippQueue", times=None))
        again = await stage.call(desk, "list_mfa_users", EVERYWHERE)
    assert again.facts["empty_because"] == "not_loaded"
    assert (stage.sent_to("ListMFAUsers"), queues(stage)) == (1, 1)


async def test_the_tenants_that_did_not_answer_are_named_with_their_reason(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("tenant_errors", endpoint="ListConditionalAccessPolicies", count=2))
    async with stage.desk() as desk:
        answer = await stage.call(desk, "list_conditional_access_policies", EVERYWHERE)
    reached = answer.facts["coverage"]
    assert answer.facts["complete"] is False
    assert reached["answered"] == reached["tenants"] - 2
    assert all("Could not connect" in why for why in reached["missing"].values()) and len(reached["missing"]) == 2
    assert all("CippStatus" not in row or row["CippStatus"] == "Good" for row in answer.facts["items"])
    assert f"{reached['answered']} of {reached['tenants']} tenants" in answer.message


async def test_an_empty_list_of_some_tenants_is_not_called_none(lane: Lane) -> None:
    stage = await lane.clean()
    for each in stage.box.world.tenants:
        each.table("ca_policies").clear()
    async with stage.desk() as desk:
        whole = await stage.call(desk, "list_conditional_access_policies", EVERYWHERE)
        stage.box.faults.add(Fault("tenant_errors", endpoint="ListConditionalAccessPolicies", count=1))
        part = await stage.call(desk, "list_conditional_access_policies", EVERYWHERE)
    assert (whole.facts["complete"], whole.facts["empty_because"]) == (False, "unsure"), "CIPP shows errors as no rows here"
    assert (part.facts["complete"], part.facts["empty_because"]) == (False, "incomplete")
    assert "none" not in part.message


@pytest.mark.parametrize(
    ("tool", "table", "why"),
    [
        ("list_conditional_access_policies", "ca_policies", "unsure"),
        ("list_deleted_items", "deleted", "unsure"),
        ("list_users", "users", "read_and_empty"),
    ],
)
async def test_where_cipp_shows_its_errors_as_no_rows_none_is_not_said(lane: Lane, tool: str, table: str, why: str) -> None:
    stage = await lane.clean()
    stage.box.world.tenant(FABRIKAM).table(table).clear()
    async with stage.desk() as desk:
        answer = await stage.call(desk, tool, {"tenant_filter": FABRIKAM})
    assert (answer.facts["items"], answer.facts["empty_because"]) == ([], why)
    assert answer.facts["complete"] is (why == "read_and_empty")
    assert ("could not read" in answer.message) is (why == "unsure")


async def test_a_tenant_that_was_excluded_meanwhile_is_missing(lane: Lane) -> None:
    stage = await lane.clean()
    async with stage.desk() as desk:
        await stage.call(desk, "list_conditional_access_policies", EVERYWHERE)
        stage.box.world.tenant("contoso.example").excluded = True
        answer = await stage.call(desk, "list_conditional_access_policies", EVERYWHERE)
    assert "contoso.example" in answer.facts["coverage"]["missing"]
    assert answer.facts["complete"] is False


async def test_old_rows_say_how_old_they_are(lane: Lane) -> None:
    stage = await lane.clean()
    stage.box.faults.add(Fault("stale_rows", endpoint="ListUsers", text="2026-01-02T03:04:05Z"))
    async with stage.desk() as desk:
        old = await stage.call(desk, "list_users", {"tenant_filter": FABRIKAM})
        fresh = await stage.call(desk, "list_users", {"tenant_filter": FABRIKAM})
    assert (old.facts["as_of"], old.facts["complete"]) == ("2026-01-02T03:04:05Z", False)
    assert "older than a day" in old.facts["notice"]
    assert fresh.facts["complete"] is True and fresh.facts["as_of"] > "2026-01-02"


async def test_a_page_of_cipps_leads_to_the_next_one(lane: Lane) -> None:
    stage = await lane.clean()
    page = {"tenant_filter": FABRIKAM, "endpoint": "users", "select": "id,displayName", "manual_pagination": True, "top": 5}
    async with stage.desk() as desk:
        first = last = await stage.call(desk, "query_graph", {**page, "request_options": {"fields": ["id"]}})
        ids = [r["id"] for r in first.facts["items"]]
        while "next" in last.facts:
            last = await stage.call(desk, "read_more", {"cursor": last.facts["next"]})
            ids += [r["id"] for r in last.facts["items"]]
            assert all(set(row) == {"id"} for row in last.facts["items"])
    assert (first.facts["returned"], first.facts["complete"]) == (5, False)
    assert sorted(ids) == sorted(u["id"] for u in stage.box.world.tenant(FABRIKAM).rows("users"))
    assert stage.sent_to("ListGraphRequest") == 4


WHY: list[tuple[Fault | None, Word, str]] = [
    (None, Word.DONE, "read and is empty"),
    (Fault("queued", endpoint="ListGroups"), Word.DONE, "Not loaded yet"),
    (Fault("role_403", endpoint="ListGroups"), Word.FAILED, "role"),
    (Fault("server_error", endpoint="ListGroups"), Word.FAILED, "500"),
    (Fault("empty_results", endpoint="ListGroups"), Word.FAILED, "empty"),
    (Fault("null", endpoint="ListGroups"), Word.FAILED, "empty"),
    (Fault("failed_200", endpoint="ListGroups"), Word.FAILED, "text instead of data"),
    (Fault("server_error", endpoint="ListGroups", text="No cached groups data found for x. Run a cache sync first."),
     Word.FAILED, "Not loaded"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "word", "says"), WHY)
async def test_an_empty_list_says_why(lane: Lane, fault: Any, word: Word, says: str) -> None:
    stage = await lane.clean()
    stage.box.world.tenant(FABRIKAM).table("groups").clear()
    if fault is not None:
        stage.box.faults.add(fault)
    async with stage.desk() as desk:
        answer = await stage.call(desk, "list_groups", {"tenant_filter": FABRIKAM})
    assert answer.word is word
    assert says in answer.message
    assert "items" not in answer.facts or answer.facts["empty_because"] in {"read_and_empty", "not_loaded"}
