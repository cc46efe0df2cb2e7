"""The same server over streamable HTTP, for both eras: what is guarded there is guarded here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from mcp import Client
from mcp.shared.exceptions import MCPError

from cipp_mcp import settings, wiring
from cipp_mcp.catalog import manifests
from cipp_mcp.demo.serve import Box
from cipp_mcp.server import build
from tests.outside.guarded import ANA, GUARDED, F, arguments_of
from tests.outside.house import ERAS, QUIET, WITHIN, Person, call, declines, types

pytestmark = pytest.mark.anyio

CLEAR = GUARDED["clear"]


class Mounted:
    """`server.build(desk)` behind uvicorn, in a thread and an event loop of its own."""

    def __init__(self, chosen: settings.Settings, **options: Any) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()  # whoever comes before uvicorn waits, and is not turned away
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/mcp"
        self._chosen = chosen
        self._options = options
        self._server: uvicorn.Server | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: anyio.run(self._serve), daemon=True)

    async def _serve(self) -> None:
        async with wiring.open_desk(self._chosen, manifests.load(), answer_within=5) as desk:
            app = build(desk).streamable_http_app(**self._options)
            self._server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
            self._ready.set()
            await self._server.serve(sockets=[self._socket])

    def __enter__(self) -> Mounted:
        self._thread.start()
        assert self._ready.wait(WITHIN)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(WITHIN)
        self._socket.close()
        assert not self._thread.is_alive()


class Place:
    """A box, and servers over HTTP that work on it."""

    def __init__(self, box: Box, folder: Path) -> None:
        self.box = box
        chosen = settings.read({**QUIET, **box.environment(), "CIPP_MCP_HOME": str(folder / "home")})
        self.stateful = Mounted(chosen)
        self.stateless = Mounted(chosen, stateless_http=True)

    @property
    def effects(self) -> list[str]:
        return [e.endpoint for e in self.box.world.ledger]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Box.open(enforce_rate=False) as box:
        made = Place(box, tmp_path_factory.mktemp("http"))
        with made.stateful, made.stateless:
            yield made


@pytest.mark.parametrize("era", ERAS)
async def test_reads_and_errors_are_those_of_the_other_transport(place: Place, era: str) -> None:
    async with Client(place.stateful.url, mode=era) as client:  # type: ignore[arg-type]
        listed = (await client.list_tools()).tools
        assert "clear_user_immutable_id" in {tool.name for tool in listed}
        assert (await call(client, "list_tenants", {}))["outcome"] == "done"
        with pytest.raises(MCPError, match="clear_user_immutable_id"):
            await client.call_tool("clear_user_imutable_id", {})


@pytest.mark.parametrize("era", ERAS)
async def test_a_no_sends_nothing_and_a_yes_sends_it_once(place: Place, era: str) -> None:
    row = place.box.world.tenant(F).user(ANA)
    assert row is not None
    row["onPremisesImmutableId"] = f"back for {era}"
    before = len(place.effects)
    person = Person()
    async with Client(place.stateful.url, mode=era, elicitation_callback=person) as client:  # type: ignore[arg-type]
        for no in (declines, types("yes")):
            person.answer = no
            answer = await call(client, CLEAR.tool, arguments_of(CLEAR))
            assert (answer["outcome"], len(place.effects)) == ("refused", before)
        person.answer = Person().answer
        answer = await call(client, CLEAR.tool, arguments_of(CLEAR))
    assert (answer["outcome"], place.effects[before:], len(person.asked)) == ("done", ["ExecClrImmId"], 3)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_asks_nobody_gets_the_plan(place: Place, era: str) -> None:
    before = len(place.effects)
    async with Client(place.stateful.url, mode=era) as client:  # type: ignore[arg-type]
        answer = await call(client, "remove_user", {"tenant_filter": F, "user_id": ANA})
    assert (answer["outcome"], len(place.effects)) == ("needs_approval", before)


async def test_a_server_that_cannot_ask_back_hands_out_the_plan(place: Place) -> None:
    before = len(place.effects)
    person = Person()
    async with Client(place.stateless.url, mode="legacy", elicitation_callback=person) as client:
        answer = await call(client, "remove_user", {"tenant_filter": F, "user_id": ANA})
    assert (answer["outcome"], person.asked, len(place.effects)) == ("needs_approval", [], before)


async def test_a_request_under_another_host_name_is_turned_away(place: Place) -> None:
    async with httpx.AsyncClient(timeout=WITHIN) as http:
        headers = {"Host": "evil.example", "Accept": "application/json, text/event-stream"}
        answer = await http.post(place.stateful.url, headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status_code in {403, 421}
