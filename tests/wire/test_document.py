"""From where the document of the API comes, over real sockets: the instance, its portal, an address, a file."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from cipp_mcp import document
from cipp_mcp.catalog import manifests
from cipp_mcp.catalog.api import Api
from cipp_mcp.errors import SettingsError
from cipp_mcp.wire.client import Wire
from tests.wire.conftest import settings_for
from tests.wire.scripted_server import Play, ScriptedServer, answer, raw

pytestmark = pytest.mark.anyio

CATALOG = manifests.load()
GOOD = json.dumps({"openapi": "3.1.0", "paths": {"/api/ListNewThings": {"get": {"x-cipp-role": "A.B.Read"}}}})
NEW = ("ListNewThings",)


async def told(server: ScriptedServer, wire: Wire, openapi: str = "") -> Api:
    with anyio.fail_after(20):
        return await document.api_of(settings_for(server.url, openapi=openapi), CATALOG, wire.send)


def paths(server: ScriptedServer) -> list[str]:
    return [heard.path for heard in server.requests if heard.path != "/token"]


async def test_the_instance_is_asked_first_and_signed_in(server: ScriptedServer, wire: Wire) -> None:
    server.script.append(answer(200, GOOD))
    api = await told(server, wire)
    assert (api.source, api.names(), api.notices) == ("instance", NEW, ())
    assert paths(server) == ["/api/ListOpenApiSpec"]
    assert "authorization" in server.requests[-1].headers


@pytest.mark.parametrize("status", [403, 404])
async def test_where_the_instance_has_none_the_portal_is_asked_without_a_credential(
    server: ScriptedServer, wire: Wire, status: int
) -> None:
    server.script += [answer(status, "Endpoint not found", "text/plain"), answer(200, GOOD)]
    api = await told(server, wire)
    assert (api.source, api.names(), api.notices) == ("portal", NEW, ())
    assert paths(server) == ["/api/ListOpenApiSpec", "/openapi.json"]
    assert "authorization" not in server.requests[-1].headers


@pytest.mark.parametrize(
    "portal",
    [
        answer(302, "", Location="/.auth/login/aad"),
        answer(200, "<!doctype html><html></html>", "text/html"),
        answer(404),
        raw(b""),
    ],
    ids=["sign-in", "start page", "404", "cut"],
)
async def test_where_neither_has_one_the_shipped_catalogue_holds_and_that_is_no_news(
    server: ScriptedServer, wire: Wire, portal: Play
) -> None:
    server.script += [answer(404, "Endpoint not found", "text/plain"), portal]
    api = await told(server, wire)
    assert (api.source, api.notices, api.settled) == ("shipped", (), True)
    assert len(api.names()) > 400


async def test_an_instance_in_trouble_is_worth_asking_again(server: ScriptedServer, wire: Wire) -> None:
    server.script += [answer(503)] * 3 + [answer(404)]
    api = await told(server, wire)
    assert (api.source, api.settled) == ("shipped", False)
    assert "CIPP answered 503." in api.notices[0]


async def test_an_address_is_the_only_one_asked_and_gets_no_credential(server: ScriptedServer, wire: Wire) -> None:
    server.script.append(answer(200, GOOD))
    api = await told(server, wire, f"{server.url}/somewhere.json")
    assert (api.source, api.names()) == ("given", NEW)
    assert paths(server) == ["/somewhere.json"]
    assert "authorization" not in server.requests[-1].headers


async def test_an_address_without_a_document_falls_back_and_says_so(server: ScriptedServer, wire: Wire) -> None:
    server.script.append(answer(500, "canary"))
    api = await told(server, wire, f"{server.url}/somewhere.json")
    assert (api.source, api.settled) == ("shipped", False)
    assert "answered 500" in api.notices[0] and "canary" not in api.notices[0]


async def test_a_file_is_read_and_one_that_has_gone_is_said(server: ScriptedServer, wire: Wire, tmp_path: Path) -> None:
    place = tmp_path / "openapi.json"
    place.write_text(GOOD, encoding="utf-8")
    assert (await told(server, wire, str(place))).names() == NEW
    place.unlink()
    gone = await told(server, wire, str(place))
    assert (gone.source, len(gone.notices)) == ("shipped", 1)
    with pytest.raises(SettingsError):
        await document.given(str(place), settings_for(server.url))
    assert paths(server) == []
