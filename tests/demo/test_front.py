"""What stands before CIPP's functions: tokens, the rate window, names, roles, and the portal's own host."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import httpx
import pytest

from cipp_mcp.demo.access import CustomRole
from cipp_mcp.demo.serve import Box

F = "fabrikam.example"


def test_it_opens_and_closes_at_once() -> None:
    began = time.monotonic()
    with Box.open() as box, httpx.Client() as http:
        assert http.get(box.api_url).status_code == 302
    assert time.monotonic() - began < 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(box.api_url)


def test_it_closes_while_a_reply_is_owed() -> None:
    from cipp_mcp.demo.faults import Fault

    box = Box.open()
    box.faults.add(Fault("token_hang"))
    ended: list[type[Exception]] = []

    def ask() -> None:
        try:
            httpx.post(box.token_url, data={}, timeout=20)
        except httpx.HTTPError as error:
            ended.append(type(error))

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    while not box.requests and time.monotonic() - began < 10:
        pass
    began = time.monotonic()
    box.close()
    box.close()
    asking.join(10)
    assert time.monotonic() - began < 5
    assert len(ended) == 1


def test_a_body_too_long_is_not_read(cipp: Any, box: Box) -> None:
    try:
        status = cipp.http.post("/api/ExecClrImmId", content=b"x" * (9 * 1024 * 1024)).status_code
    except httpx.HTTPError:
        status = 413  # the reply came while the body was still being written
    assert status == 413
    assert box.requests[-1].body is None


async def _from_a_loop() -> int:
    with Box.open() as box:
        async with httpx.AsyncClient() as http:
            return (await http.get(f"{box.api_url}/api/ListTenants")).status_code


def test_it_serves_a_client_in_another_loop() -> None:
    assert anyio.run(_from_a_loop) == 401


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, "AADSTS7000215"),
        ({"client_id": "wrong"}, 400, "AADSTS700016"),
        ({"scope": "https://graph.microsoft.com/.default"}, 400, "AADSTS500011"),
        ({"grant_type": "password"}, 400, "AADSTS70003"),
    ],
)
def test_a_wrong_credential_is_refused_in_entra_words(cipp: Any, changes: dict[str, str], status: int, code: str) -> None:
    reply = cipp.ask_token(**changes)
    assert reply.status_code == status
    assert reply.json()["error_description"].startswith(code)


def test_without_a_token_401_comes_before_the_name_is_looked_up(box: Box) -> None:
    for endpoint in ("ListTenants", "NoSuchThing"):
        reply = httpx.get(f"{box.api_url}/api/{endpoint}", headers={"Authorization": "Bearer made-up"})
        assert (reply.status_code, reply.content) == (401, b"")


def test_a_token_expires_by_the_worlds_clock(cipp: Any, box: Box) -> None:
    box.world.advance(3600)
    assert cipp.get("ListTenants").status_code == 401
    cipp.sign_in()
    assert cipp.get("ListTenants").status_code == 200
    assert box.tokens_issued == 2


def test_revoked_tokens_are_refused(cipp: Any, box: Box) -> None:
    box.front.revoke_tokens()
    assert cipp.get("ListTenants").status_code == 401


def test_an_unknown_name_is_404_in_plain_text(cipp: Any) -> None:
    reply = cipp.get("NoSuchThing")
    assert (reply.status_code, reply.text) == (404, "Endpoint not found")


def test_outside_api_stands_a_portal(cipp: Any) -> None:
    reply = cipp.http.get("/identity/administration/users")
    assert reply.status_code == 302
    page = cipp.http.get(reply.headers["Location"])
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_the_hundred_and_first_call_of_a_window_is_429(cipp: Any, box: Box) -> None:
    statuses = [cipp.get("PublicPing").status_code for _ in range(230)]
    assert 429 in statuses
    reply = cipp.get("PublicPing")
    while reply.status_code == 200:
        reply = cipp.get("PublicPing")
    box.world.advance(int(reply.headers["Retry-After"]))
    assert cipp.get("PublicPing").status_code == 200


def test_keys_that_differ_only_in_case_lose_the_body(cipp: Any, box: Box) -> None:
    raw = b'{"tenantFilter": "fabrikam.example", "ID": "ana@fabrikam.example", "id": "x"}'
    reply = cipp.http.post("/api/RemoveUser", content=raw, headers={"Content-Type": "application/json"})
    assert reply.status_code == 204
    assert box.requests[-1].body is None
    assert box.world.ledger == ()


def test_a_request_is_kept_as_it_arrived(cipp: Any, box: Box) -> None:
    cipp.post("ExecClrImmId", {"ID": "x"}, tenantFilter=F)
    token, call = box.requests
    assert token.is_token
    assert not call.is_token
    assert (call.method, call.endpoint, call.query, call.body) == ("POST", "ExecClrImmId", {"tenantFilter": F}, {"ID": "x"})
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("role", "endpoint", "allowed"),
    [
        ("readonly", "ListTenants", True),
        ("readonly", "ExecClrImmId", False),
        ("editor", "ExecClrImmId", True),
        ("editor", "ExecStandardsRun", False),
        ("admin", "ExecStandardsRun", True),
        ("nobody", "ListTenants", False),
    ],
)
def test_built_in_roles(caller: Any, role: str, endpoint: str, allowed: bool) -> None:
    with Box.open(role=role) as box, caller(box) as one:
        reply = one.post(endpoint, {"tenantFilter": F, "ID": "ana@fabrikam.example"})
        assert (reply.status_code != 403) is allowed
        if not allowed:
            assert reply.text.startswith("Access to this CIPP API endpoint is not allowed")


def test_a_custom_role_sees_its_tenants_only(caller: Any) -> None:
    contoso = "22222222-bbbb-4bbb-8bbb-000000000002"
    role = CustomRole("desk", frozenset({"CIPP.Core.ReadWrite", "Identity.User.ReadWrite"}), frozenset({contoso}),
                      blocked_endpoints=frozenset({"RemoveUser"}))  # fmt: skip
    with Box.open(role=role) as box, caller(box) as one:
        assert [row["defaultDomainName"] for row in one.rows("ListTenants")] == ["contoso.example"]
        assert one.get("ListUsers", tenantFilter="contoso.example").status_code == 200
        assert one.get("ListUsers", tenantFilter=F).text == "Access to this tenant is not allowed"
        # The initial domain passes the check and is refused later, in silence.
        assert one.rows("ListUsers", tenantFilter="fabrikamdemo.onmicrosoft.com") == []
        assert one.post("ExecDisableUser", {"tenantFilter": "AllTenants", "ID": "x"}).status_code == 403
        assert "has blocked this endpoint: RemoveUser" in one.post("RemoveUser", {"tenantFilter": "contoso.example"}).text
        assert (
            "you do not have the required permission: Identity.Role.Read"
            in one.get("ListRoles", tenantFilter="contoso.example").text
        )
        assert one.get("me").json()["clientPrincipal"]["appRole"] == ["desk"]
        assert box.world.ledger == ()


def test_a_client_is_bound_to_its_addresses_and_its_recorded_role(cipp: Any, box: Box) -> None:
    own = box.world.table("api_clients")[box.client_id]
    own["IPRange"] = ["10.0.0.0/8"]
    refused = cipp.get("ListTenants")
    assert (refused.status_code, refused.text.endswith("the API Client does not have the required permission")) == (403, True)
    assert cipp.http.get("/api/ListTenants", headers={"X-Forwarded-For": "10.1.2.3:4711, 127.0.0.1"}).status_code == 200
    own["IPRange"] = ["Any"]
    cipp.post("ExecApiClient", {"Action": "AddUpdate", "ClientId": box.client_id, "Role": {"value": "readonly"}, "Enabled": True})
    assert "'readonly' base role" in cipp.post("ExecClrImmId", {"tenantFilter": F}).text


def test_most_in_flight_counts_parallel_requests(box: Box) -> None:
    from cipp_mcp.demo.faults import Fault

    box.faults.add(Fault("late", times=None, seconds=0.2, endpoint="PublicPing"))

    async def go() -> None:
        async with httpx.AsyncClient(timeout=10) as http, anyio.create_task_group() as group:
            form = {"grant_type": "client_credentials", "client_id": box.client_id, "client_secret": box.client_secret,
                    "scope": f"api://{box.client_id}/.default"}  # fmt: skip
            token = (await http.post(box.token_url, data=form)).json()["access_token"]
            for _ in range(5):
                group.start_soon(lambda: http.get(f"{box.api_url}/api/PublicPing", headers={"Authorization": f"Bearer {token}"}))

    anyio.run(go)
    assert box.most_in_flight == 5
