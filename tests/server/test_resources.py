"""Tenants and users by address: through the walk, and every wrong address is an error with that address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import mcp_types as t
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from cipp_mcp import wiring
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from cipp_mcp.message import Outcome, Word
from cipp_mcp.server import build
from cipp_mcp.server.resources import FAMILIES, Family, Resources
from tests.server.conftest import WITHIN, Room, error_of, settings_of

ANA = "ana@fabrikam.example"


async def read(room: Room, uri: str) -> dict[str, object]:
    (content,) = (await room.client.read_resource(uri)).contents
    assert isinstance(content, t.TextResourceContents)
    assert (content.uri, content.mime_type) == (uri, "application/json")
    return dict(json.loads(content.text))


@pytest.mark.anyio
async def test_one_is_listed_and_the_others_are_templates_without_asking_cipp(room: Room) -> None:
    fixed = (await room.client.list_resources()).resources
    templates = (await room.client.list_resource_templates()).resource_templates

    assert [r.uri for r in fixed] == ["cipp://tenants"]
    assert [x.uri_template for x in templates] == [
        "cipp://tenants/{tenant}",
        "cipp://tenants/{tenant}/users/{user}",
        "cipp://results/{id}{?offset}",
    ]
    assert room.box.requests == ()
    capabilities = room.client.server_capabilities
    assert capabilities is not None
    assert capabilities.resources == t.ResourcesCapability(subscribe=False, list_changed=False)


@pytest.mark.anyio
async def test_the_tenants(room: Room) -> None:
    envelope = await read(room, "cipp://tenants")

    items = envelope["items"]
    assert isinstance(items, list)
    assert "fabrikam.example" in {row["defaultDomainName"] for row in items}


@pytest.mark.anyio
@pytest.mark.parametrize("written", ["fabrikam.example", "Fabrikam", "11111111-aaaa-4aaa-8aaa-000000000001"])
async def test_a_tenant_however_it_is_called(room: Room, written: str) -> None:
    envelope = await read(room, f"cipp://tenants/{quote(written, safe='')}")

    assert (envelope["outcome"], envelope["tenant"]) == ("done", "fabrikam.example")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "written", [ANA, quote(ANA, safe=""), quote("mira_partner.example#EXT#@fabrikamdemo.onmicrosoft.com", safe="")]
)
async def test_a_user(room: Room, written: str) -> None:
    envelope = await read(room, f"cipp://tenants/fabrikam/users/{written}")

    assert envelope["outcome"] == "done"
    assert len(envelope["items"]) == 1  # type: ignore[arg-type]


WRONG = [
    "cipp://tenants/",
    "cipp://tenants/nobody.example",
    "cipp://tenants/AllTenants/users/ana%40fabrikam.example",
    "cipp://tenants/fabrikam/users/",
    "cipp://tenants//users/ana",
    "cipp://tenants/fabrikam/users/ana%40fabrikam.example/secrets",
    "cipp://tenants/fabrikam/users/a'%20or%20'1'%20eq%20'1",
    "cipp://tenants/..%2f..%2fetc/users/ana",
    "cipp://tenants?all=1",
    "cipp://elsewhere",
    "file:///etc/passwd",
    "",
    "cipp://tenants/" + "x" * 5000,
]


@pytest.mark.anyio
@pytest.mark.parametrize("uri", WRONG, ids=lambda u: u[:60] or "empty")
async def test_a_wrong_address_is_an_error_that_holds_it(room: Room, uri: str) -> None:
    with pytest.raises(MCPError) as raised:
        await room.client.read_resource(uri)

    error = error_of(raised)
    assert error.code == t.INVALID_PARAMS, error
    assert error.data["uri"] == uri[:2000]
    assert [r for r in room.box.requests if not r.endpoint.lower().startswith("list") and not r.is_token] == []


@pytest.mark.anyio
async def test_the_nearest_tenants_come_with_the_error(room: Room) -> None:
    with pytest.raises(MCPError) as raised:
        await room.client.read_resource("cipp://tenants/fabrikan")

    assert any("fabrikam.example" in c for c in error_of(raised).data["candidates"])


@pytest.mark.anyio
async def test_what_cipp_failed_at_is_not_the_address_s_fault(room: Room) -> None:
    room.box.faults.add(Fault("gateway_502", "ListUsers", times=20))

    with pytest.raises(MCPError) as raised:
        await room.client.read_resource("cipp://tenants/fabrikam/users/ana%40fabrikam.example")

    error = error_of(raised)
    assert error.code == t.INTERNAL_ERROR
    assert error.data["uri"].endswith("/users/ana%40fabrikam.example")


@pytest.mark.anyio
async def test_a_user_that_cipp_does_not_find_is_an_error_too(room: Room) -> None:
    """CIPP answers 500 to an unknown user, which nobody can tell from a failure of its own."""
    with pytest.raises(MCPError) as raised:
        await room.client.read_resource("cipp://tenants/fabrikam/users/nobody%40fabrikam.example")

    assert error_of(raised).data["uri"].endswith("/users/nobody%40fabrikam.example")


@pytest.mark.anyio
async def test_a_family_whose_tool_is_not_served_is_not_listed(box: Box, tmp_path: Path, catalog: Catalog) -> None:
    chosen = settings_of(box, tmp_path, CIPP_MCP_GROUPS="user")
    async with (
        wiring.open_desk(chosen, catalog.only(chosen.groups), answer_within=WITHIN) as desk,
        Client(build(desk), read_timeout_seconds=WITHIN) as client,
    ):
        assert (await client.list_resources()).resources == []
        templates = (await client.list_resource_templates()).resource_templates
        assert [x.name for x in templates] == ["user", "results"]
        with pytest.raises(MCPError):
            await client.read_resource("cipp://tenants")


@pytest.mark.anyio
async def test_another_family_takes_one_line(room: Room) -> None:
    async def read(_: Desk, given: Mapping[str, str], caller: Caller) -> Outcome:
        return Outcome(Word.DONE, "Read.", facts={"items": [{**given, "for": caller.client}]})

    more = Family("cipp://notes/{id}{?offset}", "note", "A note", "Something else.", read)
    resources = Resources(room.desk, (*FAMILIES, more))
    ctx = SimpleNamespace(request=None)

    answer = await resources.read_resource(ctx, t.ReadResourceRequestParams(uri="cipp://notes/r1?offset=20"))  # type: ignore[arg-type]
    assert isinstance(answer.contents[0], t.TextResourceContents)
    assert json.loads(answer.contents[0].text)["items"] == [{"id": "r1", "offset": "20", "for": "MCP resource"}]
