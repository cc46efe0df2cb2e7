"""Lists that do not fit: never cut in silence, read on without asking CIPP again, light to carry and light to hold.

Characters stand for tokens, because the tokenizer is no part of this project: on 2026-11-24 the results of these tests
had 0.28 to 0.37 tokens a character, counted over the text of the result in an empty folder with

    npm install @anthropic-ai/tokenizer@0.0.4
    node -e "const {countTokens: n} = require('@anthropic-ai/tokenizer'); console.log(n(require('fs').readFileSync(0, 'utf8')))"
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as t
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.shared.exceptions import MCPError

from cipp_mcp import settings
from cipp_mcp.catalog import manifests
from cipp_mcp.catalog.action import Action
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from tests.outside.guarded import ANA, F
from tests.outside.house import ERAS, QUIET, House, call, command, environment
from tests.outside.jsonlines import Talk
from tests.outside.test_http_edge import Mounted

pytestmark = pytest.mark.anyio

T = {"tenant_filter": F}
ROW = {
    "id": "", "userPrincipalName": "", "displayName": "Ana Ruiz", "givenName": "Ana", "surname": "Ruiz", "accountEnabled": True,
    "mail": ANA, "jobTitle": "Office manager", "department": None, "mobilePhone": "+34 600 100 001", "usageLocation": "ES",
    "userType": "Member", "createdDateTime": "2022-10-16T21:41:13Z", "proxyAddresses": [f"SMTP:{ANA}"], "LicJoined": "Business",
    "assignedLicenses": [{"disabledPlans": [], "skuId": "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"}], "onPremisesSyncEnabled": None,
}  # fmt: skip
DEFAULT, LARGEST = 6_000, 20_000


def many(count: int, **fault: Any) -> Fault:
    return Fault("many", "ListUsers", count=count, body=[ROW], **fault)


def people(count: int) -> set[str]:
    return {f"user{n}@{F}" for n in range(count)}


async def result_of(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any], list[t.ResourceLink]]:
    """The text that a model reads, the envelope in it, and the links beside it."""
    with anyio.fail_after(60):
        result = await client.call_tool(tool, arguments)
    text, *links = result.content
    assert isinstance(text, t.TextContent)
    assert json.loads(text.text) == result.structured_content
    return text.text, json.loads(text.text), [link for link in links if isinstance(link, t.ResourceLink)]


# ------------------------------------------------------------------------------------------ the rest of a list


@pytest.mark.parametrize("era", ERAS)
async def test_every_row_comes_once_and_cipp_is_asked_once(house: House) -> None:
    house.box.faults.add(many(500))
    answer = first = await house.call("list_users", **T)
    seen = [row["userPrincipalName"] for row in first["items"]]
    assert (first["total"], first["complete"]) == (500, False)
    assert f"500 rows read, {first['returned']} shown" in first["message"] and "read_more" in first["message"]
    while "next" in answer:
        assert answer["complete"] is False
        answer = await house.call("read_more", cursor=answer["next"], request_options={"limit": 1000})
        assert (answer["tenant"], answer["total"], answer["as_of"]) == (F, 500, first["as_of"])
        seen += [row["userPrincipalName"] for row in answer["items"]]
    assert (len(seen), set(seen), answer["complete"]) == (500, people(500), True)
    assert [r.endpoint for r in house.requests if r.endpoint == "ListUsers"] == ["ListUsers"]


@pytest.mark.parametrize("era", ERAS)
async def test_the_rest_is_a_resource_with_a_link_to_it(house: House) -> None:
    house.box.faults.add(many(60))
    _, first, (link,) = await result_of(house.client, "list_users", T)
    assert (link.uri, link.mime_type) == (f"cipp://results/{first['next'].replace('.', '?offset=')}", "application/json")
    (rest,) = (await house.client.read_resource(link.uri)).contents
    (whole,) = (await house.client.read_resource(link.uri.partition("?")[0])).contents
    assert isinstance(rest, t.TextResourceContents) and isinstance(whole, t.TextResourceContents)
    assert first["items"] + json.loads(rest.text)["items"] == json.loads(whole.text)["items"]
    assert json.loads(rest.text)["complete"] is True


@pytest.mark.parametrize("era", ["auto"])
async def test_a_list_that_fits_has_no_cursor_and_no_link(house: House) -> None:
    text, answer, links = await result_of(house.client, "list_users", {**T, "graph_filter": "startswith(displayName,'Ana')"})
    assert ("next" in answer, links, answer["complete"]) == (False, [], True)
    assert "null" not in text


WRONG = ["", "r1", "r0123456789abcdef.0", "r0123456789abcdef.-1", "../../etc/passwd", "x" * 2_000]


@pytest.mark.parametrize(("era", "cursor"), [(ERAS[n % 2], c) for n, c in enumerate(WRONG)])
async def test_a_cursor_that_leads_nowhere_says_what_to_do(house: House, cursor: str) -> None:
    answer = await house.call("read_more", cursor=cursor)
    assert answer["outcome"] == "refused" and house.requests == []
    if cursor:
        assert "Call the tool that gave the list again." in answer["next_step"]
        with pytest.raises(MCPError):
            await house.client.read_resource(f"cipp://results/{cursor.replace('.', '?offset=')}")


@pytest.mark.parametrize("era", ["legacy"])
async def test_a_cursor_past_the_end_leads_nowhere(house: House) -> None:
    house.box.faults.add(many(60))
    first = await house.call("list_users", **T)
    sheet = first["next"].partition(".")[0]
    assert (await house.call("read_more", cursor=f"{sheet}.61"))["outcome"] == "refused"
    assert (await house.call("read_more", cursor=f"{sheet}.60"))["message"] == "There are no rows after number 60."


@pytest.mark.parametrize(("era", "options"), [("auto", {"fields": ["id"]}), ("legacy", {"filter": {"id": "1"}, "limit": 3})])
async def test_other_rows_and_columns_of_a_list_that_was_read_are_not_passed_over_in_silence(
    house: House, options: dict[str, Any]
) -> None:
    house.box.faults.add(many(60))
    first = await house.call("list_users", **T)
    answer = await house.call("read_more", cursor=first["next"], request_options=options)
    assert answer["outcome"] == "refused" and "Call the tool that gave the list" in answer["next_step"]


class Verifier:
    """Everybody who names themselves is let in."""

    async def verify_token(self, token: str) -> AccessToken | None:
        return AccessToken(token=token, client_id="tests", scopes=[], subject=token)


async def test_over_http_a_list_is_read_on_only_by_whoever_asked_for_it(tmp_path: Path) -> None:
    addresses: dict[str, Any] = {"issuer_url": "https://login.example", "resource_server_url": "http://127.0.0.1/mcp"}
    auth = AuthSettings(**addresses, validate_token_resource=False)
    with Box.open(enforce_rate=False) as box:
        chosen = settings.read({**QUIET, **box.environment(), "CIPP_MCP_HOME": str(tmp_path / "home")})
        with Mounted(chosen, auth=auth, token_verifier=Verifier()) as server:
            box.faults.add(many(60))

            async def by(name: str, tool: str, **arguments: Any) -> dict[str, Any]:
                async with (
                    httpx2.AsyncClient(headers={"Authorization": f"Bearer {name}"}, timeout=60) as http,
                    Client(streamable_http_client(server.url, http_client=http)) as client,
                ):
                    return await call(client, tool, arguments)

            cursor = (await by("ana", "list_users", **T))["next"]
            assert (await by("ben", "read_more", cursor=cursor))["outcome"] == "refused"
            assert (await by("ana", "read_more", cursor=cursor))["outcome"] == "done"


async def test_nothing_of_a_list_stays_on_the_disk(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with Box.open(enforce_rate=False) as box:
        box.faults.add(many(4_000))
        env = environment(tmp_path / "home", box.environment(), {"TMPDIR": str(temporary)})
        with Talk(command("serve"), env, tmp_path / "log") as server:
            server.begin()
            assert server.call("list_users", T)["total"] == 4_000
        assert list(temporary.iterdir()) == []


def test_on_the_terminal_all_prints_every_row_and_a_cut_list_says_so(tmp_path: Path) -> None:
    with Box.open(enforce_rate=False) as box:
        env = environment(tmp_path / "home", box.environment())

        def run(*more: str) -> dict[str, Any]:
            box.faults.add(many(300))
            arguments = ["call", "list_users", "--json", "--args", json.dumps(T), *more]
            done = subprocess.run(command(*arguments), env=env, capture_output=True, encoding="utf-8", timeout=60, check=True)
            return dict(json.loads(done.stdout))

        cut, whole = run(), run("--all")
    assert ("next" in cut, cut["returned"] < 300, cut["next_step"]) == (False, True, "--all prints every row.")
    assert ({r["userPrincipalName"] for r in whole["items"]}, whole["returned"], whole["complete"]) == (people(300), 300, True)
    assert "next" not in whole


# ------------------------------------------------------------------------------------------------ what it costs


@pytest.fixture
def hundred(house: House) -> Iterator[House]:
    """A hundred accounts, of which a dozen have no second factor."""
    rows = house.box.world.tenant(F).table("users")
    pattern = next(u for u in rows.values() if u["userPrincipalName"] == ANA)
    rows.clear()
    for n in range(100):
        row = copy.deepcopy(pattern) | {"id": f"00000000-0000-4000-8000-{n:012}", "userPrincipalName": f"first.last{n}@{F}"}
        row |= {"displayName": f"First Last{n}", "_methods": ["password"] + (["microsoftAuthenticator"] if n % 8 else [])}
        rows[row["id"]] = row
    yield house


LACKS = {"filter": {"MFARegistration": False}, "fields": ["UPN"]}


@pytest.mark.parametrize("era", ["auto"])
async def test_one_user_and_who_lacks_mfa_cost_little(hundred: House) -> None:
    by_name = {**T, "graph_filter": "startswith(displayName,'First Last42')"}
    text, one, _ = await result_of(hundred.client, "list_users", by_name)
    assert (one["total"], len(text) <= 750) == (1, True), len(text)
    text, one, _ = await result_of(hundred.client, "get_user", {**T, "user_id": f"first.last42@{F}"})
    assert (one["total"], len(text) <= 750) == (1, True), len(text)
    text, some, _ = await result_of(hundred.client, "list_mfa_users", {**T, "request_options": LACKS})
    assert (some["total"], some["matched"], some["returned"], some["complete"]) == (100, 13, 13, True)
    assert len(text) <= 1_200, len(text)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", ["list_users", "list_mfa_users"])
async def test_a_list_takes_its_share_of_the_context_and_never_more_than_20_000_characters(hundred: House, tool: str) -> None:
    text, short, _ = await result_of(hundred.client, tool, T)
    assert short["total"] == 100 and 4_000 < len(text) <= DEFAULT
    text, long, _ = await result_of(hundred.client, tool, {**T, "request_options": {"limit": 1000}})
    assert long["returned"] > short["returned"] and DEFAULT < len(text) <= LARGEST


@pytest.mark.parametrize("era", ["auto"])
async def test_an_object_that_is_too_long_names_what_is_left_out(house: House) -> None:
    house.box.faults.add(Fault("many", "ListUsers", count=1, body=[ROW | {"notes": ["x" * 900] * 90, "more": ["y"] * 9}]))
    options = {"fields": ["userPrincipalName", "notes", "more"]}
    text, answer, _ = await result_of(house.client, "list_users", {**T, "request_options": options})
    assert (answer["left_out"], answer["complete"], len(text) <= DEFAULT) == (["notes"], False, True)
    assert answer["items"][0] == {"userPrincipalName": f"user0@{F}", "more": ["y"] * 9}


WHERE = [
    ({"arguments": {**T, "request_options": LACKS}}, 13),
    ({"arguments": T, "request_options": LACKS}, 13),
    ({"arguments": T}, 100),
]


@pytest.mark.parametrize("era", ["auto"])
async def test_options_may_stand_inside_or_beside_the_arguments_of_read_action(hundred: House, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", hundred.box.environment(), {"CIPP_MCP_TOOLS": "lean"})
    with Talk(command("serve"), env, tmp_path / "log") as server:
        server.begin()
        answers = [server.call("read_action", {"action": "list_mfa_users", **where}) for where, _ in WHERE]
        more = server.call("read_more", {"cursor": answers[-1]["next"]})
    assert [a.get("matched", a["total"]) for a in answers] == [n for _, n in WHERE]
    assert more["outcome"] == "done" and more["items"][0] not in answers[-1]["items"]


def reported(action: Action) -> bool:
    """Whether CIPP can answer it for all tenants from its nightly copy."""
    return action.all_tenants and any(f.to == "query.UseReportDB" for f in action.fields)


REPORTED = [action.name for action in manifests.load() if reported(action)]
REQUIRED = {"list_sites": {"type": "SharePointSiteUsage"}}


@pytest.mark.parametrize(("era", "tool"), [(ERAS[n % 2], tool) for n, tool in enumerate(REPORTED)])
async def test_one_request_answers_for_all_tenants_from_the_nightly_copy(house: House, tool: str) -> None:
    await house.call("list_tenants")  # the list of tenants is read beforehand in any case
    before = len(house.requests)
    more = REQUIRED.get(tool, {})
    answer = await house.call(tool, tenant_filter="AllTenants", use_report_db=True, **more)
    assert answer["outcome"] == "done" and answer["coverage"]["tenants"] > 3
    asked = [r for r in house.requests[before:] if r.endpoint != "ListTenants"]
    assert [r.query["UseReportDB"] for r in asked] == ["true"]


# ------------------------------------------------------------------------------------------------ what it holds

MOST_ABOVE_IDLE = 30 * 2**10


def kilobytes(process: subprocess.Popen[bytes], what: str) -> int:
    for line in Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1])
    raise AssertionError(what)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_large_list_is_answered_in_little_memory(tmp_path: Path, count: int) -> None:
    """Of 100,000 rows, 52 MB: 8 MiB above idle, of which 5 are the first call's imports (2026-11-24, Linux, Python 3.11)."""
    with Box.open(enforce_rate=False) as box:
        env = environment(tmp_path / "home", box.environment(), {"CIPP_MCP_ANSWER_WITHIN": "300"})
        with Talk(command("serve"), env, tmp_path / "log") as server:
            server.begin()
            server.ask("tools/list")
            idle = kilobytes(server.process, "VmRSS")
            box.faults.add(many(count))
            answer = server.ask("tools/call", {"name": "list_users", "arguments": T}, within=300)
            envelope = answer["result"]["structuredContent"]
            assert (envelope["total"], envelope["items"][0]["userPrincipalName"]) == (count, f"user0@{F}")
            last = server.call("read_more", {"cursor": f"{envelope['next'].partition('.')[0]}.{count - 1}"})
            assert (last["items"][0]["userPrincipalName"], last["complete"]) == (f"user{count - 1}@{F}", True)
            above = kilobytes(server.process, "VmHWM") - idle
    assert above <= MOST_ABOVE_IDLE, f"{above} KiB above idle"
