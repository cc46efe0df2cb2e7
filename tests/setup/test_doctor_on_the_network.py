"""The rows of the fault table that need a network or an answer of their own: met through a server that plays a script."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import anyio
import anyio.abc
import pytest

from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.doctor import Place
from cipp_mcp.doctor.faults import FAULTS, troubleshooting_rows
from cipp_mcp.settings import Settings
from tests.setup.conftest import INSPECTOR
from tests.setup.test_doctor import BOXED, NO_PROXY, PONG, looked
from tests.wire.conftest import settings_for
from tests.wire.scripted_server import Play, ScriptedServer, answer, grant

pytestmark = pytest.mark.anyio


def jwt(**claims: str) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.c2ln"


def refusing(code: int) -> Play:
    return answer(400, json.dumps({"error": "x", "error_codes": [code], "error_description": f"AADSTS{code}: x"}))


Made = Callable[[ScriptedServer], Awaitable[tuple[Settings, Place]]]


def scripted(*plays: Play, token: tuple[Play, ...] = (), place: Place = NO_PROXY) -> Made:
    """The knock's answer, then these; the same for the token endpoint."""

    async def make(server: ScriptedServer) -> tuple[Settings, Place]:
        server.script.extend([answer(401, ""), *plays])
        server.token_script.extend([answer(405, ""), *token])
        return settings_for(server.url), place

    return make


def elsewhere(place: Place = NO_PROXY, **changes: Any) -> Made:
    async def make(server: ScriptedServer) -> tuple[Settings, Place]:
        given = {k: v.format(url=server.url) if isinstance(v, str) else v for k, v in changes.items()}
        return settings_for(server.url, **given), place

    return make


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _ahead(server: ScriptedServer) -> tuple[Settings, Place]:
    server.script.append(answer(401, "", Date=formatdate(1_790_000_000, usegmt=True)))
    return settings_for(server.url), replace(NO_PROXY, now=lambda: 1_790_000_000.0 + 3600)


async def _refused_proxy(server: ScriptedServer) -> tuple[Settings, Place]:
    server.script.append(answer(407, ""))
    return settings_for(server.url, api_url="https://cipp.invalid", proxy=server.url), NO_PROXY


async def _behind_proxy(server: ScriptedServer) -> tuple[Settings, Place]:
    place = replace(NO_PROXY, system_proxy=lambda host: "proxy.corp:8080" if host == "127.0.0.1" else "")
    return settings_for(server.url, api_url=f"http://127.0.0.1:{_free_port()}"), place


SCRIPTED: dict[str, tuple[str, Made]] = {
    "dns": ("cipp.invalid cannot be found in DNS", elsewhere(api_url="https://cipp.invalid")),
    "dns of a proxy": ("proxy.invalid cannot be found in DNS", elsewhere(proxy="http://proxy.invalid:3128")),
    "unreachable": ("it was refused", elsewhere(api_url=f"http://127.0.0.1:{_free_port()}")),
    "proxy_needed": ("has one set (proxy.corp:8080)", _behind_proxy),
    "proxy_refused": ("does not let the connection to cipp.invalid through", _refused_proxy),
    "clock": ("60 minutes ahead", _ahead),
    "app_disabled": ("disabled in Entra (AADSTS7000112)", scripted(token=(refusing(7000112),))),
    "conditional_access": ("blocks this sign-in (AADSTS53003)", scripted(token=(refusing(53003),))),
    "wrong_tenant by its form": ("does not exist (AADSTS900023)", scripted(token=(refusing(900023),))),
    "sign_in with a number that nobody knows": ("AADSTS650051", scripted(token=(refusing(650051),))),
    "client_for_mcp": (
        "reserved for CIPP's own MCP server",
        scripted(answer(401, ""), answer(401, ""), token=(grant(jwt(ver="2.0")), grant("a"), grant("b"))),
    ),
    "not_enabled with a usual token": (
        "not enabled",
        scripted(answer(401, ""), answer(401, ""), token=(grant(jwt(ver="1.0")), grant("a"), grant("b"))),
    ),
    "too_old": (
        "its API is 8.5.2",
        scripted(answer(200, PONG), answer(200, "[{}]"), answer(200, '{"LocalCIPPAPIVersion": "8.5.2"}')),
    ),
    "no_tenants by a refusal": (
        "includes no tenant",
        scripted(answer(200, PONG), answer(403, "Access to this tenant is not allowed")),
    ),
    "cold_start by CIPP's own word": (
        "CIPP was asleep",
        scripted(answer(200, json.dumps(json.dumps({"Results": {"ColdStart": True}})))),
    ),
    "not_cipp": ("not as CIPP does (200)", scripted(answer(200, "hello", "text/plain"))),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTED)
async def test_a_fault_of_the_script_is_named(name: str, catalog: Catalog) -> None:
    says, make = SCRIPTED[name]
    row = name.partition(" ")[0]
    async with ScriptedServer() as server:
        report = await looked(*await _ordered(make, server, catalog))
    finding = next((f for f in report.findings if f.fault == row), None)
    assert finding is not None, [f.as_json() for f in report.findings]
    assert says in finding.says
    assert "canary" not in json.dumps(report.as_json())


async def _ordered(make: Made, server: ScriptedServer, catalog: Catalog) -> tuple[Settings, Catalog, Place]:
    chosen, place = await make(server)
    return chosen, catalog, place


async def test_tls_inspection_is_named_with_the_inspector(inspected: ssl.SSLContext, catalog: Catalog) -> None:
    async with ScriptedServer(inspected) as server:
        report = await looked(settings_for(server.url), catalog)
        heard = list(server.requests)
    finding = next(f for f in report.findings if f.fault == "tls_inspection")
    assert f"issued by {INSPECTOR}" in finding.says
    assert "CIPP_CA_BUNDLE" in finding.fix
    assert [h for h in heard if h.method != "HEAD" or "authorization" in h.headers] == []


async def test_a_port_without_tls_is_told_as_tls(catalog: Catalog) -> None:
    async def speak(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.receive()
            await client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, speak)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        report = await looked(settings_for(f"https://127.0.0.1:{port}"), catalog)
        group.cancel_scope.cancel()
    assert report.faults == ["tls_handshake"]


def test_every_row_is_met_by_a_test() -> None:
    met = {name.partition(" ")[0] for name in [*BOXED, *SCRIPTED]}
    met |= {"tls_inspection", "tls_handshake", "secret_readable", "no_trail"}

    assert sorted(FAULTS) == sorted(met)


def test_the_troubleshooting_table_has_every_fault_and_no_hole() -> None:
    rows = list(troubleshooting_rows())

    assert len(rows) == sum(f.level != "note" for f in FAULTS.values())
    assert not [r for r in rows if not all(r) or "{" in "".join(r)]
