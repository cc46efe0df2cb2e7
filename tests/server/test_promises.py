"""Output schemas hold for whatever really comes back: done, cut, empty, refused, failed, waiting for a yes; in both eras."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client

from cipp_mcp import wiring
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from cipp_mcp.server import build
from cipp_mcp.server.promises import PROMISES
from cipp_mcp.settings import Surface
from tests.server.conftest import WITHIN, Room, settings_of

pytestmark = pytest.mark.anyio
F = "fabrikam.example"
ANA = {"tenant_filter": F, "user_id": f"ana@{F}"}
LISTS = {"list_tenants": {}, "list_users": {"tenant_filter": F}, "get_user": ANA}
LISTS |= {tool: {"tenant_filter": F} for tool in ("list_mfa_users", "list_licenses")}
ENABLE = {**ANA, "enabled": True}


async def told(client: Client, tool: str, arguments: dict[str, Any], word: str) -> dict[str, Any]:
    """The envelope of one call, held against the tool's schema as listed; `word` is its outcome."""
    schema = {t.name: t.output_schema for t in (await client.list_tools()).tools}[tool]
    result = await client.call_tool(tool, arguments)
    envelope = dict(result.structured_content or {})
    assert schema is not None
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(envelope)
    assert envelope["outcome"] == word, envelope
    return envelope


async def test_each_promise_is_an_object_with_room_for_more_and_belongs_to_a_tool(catalog: Catalog) -> None:
    for tool, schema in PROMISES.items():
        Draft202012Validator.check_schema(dict(schema))
        assert schema["type"] == "object" and "additionalProperties" not in schema
        assert tool in catalog.actions


@pytest.mark.parametrize("tool", LISTS)
async def test_a_list_whole_cut_and_with_nothing_in_it(room: Room, tool: str) -> None:
    assert (await told(room.client, tool, LISTS[tool], "done"))["complete"] in {True, False}
    cut = await told(room.client, tool, {**LISTS[tool], "request_options": {"limit": 1}}, "done")
    if cut["total"] > 1:
        more = await told(room.client, "read_more", {"cursor": cut["next"]}, "done")
        assert cut["returned"] == 1 and more["total"] == cut["total"]
    nothing = {"filter": {next(iter(cut["items"][0])): "no such thing at all"}}
    empty = await told(room.client, tool, {**LISTS[tool], "request_options": nothing}, "done")
    assert empty["items"] == [] and empty["empty_because"]


@pytest.mark.parametrize("tool", ["list_tenants", "list_users"])
@pytest.mark.parametrize("kind", ["server_error", "html", "malformed", "role_403"])
async def test_a_list_that_fails(room: Room, tool: str, kind: str) -> None:
    await told(room.client, "list_tenants", {}, "done")
    room.box.faults.add(Fault(kind, times=None))
    await told(room.client, tool, LISTS[tool], "failed")


async def test_wrong_arguments_unknown_tenants_and_cursors_that_lead_nowhere(room: Room) -> None:
    for tool in LISTS:
        problems = await told(room.client, tool, {"nonsense": 1}, "refused")
        assert problems["problems"]
    await told(room.client, "list_users", {"tenant_filter": "nobody.example"}, "refused")
    await told(room.client, "read_more", {"cursor": "r0123456789abcdef.25"}, "refused")
    await told(room.client, "check_operation", {"operation_id": "op_0123456789abcdef"}, "refused")


@pytest.mark.parametrize("tool", ["revoke_user_sessions", "clear_user_immutable_id", "offboard_user", "set_user_sign_in"])
async def test_a_change_that_waits_for_a_yes_or_is_wrong(room: Room, tool: str) -> None:
    given = {"offboard_user": {"tenant_filter": F, "users": [f"ana@{F}"], "revoke_sessions": True}}
    given["set_user_sign_in"] = {**ANA, "enabled": False}
    plan = await told(room.client, tool, given.get(tool, ANA), "needs_approval")
    assert (plan["success"], plan["changed"]) == (False, "no")
    wrong = await told(room.client, tool, {}, "refused")
    assert (wrong["success"], wrong["changed"]) == (False, "no")
    await told(room.client, tool, {**given.get(tool, ANA), "confirm": "plan_of_nobody"}, "refused")
    assert not room.box.world.ledger


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (None, "done"),
        ("failed_200", "failed"),
        ("html", "unknown"),
        ("queued", "accepted"),
        ("part_500", "partial"),
        ("lost", "pending"),
    ],
)
async def test_a_change_that_was_sent_and_what_became_of_it(room: Room, kind: str | None, word: str) -> None:
    if kind is not None:
        effect = "none" if kind == "part_500" else None
        room.box.faults.add(Fault(kind, endpoint="ExecDisableUser", effect=effect))
    sent = await told(room.client, "set_user_sign_in", {"tenant_filter": F, "user_id": f"gil@{F}", "enabled": True}, word)
    later = await room.client.call_tool("check_operation", {"operation_id": sent["operation_id"]})
    Draft202012Validator(dict(PROMISES["check_operation"])).validate(later.structured_content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("query", ["who lacks MFA", "phone lost", "xyzzy"])
async def test_a_search_with_and_without_hits(box: Box, tmp_path: Any, catalog: Catalog, mode: str, query: str) -> None:
    async with (
        wiring.open_desk(settings_of(box, tmp_path), catalog, answer_within=WITHIN) as desk,
        Client(build(desk, surface=Surface.LEAN), mode=mode, read_timeout_seconds=WITHIN) as client,  # type: ignore[arg-type]
    ):
        found = await told(client, "find_action", {"query": query}, "done")
    assert bool(found["items"]) is (query != "xyzzy")
