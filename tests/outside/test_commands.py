"""The command line: the same walk, exit codes that a script can use, and a person who approves on a terminal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from tests.outside.guarded import ANA, GUARDED, F, arguments_of
from tests.outside.house import WITHIN, Ended, Run, command, environment, forget
from tests.outside.jsonlines import Talk

GIL = f"gil@{F}"
ENABLE = {"tenant_filter": F, "user_id": GIL, "enabled": True}
CLEAR = arguments_of(GUARDED["clear"])


@pytest.fixture
def effects(box: Box) -> Iterator[Callable[[], list[str]]]:
    """Which endpoints changed something since the test began. Gil is blocked and Ana linked at its start."""
    tenant = box.world.tenant(F)
    for upn, key, value in ((GIL, "accountEnabled", False), (ANA, "onPremisesImmutableId", "QUJD")):
        row = tenant.user(upn)
        assert row is not None
        row[key] = value
    before = len(box.world.ledger)
    yield lambda: [e.endpoint for e in box.world.ledger[before:]]
    box.faults.clear()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def call(run: Run, tool: str, arguments: Any, *more: str, **env: str) -> Ended:
    return run("call", tool, "--args", json.dumps(arguments), "--json", *more, **env)


# Exit codes: tool, arguments, fault, code, outcome.
CODES: list[tuple[str, Any, Fault | None, int, str]] = [
    ("list_tenants", {}, None, 0, "done"),
    ("set_user_sign_in", ENABLE, None, 0, "done"),
    ("set_user_sign_in", ENABLE | {"user_id": ANA}, None, 0, "unchanged"),
    ("list_users", {"tenant_filter": F}, Fault("failed_403", endpoint="ListUsers", times=None), 1, "failed"),
    ("set_user_sign_in", ENABLE, Fault("part_500", endpoint="ExecDisableUser", effect="none"), 1, "partial"),
    ("set_user_sign_in", ENABLE, Fault("redirect", endpoint="ExecDisableUser"), 1, "failed"),
    ("clear_user_immutable_id", CLEAR, None, 3, "needs_approval"),
    ("list_userz", {}, None, 4, "refused"),
    ("list_users", {}, None, 4, "refused"),
    ("list_users", {"tenant_filter": "nobody.example"}, None, 4, "refused"),
    ("clear_user_immutable_id", CLEAR | {"confirm": "plan_" + "0" * 32}, None, 4, "refused"),
    ("set_user_sign_in", ENABLE, Fault("cut_before", endpoint="ExecDisableUser"), 5, "unknown"),
    ("set_user_sign_in", ENABLE, Fault("lost", endpoint="ExecDisableUser"), 3, "pending"),
]


@pytest.mark.parametrize(
    ("tool", "arguments", "fault", "code", "outcome"), CODES, ids=[f"{c[3]}-{c[4]}-{n}" for n, c in enumerate(CODES)]
)
def test_the_exit_code_says_how_it_ended(
    run: Run, box: Box, effects: Callable[[], list[str]], tool: str, arguments: Any, fault: Fault | None, code: int, outcome: str
) -> None:
    if fault is not None:
        box.faults.add(fault)
    ended = call(run, tool, arguments)
    assert (ended.code, ended.json["outcome"]) == (code, outcome), ended
    assert (effects() != []) is (outcome == "done" and tool.startswith("set_"))


@pytest.mark.parametrize(("kind", "hint"), [("unauthorized", "Save to Azure"), ("redirect", "API address"), ("server_error", "")])
def test_a_tenant_list_that_cannot_be_read_is_a_failure_with_its_own_hint(run: Run, box: Box, kind: str, hint: str) -> None:
    box.faults.add(Fault(kind, times=None))
    try:
        ended = call(run, "list_users", {"tenant_filter": F})
    finally:
        box.faults.clear()
    assert (ended.code, ended.json["outcome"]) == (1, "failed")
    assert hint in ended.json.get("next_step", "")


USAGE = [
    ("call",),
    ("call", "list_users", "--args", "{"),
    ("call", "list_users", "--args", "[]"),
    ("call", "list_users", "--args", "7"),
    ("call", "list_users", "--no-such-flag"),
    ("nonsense",),
    ("audit", "burn"),
    ("approve",),
]


@pytest.mark.parametrize("argv", USAGE, ids=" ".join)
def test_a_wrong_command_line_ends_with_2(run: Run, argv: tuple[str, ...]) -> None:
    ended = run(*argv)
    assert ended.code == 2
    assert ended.err
    assert ended.out == ""


def test_machine_output_is_one_json_value_also_for_an_error(run: Run) -> None:
    assert run("call", "list_users", "--args", "{", "--json").json["outcome"] in {"refused", "failed"}
    assert run("tools", "--json").json[0]["input_schema"]["type"] == "object"
    assert run("plans", "--json").json == []
    assert run("audit", "verify", "--json").json["whole"] is True


def test_the_table_of_tools_names_them_all(run: Run) -> None:
    listed = {tool["name"] for tool in run("tools", "--json").json}
    shown = run("tools").out
    assert {"clear_user_immutable_id", "list_tenants"} <= listed
    assert all(name in shown for name in listed)
    narrow = {tool["name"] for tool in run("tools", "--json", CIPP_MCP_GROUPS="license").json}
    assert "set_user_licenses" in narrow < listed
    assert not any(n.startswith("set_") for n in (t["name"] for t in run("tools", "--json", CIPP_MCP_READ_ONLY="1").json))


def test_without_json_a_person_can_read_it(run: Run, effects: Callable[[], list[str]]) -> None:
    ended = run("call", "set_user_sign_in", "--args", json.dumps(ENABLE))
    assert ended.out.startswith("done: Set sign-in")
    assert "\x1b" not in ended.out


def test_arguments_can_come_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"tenant_filter": F, "user_id": ANA})))
    ended = run("call", "get_user", "--args", "-", "--json")
    assert (ended.code, ended.json["items"][0]["userPrincipalName"]) == (0, ANA)


def test_the_demo_can_be_called_without_any_setting(tmp_path: Path) -> None:
    env = {k: v for k, v in environment(tmp_path).items() if k != "CIPP_MCP_HOME"}
    ended = subprocess.run(
        command("call", "list_tenants", "--demo", "--json"),
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WITHIN,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert F in {t["defaultDomainName"] for t in json.loads(ended.stdout)["items"]}


def test_the_terminal_needs_no_mcp(tmp_path: Path) -> None:
    code = "import sys; from cipp_mcp import cli; cli.main(['call', 'list_tenants', '--demo', '--json']); "
    code += "sys.exit('mcp' in sys.modules)"
    env = environment(tmp_path)
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, timeout=WITHIN, check=False)
    assert ended.returncode == 0


# ---------------------------------------------------------------------------------------------------- held plans


def test_a_held_plan_waits_for_a_person_and_runs_once(run: Run, effects: Callable[[], list[str]]) -> None:
    held = call(run, "clear_user_immutable_id", CLEAR, "--hold")
    plan_id = held.json["plan_id"]
    assert (held.code, effects()) == (3, [])
    (listed,) = run("plans", "--json").json
    assert (listed["plan_id"], listed["state"], listed["tenant"], listed["targets"]) == (plan_id, "waiting", F, ANA)
    assert plan_id in run("plans").out
    approved = on_a_terminal(run, ANA, "approve", plan_id)
    assert approved.code == 0, approved
    assert run("plans", "--json").json[0]["state"] == "approved"
    done = call(run, "clear_user_immutable_id", CLEAR | {"confirm": plan_id})
    assert (done.code, done.json["outcome"], effects()) == (0, "done", ["ExecClrImmId"])
    again = call(run, "clear_user_immutable_id", CLEAR | {"confirm": plan_id})
    assert (again.code, effects()) == (4, ["ExecClrImmId"])
    assert run("plans", "--json").json == []


def test_hold_never_runs_anything(run: Run, effects: Callable[[], list[str]]) -> None:
    call(run, "set_user_sign_in", ENABLE, "--hold")
    assert effects() == []


TERMINAL = """
import os, pty, sys
pid, screen = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-m", "cipp_mcp", *sys.argv[2:]])
seen, typed = b"", False
while True:
    try:
        chunk = os.read(screen, 4096)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    if not typed and seen.endswith(b"> "):
        os.write(screen, sys.argv[1].encode() + b"\\n")
        typed = True
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def on_a_terminal(run: Run, typed: str, *argv: str) -> Ended:
    """The real command on a pseudo-terminal of its own, at which somebody types one line."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminal that the standard library can open")
    ended = subprocess.run(
        [sys.executable, "-c", TERMINAL, typed, *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=WITHIN, check=False
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def held(run: Run) -> str:
    return str(call(run, "clear_user_immutable_id", CLEAR, "--hold").json["plan_id"])


def test_the_terminal_shows_the_plan_and_what_to_type(run: Run) -> None:
    shown = on_a_terminal(run, "no", "approve", held(run)).out
    for word in ("Clear immutable ID", "Fabrikam", F, ANA, "destroy", f"Type exactly: {ANA}"):
        assert word in shown


@pytest.mark.parametrize("typed", ["", "yes"])
def test_a_wrong_phrase_on_the_terminal_declines_the_plan(run: Run, effects: Callable[[], list[str]], typed: str) -> None:
    plan_id = held(run)
    assert on_a_terminal(run, typed, "approve", plan_id).code == 4
    assert run("plans", "--json").json == []
    refused = call(run, "clear_user_immutable_id", CLEAR | {"confirm": plan_id})
    assert (refused.code, effects()) == (4, [])


@pytest.mark.skipif(sys.platform == "win32", reason="a console cannot be taken away from a process there")
def test_a_pipe_cannot_say_yes(run: Run, effects: Callable[[], list[str]]) -> None:
    plan_id = held(run)
    ended = subprocess.run(
        command("approve", plan_id),
        input=f"{ANA}\n".encode(),
        capture_output=True,
        timeout=WITHIN,
        check=False,
        start_new_session=True,
    )
    assert ended.returncode == 4
    assert b"terminal" in ended.stderr
    assert run("plans", "--json").json[0]["state"] == "waiting"
    assert effects() == []


def test_only_plans_of_this_folder_can_be_approved(run: Run, home: Path) -> None:
    plan_id = held(run)
    forget(home)
    for strange in (plan_id, "plan_x", "../x", "yes"):
        assert run("approve", strange).code == 4


# ----------------------------------------------------------------------------------------------------- the trail


def test_the_trail_tells_who_what_and_how_it_ended_and_verifies(run: Run, home: Path) -> None:
    run("call", "set_user_sign_in", "--args", json.dumps(ENABLE), "--ticket", "T-4711")
    records = [json.loads(line) for line in (home / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    intent = next(r for r in records if r["kind"] == "intent")
    outcome = next(r for r in records if r["kind"] == "outcome")
    assert records.index(intent) < records.index(outcome)
    assert intent["operation"] == outcome["operation"]
    for key, value in {"action": "set_user_sign_in", "effect": "set", "tenant": F, "ticket": "T-4711"}.items():
        assert (intent[key], outcome[key]) == (value, value)
    assert intent["targets"][0]["name"] == GIL
    assert outcome["outcome"] in {"done", "unchanged"}
    assert {"os_user", "operator", "cipp_client", "version"} <= set(intent)
    verified = run("audit", "verify")
    assert (verified.code, f"{len(records)} records" in verified.out) == (0, True)


def test_an_edited_trail_is_found_with_its_line(run: Run, home: Path) -> None:
    held(run)
    held(run)
    call(run, "set_user_sign_in", ENABLE)
    trail = home / "audit.jsonl"
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join([lines[0].replace(ANA.encode(), b"ben@fabrikam.example"), *lines[1:]]))
    found = run("audit", "verify")
    assert (found.code, "line " in found.out) == (1, True)
    assert run("audit", "verify", "--json").json["whole"] is False


def test_no_secret_is_in_the_trail_or_on_the_screen(run: Run, box: Box, home: Path) -> None:
    reset = arguments_of(GUARDED["reset"])
    plan_id = call(run, "reset_user_password", reset, CIPP_MCP_APPROVAL="flag").json["plan_id"]
    ended = call(run, "reset_user_password", reset | {"confirm": plan_id}, CIPP_MCP_APPROVAL="flag")
    assert ended.json["outcome"] == "done"
    kept = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file() and p.name != "seal.key")
    for secret in box.secrets:
        assert secret not in ended.out + ended.err
        assert secret.encode() not in kept


# ---------------------------------------------------------------------------------------------- the bare command


def test_the_bare_command_serves_on_a_pipe(box: Box, tmp_path: Path) -> None:
    with Talk(command(), environment(tmp_path / "home", box.environment()), tmp_path / "log") as server:
        assert server.begin()["serverInfo"]["name"] == "cipp-mcp"
        assert server.end() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal there")
def test_the_bare_command_on_a_terminal_prints_help(run: Run) -> None:
    ended = on_a_terminal(run, "")
    assert ended.code == 0
    assert "cipp-mcp demo" in ended.out


@pytest.mark.skipif(sys.platform == "win32", reason="a closed standard input cannot be made there")
def test_the_bare_command_without_any_input_prints_help(tmp_path: Path) -> None:
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *command()]
    ended = subprocess.run(closed, env=environment(tmp_path), capture_output=True, timeout=WITHIN, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"cipp-mcp demo" in ended.stdout


def test_the_demo_plays_and_ends_well(tmp_path: Path) -> None:
    ended = subprocess.run(
        command("demo", "--yes"),
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WITHIN,
        check=False,
    )
    said = ended.stdout.decode()
    assert (ended.returncode, ended.stderr) == (0, b"")
    for words in (
        "list_tenants",
        "clear_user_immutable_id",
        "Type exactly: ana@fabrikam.example",
        "done:",
        "The audit trail is whole",
    ):
        assert words in said
    config = json.loads(said[said.index('{\n  "mcpServers"') :].split("\n\n")[0])
    assert config["mcpServers"]["cipp-demo"]["args"][-2:] == ["serve", "--demo"]


@pytest.mark.parametrize("own", [ANA, ANA.upper()])
def test_the_operators_own_account_is_never_touched(run: Run, effects: Callable[[], list[str]], own: str) -> None:
    refused = call(run, "clear_user_immutable_id", CLEAR, "--hold", CIPP_MCP_OPERATOR=own)
    assert (refused.code, refused.json["outcome"], effects()) == (4, "refused", [])
