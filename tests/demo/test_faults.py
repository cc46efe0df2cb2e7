"""Every kind of fault over a real socket: what the client meets, and what the ledger says really happened."""

from __future__ import annotations

import json
import select
import sys
from typing import Any

import httpx
import pytest

from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.misbehaviour import KINDS
from cipp_mcp.demo.serve import Box

F = "fabrikam.example"
BLOCK = {"tenantFilter": F, "ID": "ana@fabrikam.example", "Enable": False}
# Played by the tests of other rooms, not on this wire; F26 is a plain reply and F34 the world's tenants.
ELSEWHERE = {"F26", "F34", "F35", "F36", "F37", "F38", "F39"}


def block(cipp: Any) -> httpx.Response:
    reply: httpx.Response = cipp.post("ExecDisableUser", BLOCK)
    return reply


def blocked(box: Box) -> bool:
    user = box.world.tenant(F).user("ana@fabrikam.example")
    assert user is not None
    return user["accountEnabled"] is False


def test_every_fault_of_the_wire_has_a_kind() -> None:
    played = {number for kind in KINDS.values() for number in kind.number.split()} | {"F01"}
    assert played | ELSEWHERE == {f"F{number:02}" for number in range(1, 41)}


def test_an_unknown_kind_is_refused_with_the_names(box: Box) -> None:
    with pytest.raises(ValueError, match="cut_after"):
        box.faults.add(Fault("nonsense"))


def test_a_refused_connection_never_reaches_the_box(cipp: Any, box: Box) -> None:
    # Made beforehand, for that takes its time; Windows itself goes on trying for two seconds.
    with httpx.Client() as impatient, httpx.Client(transport=httpx.HTTPTransport(retries=4)) as patient:
        box.faults.add(Fault("refused", seconds=3.0 if sys.platform == "win32" else 1.0))
        with pytest.raises(httpx.ConnectError):
            impatient.get(f"{box.api_url}/api/PublicPing")
        assert len(box.requests) == 1
        assert patient.get(f"{box.api_url}/api/PublicPing").status_code == 401


@pytest.mark.parametrize(("kind", "happened"), [("cut_after", True), ("cut_before", False)])
def test_a_cut_says_nothing_about_the_effect(cipp: Any, box: Box, kind: str, happened: bool) -> None:
    box.faults.add(Fault(kind, endpoint="ExecDisableUser"))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        block(cipp)
    assert (blocked(box), len(box.world.ledger)) == (happened, int(happened))
    assert block(cipp).status_code == 200


@pytest.mark.parametrize(("effect", "happened"), [("done", True), ("none", False)])
def test_the_effect_of_a_kind_can_be_chosen(cipp: Any, box: Box, effect: Any, happened: bool) -> None:
    box.faults.add(Fault("server_error", effect=effect))
    assert block(cipp).status_code == 500
    assert blocked(box) is happened


def test_an_idle_connection_closes_after_a_good_reply(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("idle_close"))
    reply = block(cipp)
    assert (reply.status_code, "connection" in reply.headers) == (200, False)
    line = reply.extensions["network_stream"].get_extra_info("socket")
    noticed = line.fileno() < 0  # by the client's pool, which has let go of it
    assert noticed or (select.select([line], [], [], 10)[0] and line.recv(1) == b"")


@pytest.mark.parametrize("kind", ["late", "cold_start", "token_slow", "drip"])
def test_slow_replies_are_whole_in_the_end(cipp: Any, box: Box, kind: str) -> None:
    box.faults.add(Fault(kind, seconds=0.2))
    if kind == "token_slow":
        assert cipp.ask_token().elapsed.total_seconds() >= 0.2
    else:
        reply = block(cipp)
        assert reply.json()["Results"].startswith("Successfully")
        assert blocked(box)


@pytest.mark.parametrize("kind", ["gateway_504", "gateway_502"])
def test_a_gateway_gives_up_and_the_work_goes_on(cipp: Any, box: Box, kind: str) -> None:
    box.faults.add(Fault(kind, seconds=0))
    reply = block(cipp)
    assert reply.status_code in (502, 504)
    assert reply.headers["content-type"].startswith("text/html")
    cipp.get("PublicPing")
    assert blocked(box)


@pytest.mark.parametrize("kind", ["hang", "token_hang"])
def test_a_hang_lasts_until_the_client_gives_up(cipp: Any, box: Box, kind: str) -> None:
    box.faults.add(Fault(kind))
    cipp.http.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        if kind == "hang":
            block(cipp)
        else:
            cipp.ask_token()
    assert blocked(box) is (kind == "hang")


@pytest.mark.parametrize(
    ("fault", "status", "begins", "happened"),
    [
        (Fault("cold_404"), 404, "", False),
        (Fault("cold_502"), 502, "<html>", False),
        (Fault("unauthorized"), 401, "", False),
        (Fault("redirect"), 302, "", False),
        (Fault("html"), 200, "<!DOCTYPE html>", False),
        (Fault("too_many", retry_after="315"), 429, "", False),
        (Fault("too_many", retry_after="soon"), 429, "", False),
        (Fault("too_many"), 429, "", False),
        (Fault("unavailable", retry_after="1"), 503, "", False),
        (Fault("feature_off"), 503, "This feature has been disabled", False),
        (Fault("server_error", text="boom"), 500, "boom", False),
        (Fault("part_500"), 500, '{"Results": "Failed', True),
        (Fault("role_403"), 403, "Access to this CIPP API endpoint is not allowed", False),
        (Fault("failed_403"), 403, '{"Results": "Failed', False),
        (Fault("success_400"), 400, '{"Results": "Task removed', False),
        (Fault("failed_200"), 200, '{"Results": "Could not', False),
        (Fault("mixed_200"), 200, '{"Results": [{', True),
        (Fault("lost"), 200, '{"Results": "Successfully', False),
        (Fault("empty"), 200, "", True),
        (Fault("empty", status=204), 204, "", True),
        (Fault("null"), 200, "null", True),
        (Fault("empty_results"), 200, '{"Results": ""}', True),
        (Fault("queued"), 200, '{"Results": [], "Metadata": {"Queued": true', False),
        (Fault("waiting"), 200, '{"Waiting": true', False),
        (Fault("busy_graph"), 200, '{"Results": "Scheduled job with id', False),
        (Fault("wrong_charset"), 200, '{"Results": "Successfully', True),
    ],
)
def test_what_leaves_and_what_happened(cipp: Any, box: Box, fault: Fault, status: int, begins: str, happened: bool) -> None:
    box.faults.add(fault)
    reply = block(cipp)
    assert (reply.status_code, reply.text.startswith(begins)) == (status, True), reply.text[:200]
    assert reply.headers.get("Retry-After") == fault.retry_after
    assert (blocked(box), len(box.world.ledger)) == (happened, int(happened))
    assert box.faults.fired == 1
    assert block(cipp).json()["Results"].startswith("Successfully")


def test_what_a_busy_graph_postponed_happens_a_quarter_of_an_hour_later(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("busy_graph"))
    block(cipp)
    box.world.advance(14 * 60)
    assert not blocked(box)
    box.world.advance(2 * 60)
    assert blocked(box)


def test_a_password_that_was_only_claimed_is_still_a_canary(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("lost"))
    said = cipp.results("ExecResetPass", {"tenantFilter": F, "ID": "ana@fabrikam.example"})
    assert said["copyField"] in box.secrets
    assert box.world.ledger == ()


@pytest.mark.parametrize("kind", ["truncated", "wrong_length"])
def test_a_body_that_ends_too_early_breaks_the_protocol(cipp: Any, box: Box, kind: str) -> None:
    box.faults.add(Fault(kind))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        block(cipp)
    assert blocked(box)


def test_malformed_json_is_no_json(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("malformed"))
    with pytest.raises(json.JSONDecodeError):
        block(cipp).json()


def test_deep_and_huge_bodies_arrive_whole(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("deep"), Fault("huge", count=2))
    assert block(cipp).text.count("[") == 100_000
    assert len(block(cipp).content) > 2 * 1024 * 1024


def test_rows_with_lost_tenants_old_rows_and_a_next_page(cipp: Any, box: Box) -> None:
    cipp.rows("ListLicenses", tenantFilter="AllTenants")
    box.world.advance(10)
    box.faults.add(Fault("tenant_errors", count=2), Fault("stale_rows"), Fault("next_page", count=3))
    rows = cipp.rows("ListLicenses", tenantFilter="AllTenants")
    lost = [row for row in rows if row["CippStatus"].startswith("Could not connect")]
    assert len(lost) == 2
    assert {row["Tenant"] for row in lost}.isdisjoint({row["Tenant"] for row in rows if row["CippStatus"] == "Good"})
    assert {row["Timestamp"] for row in cipp.rows("ListLicenses", tenantFilter="AllTenants")} == {"2020-01-01T00:00:00Z"}
    page = cipp.get("ListLicenses", tenantFilter="AllTenants").json()
    assert len(page["Results"]) == 3
    assert page["Metadata"]["nextLink"].startswith("https://graph.microsoft.com/")


@pytest.mark.parametrize(
    ("kind", "status", "part"),
    [
        ("token_html", 200, "Sign in"),
        ("token_500", 500, "<html>"),
        ("token_429", 429, ""),
        ("token_nonsense", 200, "token_type"),
        ("token_bad_secret", 401, "AADSTS7000215"),
        ("token_old_secret", 401, "AADSTS7000222"),
        ("token_no_app", 400, "AADSTS700016"),
        ("token_no_resource", 400, "AADSTS500011"),
        ("token_no_tenant", 400, "AADSTS90002"),
    ],
)
def test_the_token_endpoint_fails_in_its_own_ways(cipp: Any, box: Box, kind: str, status: int, part: str) -> None:
    box.faults.add(Fault(kind))
    reply = cipp.ask_token()
    assert (reply.status_code, part in reply.text) == (status, True)
    assert box.tokens_issued == 1
    assert cipp.ask_token().status_code == 200


def test_a_token_endpoint_that_is_down(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("token_down"))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        cipp.ask_token()


def test_after_times_and_clear(cipp: Any, box: Box) -> None:
    box.faults.add(Fault("server_error", endpoint="execdisableuser", after=1, times=2))
    assert [block(cipp).status_code for _ in range(4)] == [200, 500, 500, 200]
    box.faults.add(Fault("server_error", times=None))
    assert block(cipp).status_code == 500
    box.faults.clear()
    assert block(cipp).status_code == 200
