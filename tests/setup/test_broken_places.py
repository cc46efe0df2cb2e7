"""Every command where something is broken: one sentence with the next step and a status, never a traceback or a shrug."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cipp_mcp import cli
from cipp_mcp.call.guard.policy import read_policy
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.errors import SettingsError
from cipp_mcp.settings import read
from tests.setup.conftest import Main

WITHIN = 60.0
PLAN, SECRET = f"plan_{'0' * 32}", f"secret_{'0' * 32}"
COMMANDS = [
    ["tools"],
    ["tools", "--json"],
    ["plans"],
    ["approve", PLAN],
    ["reveal", SECRET],
    ["policy"],
    ["policy", "remove_user"],
    ["audit", "verify"],
    ["audit", "export"],
    ["audit", "export", "--format", "csv"],
    ["breaker", "show"],
    ["breaker", "reset"],
    ["doctor"],
    ["serve"],
    ["call", "list_tenants"],
    ["print", "json"],
    ["print", "cursor", "--demo"],
    ["new", "ExecClrImmId"],
    ["drift", "nowhere.json"],
    ["facts", "nowhere.json"],
    ["completion", "bash"],
]
CIPP = {"CIPP_API_URL": "https://cipp.invalid", "CIPP_TENANT_ID": "t", "CIPP_CLIENT_ID": "c", "CIPP_CLIENT_SECRET": "s"}
JUNK = b"\xff\xfe\x00 junk"


def _file(name: str, content: bytes = JUNK) -> Callable[[Path], None]:
    def make(home: Path) -> None:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(content)

    return make


def _folder(name: str) -> Callable[[Path], None]:
    return lambda home: (home / name).mkdir()


def _no_folder(home: Path) -> None:
    home.rmdir()
    home.write_bytes(b"x")


PLACES: dict[str, Callable[[Path], None]] = {
    "a file where the folder should be": _no_folder,
    "a policy that is not text": _file("policy.toml"),
    "a policy that is no TOML": _file("policy.toml", b"= ="),
    "a policy with an unknown rule": _file("policy.toml", b"tenant = []"),
    "a policy that is a folder": _folder("policy.toml"),
    "profiles that are not text": _file("profiles.toml"),
    "profiles that are a folder": _folder("profiles.toml"),
    "a plan that is not text": _file(f"plans/{PLAN}.json"),
    "a plan that is no plan": _file(f"plans/{PLAN}.json", b'{"plan": {"id": 7}, "mac": "x"}'),
    "a file where the plans should be": _file("plans"),
    "a secret's note that is no note": _file(f"reveal/{SECRET}.json", b'{"address": 5}'),
    "a trail that is not text": _file("audit.jsonl"),
    "a trail of other things": _file("audit.jsonl", b'7\n[]\nnull\n{"n": "x"}\n'),
    "a trail that is a folder": _folder("audit.jsonl"),
    "a key that is damaged": _file("seal.key"),
    "a key in a keyring that is not there": _file("seal.key", b"keyring"),
    "counts that are damaged": _file("tally.json"),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_command_ends_with_a_sentence(place: str, main: Main, folder: Path) -> None:
    PLACES[place](folder)
    for argv in COMMANDS:
        code, out, err = main(*argv)
        assert "Traceback" not in err and "unexpected" not in err + out, argv
        if code in {2, 4}:
            assert err.startswith("cipp-mcp: ") and err.count("\n") == 1, argv
        else:
            assert code in {0, 1} and out, argv


@pytest.mark.skipif(getattr(os, "getuid", lambda: 0)() == 0, reason="needs a user whom file rights bind")
def test_a_folder_that_cannot_be_written_stops_what_must_write(main: Main, folder: Path) -> None:
    folder.chmod(0o500)
    try:
        assert main("plans")[:2] == (0, "No plan waits.\n")
        code, _, err = main("breaker", "reset")
    finally:
        folder.chmod(0o700)
    assert code == 4 and "writable" in err


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_no_command_fails_for_a_narrow_console(encoding: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for argv in [*COMMANDS, ["call", "list_users", "--demo", "--args", '{"tenant_filter": "fabrikam.example"}']]:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        code = cli.main(argv)
        err.flush()
        said = err.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]
        assert code in {0, 2, 4} and "unexpected" not in said, (argv, said)
        assert out.buffer.getvalue().decode("utf-8") or code, argv  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform == "win32", reason="a stream cannot be closed there by a shell")
@pytest.mark.parametrize(
    ("argv", "closed", "code"),
    [
        ("tools", ">&-", 0),
        ("nonsense", ">&-", 2),
        ("nonsense", "2>&-", 2),
        ("tools", ">&- 2>&-", 0),
        ("serve --demo", "<&-", 0),
        ("call list_tenants --demo --args -", "<&-", 2),
    ],
)
def test_a_start_without_a_stream_is_quiet(argv: str, closed: str, code: int) -> None:
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "cipp_mcp", *argv.split()]
    ended = subprocess.run(words, capture_output=True, timeout=WITHIN, check=False)
    assert ended.returncode == code
    assert b"Traceback" not in ended.stderr and b"unexpected" not in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("argv", [["plans"], ["tools", "--json"]])
def test_a_full_disk_is_told(argv: list[str], folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        words = [sys.executable, "-m", "cipp_mcp", *argv]
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, timeout=WITHIN, check=False)
    assert ended.returncode == 1
    assert ended.stderr.decode() == "cipp-mcp: the disk is full, so the output is not whole. Make room and look again.\n"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("[1]", "one JSON object"),
        ("{", "not JSON"),
        ('{"tenant_filter": 5}', "tenant_filter must be a text"),
        ('{"user_id": {"a": 1}}', "user_id must be"),
        ('{"planet": "x"}', "is not an argument of this tool"),
    ],
)
def test_a_question_about_a_wrong_call_is_answered_with_what_is_wrong(given: str, says: str, main: Main, folder: Path) -> None:
    code, out, err = main("policy", "remove_user", "--args", given)
    assert code in {2, 4} and out == "" and says in err


def test_a_trail_that_cannot_be_read_is_not_called_whole_or_empty(main: Main, folder: Path) -> None:
    (folder / "audit.jsonl").mkdir()
    for argv in (["audit", "verify"], ["audit", "export"]):
        code, out, err = main(*argv)
        assert (code, out) == (2, "") and "cannot be read" in err


def test_half_a_call_can_be_asked_about(main: Main, folder: Path) -> None:
    code, out, _ = main("policy", "remove_user", "--args", '{"tenant_filter": "fabrikam.example"}', "--json")
    assert (code, json.loads(out)["verdict"]) == (0, "asked")


def test_a_policy_that_was_named_and_is_not_there_is_no_permission(folder: Path, catalog: Catalog) -> None:
    """A typing error in CIPP_MCP_POLICY must not lift the rules."""
    chosen = read({"CIPP_MCP_HOME": str(folder), "CIPP_MCP_POLICY": str(folder / "polycy.toml")}, need_cipp=False)
    with pytest.raises(SettingsError, match="names a file that is not there"):
        read_policy(chosen, catalog)
    assert read_policy(read({"CIPP_MCP_HOME": str(folder)}, need_cipp=False), catalog).rules.tenants is None


@pytest.mark.parametrize(
    ("argv", "environment", "says"),
    [
        (
            ["call", "list_tenants"],
            {"CIPP_CLIENT_SECRET": "pasted\u200b"},
            "CIPP_CLIENT_SECRET has a character",
        ),
        (["call", "list_tenants"], {"CIPP_CLIENT_SECRET": "\udcff"}, "CIPP_CLIENT_SECRET has a character"),
        (["call", "list_tenants", "--args", "[" * 60_000], {}, "--args is not JSON"),
        (["packages", "--bundle", "nowhere/at/all.mcpb"], {}, "cannot be written"),
    ],
)
def test_what_is_no_text_is_told(
    argv: list[str], environment: dict[str, str], says: str, main: Main, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**CIPP, **environment}.items():
        monkeypatch.setenv(name, value)
    code, out, err = main(*argv)
    assert (code, out) == (2, "") and says in err and "pasted" not in err
