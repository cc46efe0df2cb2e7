"""Setup and install with a person who answers from a list, against the box."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cipp_mcp import keeping, profiles
from cipp_mcp.call.guard import pin
from cipp_mcp.cli import _parser
from cipp_mcp.clients import CLIENTS
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from cipp_mcp.settings import GROUPS
from cipp_mcp.setup import examined
from cipp_mcp.setup.dialogue import Dialogue
from tests.outside.jsonlines import Talk
from tests.setup.conftest import Main, Ring, Scripted


def run(person: Scripted, *argv: str) -> int:
    arguments = _parser().parse_args(["setup", *argv])
    return Dialogue(person, arguments, lambda s, name: examined(s, name, person.say)).run()


def entries(box: Box, *, secret: str | None = None, name: str = "") -> list[str]:
    return [name, f"{box.api_url}/api", box.tenant_id, box.client_id, box.client_secret if secret is None else secret]


def test_a_first_setup_keeps_checks_and_connects(box: Box, folder: Path, user: Path, ring: Ring) -> None:
    (user / ".cursor").mkdir()
    person = Scripted(*entries(box), "y", "hunter22", "hunter22", "y", "y")
    code = run(person, "--token-url", box.token_url)

    assert (code, person.answers) == (0, [])
    made = profiles.read_file(folder)
    assert made.default == "main"
    assert made.by_name["main"] == {
        "api_url": f"{box.api_url}/api", "tenant_id": box.tenant_id, "client_id": box.client_id, "token_url": box.token_url,
    }  # fmt: skip
    assert box.client_secret in ring.kept.values()
    check = pin.check_of(folder)
    assert check is not None and check("hunter22")
    written = json.loads((user / ".cursor" / "mcp.json").read_text("utf-8"))["mcpServers"]["cipp"]
    assert written["args"][-6:] == ["--profile", "main", "--home", str(folder), "--tools", "lean"]
    assert "Everything works, 1 warning." in person.screen
    everything = "".join(p.read_text("utf-8") for p in [*folder.rglob("*"), *user.rglob("*")] if p.is_file())
    assert box.client_secret not in everything + person.screen
    assert not box.world.ledger


def test_without_a_keyring_the_file_is_said_aloud(box: Box, folder: Path, user: Path) -> None:
    person = Scripted(*entries(box), "n")
    assert run(person, "--token-url", box.token_url) == 0
    assert "no keyring that we can use: the secret is in a file" in person.screen
    assert keeping.read(folder, "secret.main") == box.client_secret
    assert "No known client was found here" in person.screen


def test_wrong_entries_are_asked_again_until_they_work(box: Box, folder: Path, user: Path, ring: Ring) -> None:
    guid = "12345678-1234-4234-8234-123456789012"
    person = Scripted(
        *["Bad Name", "main", "", "ftp://x", "https:/x", "my host", f"{box.api_url}", "not a tenant!", box.tenant_id],
        *[box.client_id, "", guid, "wrong"],
        *["n", "y"],  # no PIN; correct the entries
        *["", "", "", box.client_secret],
    )
    assert run(person, "--token-url", box.token_url) == 0
    assert person.answers == []
    for said in ("no name for a profile", "Without it nothing works", "CIPP_TENANT_ID", "the secret's id", "AADSTS7000215"):
        assert said in person.screen
    assert person.screen.count("CIPP_API_URL is not an http(s) address.") == 3 and "`cipp-mcp setup` asks" not in person.screen
    assert keeping.read(folder, "secret.main") == box.client_secret


def test_what_was_typed_is_checked_whatever_the_shell_has_set(
    box: Box, folder: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client's process has the profile alone: the shell's own secret must not make a wrong one look right."""
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    person = Scripted(*entries(box, secret="wrong"), "n", "n")
    assert run(person, "--client-id", "another") == 1
    assert f"CIPP's API address [{box.api_url}]: " in person.said and "AADSTS7000215" in person.screen


def test_a_second_setup_offers_what_is_there(box: Box, folder: Path, user: Path, ring: Ring) -> None:
    run(Scripted(*entries(box), "n"), "--token-url", box.token_url)
    person = Scripted("", "", "", "", "", "n")  # Enter all the way; the secret stays
    assert run(person) == 0
    assert f"[{box.client_id}]" in person.screen
    assert keeping.read(folder, "secret.main") == box.client_secret


def test_a_second_profile_and_a_fault_that_stays(box: Box, folder: Path, user: Path, ring: Ring) -> None:
    run(Scripted(*entries(box), "n"), "--token-url", box.token_url)
    box.faults.add(Fault("token_old_secret", times=None))
    person = Scripted(*entries(box)[1:], "n", "n", "n")  # not the default, no PIN, do not correct
    assert run(person, "--profile", "contoso", "--token-url", box.token_url, "--read-only") == 1
    made = profiles.read_file(folder)
    assert (made.default, sorted(made.by_name), made.by_name["contoso"]["read_only"]) == ("main", ["contoso", "main"], True)


def test_a_pin_is_changed_only_by_who_knows_it(box: Box, folder: Path, user: Path, ring: Ring) -> None:
    pin.set_pin(folder, "hunter22")
    person = Scripted(*entries(box), "y", "guess")
    assert run(person, "--token-url", box.token_url) == 0
    assert "That is not the PIN; it stays as it was." in person.screen
    person = Scripted("", "", "", "", "", "y", "hunter22", "short", "new-pin-1", "typo", "new-pin-1", "new-pin-1")
    assert run(person) == 0
    check = pin.check_of(folder)
    assert check is not None and check("new-pin-1") and "The two differ." in person.screen


# ------------------------------------------------------------------------------------------------------ install


def test_install_needs_a_profile_or_demo(folder: Path, user: Path, main: Main) -> None:
    code, _, err = main("install", "cursor", "--yes")
    assert (code, list(user.iterdir())) == (2, [])
    assert "cipp-mcp setup" in err


@pytest.mark.parametrize("client", ["claude-desktop", "claude-code", "vscode", "cursor"])
def test_install_shows_writes_and_uninstalls(client: str, folder: Path, user: Path, main: Main) -> None:
    code, out, _ = main("install", client, "--demo", "--yes")
    (file,) = [p for p in user.rglob("*.json") if p.is_file()]
    assert code == 0 and "+" in out and "cipp-demo" in file.read_text("utf-8")
    assert main("install", client, "--demo", "--yes")[1].strip().endswith("nothing to do.")
    assert main("uninstall", client, "--demo", "--yes")[0] == 0
    assert "cipp-demo" not in file.read_text("utf-8")
    assert len([p for p in file.parent.iterdir() if ".before-cipp-mcp" in p.name]) == 1


def test_print_goes_to_standard_output_alone(folder: Path, user: Path, main: Main) -> None:
    code, out, err = main("print", "vscode", "--demo", "--groups", "user,group")
    assert code == 0 and json.loads(out)["servers"]["cipp-demo"]["args"] == ["serve", "--demo", "--groups", "user,group"]
    assert "mcp.json" in err
    assert json.loads(main("print", "json", "--demo")[1])["mcpServers"]["cipp-demo"]["args"] == ["serve", "--demo"]
    assert list(user.iterdir()) == []


@pytest.mark.parametrize("flags", [[], ["--groups", "user,tenant"]])
def test_what_is_written_for_vscode_lists_no_more_tools_than_it_takes(
    flags: list[str], folder: Path, user: Path, main: Main, tmp_path: Path
) -> None:
    entry = json.loads(main("print", "vscode", "--demo", *flags)[1])["servers"]["cipp-demo"]
    with Talk([entry["command"], *entry["args"]], dict(os.environ), tmp_path / "log") as server:
        server.begin()
        assert 3 < len(server.ask("tools/list")["result"]["tools"]) <= CLIENTS["vscode"].most


@pytest.mark.parametrize("flags", [["--tools", "all"], ["--read-only", "0"], ["--groups", ",".join(GROUPS)]])
def test_flags_that_give_vscode_more_tools_than_it_takes_are_refused(
    flags: list[str], folder: Path, user: Path, main: Main
) -> None:
    code, _, err = main("install", "vscode", "--demo", "--yes", *flags)
    assert (code, list(user.rglob("*.json"))) == (2, [])
    assert "at most 128 tools" in err and "lean" in err
    assert main("install", "claude-code", "--demo", "--yes", *flags)[0] == 0


def test_a_profile_is_named_and_no_secret_is_written(folder: Path, user: Path, main: Main) -> None:
    values = {"api_url": "https://cipp.example", "tenant_id": "t", "client_id": "c"}
    profiles.write_file(folder, profiles.Profiles().with_one("main", values, default=True).with_one("b", values, default=False))
    keeping.keep(folder, "secret.b", "canary~Secret")
    assert main("install", "claude-code", "--profile", "b", "--yes")[0] == 0
    text = (user / ".claude.json").read_text("utf-8")
    args = json.loads(text)["mcpServers"]["cipp-b"]["args"]
    assert args[args.index("serve") :] == ["serve", "--profile", "b", "--home", str(folder)]
    assert "canary" not in text


def test_doctor_tells_machines_and_people(box: Box, folder: Path, main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    code, out, _ = main("doctor", "--json")
    assert code == 0 and json.loads(out)["ok"]
    box.faults.add(Fault("token_old_secret", times=None))
    code, out, err = main("doctor")
    assert code == 1 and "The client secret has expired (AADSTS7000222)." in out and "fix: Reset the secret" in out
    assert "\x1b" not in out and err == ""
    monkeypatch.delenv("CIPP_CLIENT_SECRET")
    code, out, err = main("doctor")
    assert (code, out) == (2, "") and "cipp-mcp setup" in err


def test_doctor_sees_that_no_change_could_be_kept(
    box: Box, folder: Path, ring: Ring, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads work without a trail, changes do not: "everything works" would be half true."""
    for name, value in box.environment().items():
        monkeypatch.setenv(name, value)
    (folder / "seal.key").write_bytes(b"keyring")
    ring.locked = True
    code, out, _ = main("doctor", "--json")
    assert code == 1 and "every change is refused: The sealing key" in out and "unlock the keyring" in out
    monkeypatch.setenv("CIPP_MCP_HOME", str(folder / "seal.key" / "state"))
    code, out, _ = main("doctor", "--json")
    assert code == 1 and "seal.key cannot be written" in out
    assert [p.name for p in folder.iterdir()] == ["seal.key"], "it only looks"


def test_doctor_says_where_the_values_come_from(
    box: Box, folder: Path, user: Path, main: Main, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that only this shell has makes doctor content, and a client's process fail."""
    run(Scripted(*entries(box), "n"), "--token-url", box.token_url)
    monkeypatch.setenv("CIPP_CLIENT_SECRET", box.client_secret)
    first = json.loads(main("doctor", "--json")[1])["checks"][0]
    assert "profile main" in first["message"] and "which counts first: CIPP_CLIENT_SECRET." in first["message"]
    assert box.client_secret not in first["message"]
