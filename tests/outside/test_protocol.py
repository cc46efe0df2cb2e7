"""The protocol, line by line: what is on standard output, every revision, and what goes wrong in an orderly way."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cipp_mcp.call.guard.audit import AuditTrail, verify
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from tests.outside.guarded import ANA, F
from tests.outside.house import command, environment, until
from tests.outside.jsonlines import MODERN, WITHIN, Talk, envelope

OLDER = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
GIL = f"gil@{F}"
TWELVE = {
    "list_tenants", "get_user", "list_users", "list_user_groups", "clear_user_immutable_id", "set_user_sign_in",
    "reset_user_password", "remove_user", "offboard_user", "set_user_licenses", "run_standards",
    "list_conditional_access_policies",
}  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box.open(enforce_rate=False) as opened:
        yield opened


@pytest.fixture
def clean_box(box: Box) -> Iterator[Box]:
    yield box
    box.faults.clear()


Begin = Callable[..., Talk]


@pytest.fixture
def talk(box: Box, tmp_path: Path) -> Iterator[Begin]:
    """Starts a server; keyword arguments are further settings."""
    begun: list[Talk] = []

    def begin(*arguments: str, answers: Any = None, **more: str) -> Talk:
        env = environment(tmp_path / "home", box.environment(), more)
        begun.append(Talk(command(*(arguments or ("serve",))), env, tmp_path / "log", answers))
        return begun[-1]

    yield begin
    for each in begun:
        each.end()


def pure(talked: Talk) -> None:
    """Every line of standard output is one JSON-RPC message."""
    assert talked.lines
    for line in talked.lines:
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        assert "method" in message or "result" in message or "error" in message


@pytest.mark.parametrize("version", OLDER)
def test_each_older_revision_is_spoken_as_asked(talk: Begin, version: str) -> None:
    server = talk()
    begun = server.begin(version)
    assert begun["protocolVersion"] == version
    assert begun["serverInfo"]["name"] == "cipp-mcp"
    assert "tools" in begun["capabilities"]
    assert "CIPP" in begun["instructions"]
    tools = server.ask("tools/list")["result"]["tools"]
    assert {t["name"] for t in tools} >= TWELVE
    tenants = server.call("list_tenants", {})
    assert tenants["outcome"] == "done"
    assert {t["defaultDomainName"] for t in tenants["items"]} >= {F, "contoso.example"}
    assert server.end() == 0
    pure(server)


def test_the_newest_revision_needs_no_handshake(talk: Begin) -> None:
    server = talk()
    found = server.ask("server/discover", {"_meta": envelope()})["result"]
    assert MODERN in found["supportedVersions"]
    listed = server.ask("tools/list", {"_meta": envelope()})["result"]
    assert {t["name"] for t in listed["tools"]} >= TWELVE
    assert server.call("list_tenants", {}, _meta=envelope())["outcome"] == "done"
    server.end()
    pure(server)


def test_standard_output_stays_pure_with_the_demo_and_with_a_full_log(talk: Begin, tmp_path: Path) -> None:
    server = talk("serve", "--demo", PYTHONDEVMODE="1")
    assert server.begin("1999-01-01")["protocolVersion"] in OLDER, "an unknown revision is answered with a known one"
    server.call("list_users", {"tenant_filter": F})
    server.ask("tools/call", {"name": "clear_user_immutable_id", "arguments": {"tenant_filter": F, "user_id": ANA}, "_meta": {}})
    server.ask("tools/call", {"name": "nonsense", "arguments": {}})
    server.write(b"this is no JSON")
    server.write(b'{"jsonrpc": "2.0"}')
    assert server.ask("ping")["result"] == {}
    assert server.end() == 0
    pure(server)
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def brisk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("brisk")


@pytest.fixture(scope="module")
def brisk(box: Box, brisk_folder: Path) -> Iterator[Talk]:
    """A server that must answer within 2.5 s, to a client that shows forms to nobody."""
    env = environment(brisk_folder / "home", box.environment(), {"CIPP_MCP_ANSWER_WITHIN": "2.5"})
    nobody = {"elicitation/create": lambda params: {"action": "cancel"}}  # what is read late of an earlier test's form
    with Talk(command("serve"), env, brisk_folder / "log", nobody) as server:
        server.begin(capabilities={"elicitation": {}})
        server.call("list_tenants", {})
        yield server


UNKNOWN = [
    ("clear_user_imutable_id", "clear_user_immutable_id"),
    ("ListUsers", ""),
    ("list_user", "list_users"),
    ("LIST_TENANTS", ""),
    ("remove_users", "remove_user"),
    ("", ""),
    ("../list_users", "list_users"),
    ("x" * 100_000, ""),
    ("list_tenants\u202e", "list_tenants"),
]


@pytest.mark.parametrize(("name", "near"), UNKNOWN)
def test_an_unknown_tool_is_an_error_of_the_protocol_with_the_nearest_names(brisk: Talk, name: str, near: str) -> None:
    error = brisk.ask("tools/call", {"name": name, "arguments": {}})["error"]
    assert error["code"] == -32602
    assert near in error["message"]
    assert len(error["message"]) < 300


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", "99999", "1e3", "0x1", " 0", "9" * 400, "null"])
def test_a_cursor_that_we_did_not_give_is_an_error(brisk: Talk, cursor: str) -> None:
    assert brisk.ask("tools/list", {"cursor": cursor})["error"]["code"] == -32602


def test_an_unknown_method_is_an_error(brisk: Talk) -> None:
    assert brisk.ask("tools/destroy")["error"]["code"] == -32601


STRANGE: list[Any] = [
    None,
    "text",
    7,
    [],
    [{"tenant_filter": F}],
    {"tenant_filter": {"$ne": ""}},
    {"tenant_filter": [[[[[["x"]]]]]]},
]


@pytest.mark.parametrize("arguments", STRANGE, ids=repr)
def test_arguments_of_a_strange_shape_are_answered(brisk: Talk, arguments: Any) -> None:
    answer = brisk.ask("tools/call", {"name": "list_users", "arguments": arguments})
    if "error" in answer:
        assert answer["error"]["code"] in {-32602, -32600}
    else:
        assert json.loads(answer["result"]["content"][0]["text"])["outcome"] == "refused"
        assert answer["result"]["isError"] is True


def test_numbers_that_json_does_not_have_do_no_harm(brisk: Talk) -> None:
    for text in (b"NaN", b"1e999", b"-Infinity", b"9" * 5000):
        brisk.write(
            b'{"jsonrpc": "2.0", "id": "odd", "method": "tools/call", "params": {"name": "list_users", "arguments": '
            b'{"tenant_filter": "fabrikam.example", "request_options": {"timeout": ' + text + b"}}}}"
        )
        assert brisk.ask("ping")["result"] == {}
    assert not any(b"-32603" in line for line in brisk.lines)


def test_deep_arguments_do_no_harm(brisk: Talk) -> None:
    deep = b"[" * 5000 + b"]" * 5000
    brisk.write(
        b'{"jsonrpc": "2.0", "id": "deep", "method": "tools/call", "params": {"name": "list_users", "arguments": '
        b'{"tenant_filter": ' + deep + b"}}}"
    )
    assert brisk.ask("ping")["result"] == {}


def test_lone_surrogates_in_arguments_do_no_harm(brisk: Talk) -> None:
    brisk.write(
        b'{"jsonrpc": "2.0", "id": "half", "method": "tools/call", "params": {"name": "list_users", "arguments": '
        b'{"tenant_filter": "fabrikam\\ud800.example"}}}'
    )
    assert brisk.ask("ping")["result"] == {}


def test_the_list_is_sorted_and_each_tool_is_sound(brisk: Talk) -> None:
    tools = brisk.ask("tools/list")["result"]["tools"]
    assert [t["name"] for t in tools] == sorted(t["name"] for t in tools)
    for tool in tools:
        schema = tool["inputSchema"]
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert "request_options" in schema["properties"]
        hints = tool["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} <= set(hints)
        assert not (hints["readOnlyHint"] and "confirm" in schema["properties"])
        assert tool["description"]
    hints = {t["name"]: t["annotations"] for t in tools}
    assert [n for n in TWELVE if hints[n]["readOnlyHint"]] == [
        n for n in TWELVE if n in {"get_user", "list_users", "list_user_groups", "list_conditional_access_policies"}
    ]
    assert hints["clear_user_immutable_id"]["destructiveHint"]


# ------------------------------------------------------------------------------------------------ ends and cancels


def trail(folder: Path) -> list[dict[str, Any]]:
    """The records of the trail, which must be whole."""
    home = folder / "home"
    assert verify(home / "audit.jsonl", Vault(home)).whole
    return list(AuditTrail(Vault(home), time.time, {}).records())


def outcomes(folder: Path) -> list[str]:
    return [r["outcome"] for r in trail(folder) if r["kind"] == "outcome"]


def enable(upn: str, **more: Any) -> dict[str, Any]:
    return {"name": "set_user_sign_in", "arguments": {"tenant_filter": F, "user_id": upn, "enabled": True}, **more}


def on_its_way(server: Talk, box: Box, upn: str = GIL, seconds: float = 0.6, **more: Any) -> int:
    """A slow write that has just reached CIPP; the id of its call."""
    seen = len(box.requests)
    box.faults.add(Fault("late", endpoint="ExecDisableUser", seconds=seconds))
    number = server.send("tools/call", enable(upn, **more))
    until(lambda: any(r.endpoint == "ExecDisableUser" for r in box.requests[seen:]))
    return number


def text_of(answer: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(answer["result"]["content"][0]["text"]))


@pytest.fixture
def blocked(clean_box: Box) -> Callable[[str], dict[str, Any]]:
    """Blocks a user and gives the row."""

    def block(upn: str) -> dict[str, Any]:
        row = clean_box.world.tenant(F).user(upn)
        assert row is not None
        row["accountEnabled"] = False
        return row

    return block


def test_a_cancelled_write_is_finished_and_recorded(
    brisk: Talk, clean_box: Box, blocked: Callable[[str], dict[str, Any]], brisk_folder: Path
) -> None:
    gil = blocked(GIL)
    number = on_its_way(brisk, clean_box)
    brisk.notify("notifications/cancelled", {"requestId": number, "reason": "changed my mind"})
    assert brisk.ask("ping")["result"] == {}
    until(lambda: outcomes(brisk_folder)[-1:] == ["done"])
    assert gil["accountEnabled"] is True


def test_a_cancelled_read_frees_the_server(brisk: Talk, clean_box: Box) -> None:
    seen = len(clean_box.requests)
    clean_box.faults.add(Fault("hang", endpoint="ListUserGroups"))
    number = brisk.send("tools/call", {"name": "list_user_groups", "arguments": {"tenant_filter": F, "user_id": ANA}})
    until(lambda: len(clean_box.requests) > seen)
    brisk.notify("notifications/cancelled", {"requestId": number})
    assert brisk.call("list_user_groups", {"tenant_filter": F, "user_id": ANA})["outcome"] == "done"


def test_a_write_that_takes_too_long_is_handed_out_as_pending_and_finished(
    brisk: Talk, clean_box: Box, blocked: Callable[[str], dict[str, Any]], brisk_folder: Path
) -> None:
    carla, before = blocked(f"carla@{F}"), len(outcomes(brisk_folder))
    number = on_its_way(brisk, clean_box, f"carla@{F}", seconds=4, _meta={"progressToken": "p1"})
    answer = text_of(brisk.wait(number))
    assert (answer["outcome"], answer["success"], answer["changed"]) == ("pending", None, "unknown")
    assert answer["operation_id"].startswith("op_")
    until(lambda: outcomes(brisk_folder)[before:] == ["done"])
    assert brisk.ask("ping")["result"] == {}
    assert carla["accountEnabled"] is True


def test_a_form_that_nobody_fills_in_hands_out_the_plan_in_time(brisk: Talk) -> None:
    began, seen = time.monotonic(), len(brisk.lines)
    brisk.send("tools/call", {"name": "remove_user", "arguments": {"tenant_filter": F, "user_id": ANA}})
    until(lambda: any(b"needs_approval" in line for line in brisk.lines[seen:]))
    assert time.monotonic() - began < 6
    assert any(b"elicitation/create" in line for line in brisk.lines[seen:])


NO_ANSWERS = [
    {},
    {"action": "ACCEPT"},
    {"action": "accept", "content": []},
    {"action": "accept", "content": {"phrase": {"x": ANA}}},
]


@pytest.mark.parametrize("answer", NO_ANSWERS, ids=str)
def test_an_answer_to_a_form_that_is_none_is_a_no(talk: Begin, box: Box, tmp_path: Path, answer: dict[str, Any]) -> None:
    before = len(box.world.ledger)
    server = talk(answers={"elicitation/create": lambda _: answer})
    server.begin(capabilities={"elicitation": {}})
    ended = server.call("clear_user_immutable_id", {"tenant_filter": F, "user_id": ANA})
    assert (ended["outcome"], ended["changed"], len(box.world.ledger)) == ("refused", "no", before)
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_what_is_read_before_a_form_leaves_it_less_time(brisk: Talk, clean_box: Box) -> None:
    clean_box.faults.add(Fault("late", endpoint="ListUsers", seconds=1.5))
    began, seen = time.monotonic(), len(brisk.lines)
    number = brisk.send("tools/call", {"name": "remove_user", "arguments": {"tenant_filter": F, "user_id": f"dora@{F}"}})
    until(lambda: any(b"elicitation/create" in line for line in brisk.lines[seen:]))
    until(lambda: any(b"needs_approval" in line for line in brisk.lines[seen:]))
    assert time.monotonic() - began < 3.8
    assert text_of(brisk.wait(number))["outcome"] == "needs_approval"


def test_an_answer_comes_in_time_though_the_target_cannot_be_read(
    brisk: Talk, clean_box: Box, blocked: Callable[[str], dict[str, Any]]
) -> None:
    gil = blocked(f"jun@{F}")
    clean_box.faults.add(Fault("hang", endpoint="ListUsers", times=None))
    answer = text_of(brisk.ask("tools/call", enable(f"jun@{F}"), within=5))
    assert answer["outcome"] in {"failed", "refused"}
    assert answer["changed"] == "no"
    assert gil["accountEnabled"] is False


def test_a_client_that_leaves_during_a_write_does_not_cut_it(
    talk: Begin, clean_box: Box, blocked: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    server, gil = talk(), blocked(GIL)
    server.begin()
    on_its_way(server, clean_box, _meta={"progressToken": "p1"})
    assert server.end() == 0
    assert gil["accountEnabled"] is True
    assert outcomes(tmp_path) == ["done"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM: a process is simply ended")
def test_a_server_that_is_told_to_stop_finishes_its_write(
    talk: Begin, clean_box: Box, blocked: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    server, gil = talk(), blocked(GIL)
    server.begin()
    on_its_way(server, clean_box)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(WITHIN)
    assert gil["accountEnabled"] is True
    assert outcomes(tmp_path) == ["done"]


def test_a_trail_that_breaks_after_the_write_left_neither_ends_the_server_nor_hides_the_write(
    talk: Begin, clean_box: Box, blocked: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    server = talk()
    blocked(GIL)
    server.begin()
    number = on_its_way(server, clean_box)
    kept = tmp_path / "home" / "audit.jsonl"
    kept.rename(kept.with_suffix(".kept"))
    kept.mkdir()
    answer = text_of(server.wait(number))
    assert answer["changed"] != "no"
    assert answer["outcome"] in {"done", "unknown"}
    assert server.ask("ping")["result"] == {}
    blocked(f"fay@{F}")
    refused = text_of(server.ask("tools/call", enable(f"fay@{F}")))
    assert (refused["outcome"], refused["changed"]) == ("refused", "no")
    assert server.call("list_users", {"tenant_filter": F})["outcome"] == "done", "reads go on"
