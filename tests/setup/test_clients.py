"""Where the clients' files are on three systems, what is written into them, and what is left alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.clients import CLIENTS, config_file, entry, entry_name, is_ours, launcher, origin_of, writing
from cipp_mcp.errors import SettingsError
from cipp_mcp.settings import Surface
from cipp_mcp.setup import installing

WINDOWS = {"USERPROFILE": r"C:\Users\Ana", "APPDATA": r"C:\Users\Ana\AppData\Roaming"}
WINDOWS["LOCALAPPDATA"] = r"C:\Users\Ana\AppData\Local"
MAC = {"HOME": "/Users/ana"}
LINUX = {"HOME": "/home/ana"}
STORE = ["Claude_pzs8sxrjxfjjc"]

PLACES: list[tuple[str, str, dict[str, str], list[str], str]] = [
    ("claude-desktop", "win32", WINDOWS, [], r"C:\Users\Ana\AppData\Roaming\Claude\claude_desktop_config.json"),
    (
        "claude-desktop",
        "win32",
        WINDOWS,
        STORE,
        r"C:\Users\Ana\AppData\Local\Packages\Claude_pzs8sxrjxfjjc\LocalCache\Roaming\Claude\claude_desktop_config.json",
    ),
    ("claude-desktop", "darwin", MAC, [], "/Users/ana/Library/Application Support/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", LINUX, [], "/home/ana/.config/Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", {**LINUX, "XDG_CONFIG_HOME": "/x"}, [], "/x/Claude/claude_desktop_config.json"),
    ("claude-code", "win32", WINDOWS, [], r"C:\Users\Ana\.claude.json"),
    ("claude-code", "darwin", MAC, [], "/Users/ana/.claude.json"),
    ("claude-code", "linux", {**LINUX, "CLAUDE_CONFIG_DIR": "/c"}, [], "/c/.claude.json"),
    ("vscode", "win32", WINDOWS, [], r"C:\Users\Ana\AppData\Roaming\Code\User\mcp.json"),
    ("vscode", "darwin", MAC, [], "/Users/ana/Library/Application Support/Code/User/mcp.json"),
    ("vscode", "linux", LINUX, [], "/home/ana/.config/Code/User/mcp.json"),
    ("vscode", "linux", {**LINUX, "VSCODE_PORTABLE": "/stick"}, [], "/stick/user-data/User/mcp.json"),
    ("cursor", "win32", WINDOWS, [], r"C:\Users\Ana\.cursor\mcp.json"),
    ("cursor", "darwin", MAC, [], "/Users/ana/.cursor/mcp.json"),
    ("cursor", "linux", LINUX, [], "/home/ana/.cursor/mcp.json"),
]


@pytest.mark.parametrize(("client", "platform", "environment", "packages", "place"), PLACES)
def test_each_file_is_where_the_client_looks(
    client: str, platform: str, environment: dict[str, str], packages: list[str], place: str
) -> None:
    assert str(config_file(client, platform, environment, packages)) == place


def test_two_installations_are_not_guessed_between() -> None:
    with pytest.raises(SettingsError, match="more than once"):
        config_file("claude-desktop", "win32", WINDOWS, ["Claude_a", "Claude_b"])


def test_what_to_paste_is_shown_also_where_the_place_is_not_known(
    user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of two installations sends people here."""
    for name in ("Claude_a", "Claude_b"):
        (user / "Packages" / name).mkdir(parents=True)
    monkeypatch.setenv("LOCALAPPDATA", str(user))
    monkeypatch.setattr(sys, "platform", "win32")
    installing.show("claude-desktop", installing.Entry("cipp", ENTRY))
    told = capsys.readouterr()
    assert json.loads(told.out)["mcpServers"]["cipp"] == ENTRY and "more than once" in told.err


def test_without_a_user_there_is_no_place() -> None:
    with pytest.raises(SettingsError, match="APPDATA"):
        config_file("vscode", "win32", {"USERPROFILE": "C:\\"})


LAUNCHES: list[tuple[str, str, bool, str | None, tuple[str, list[str]]]] = [
    ("linux", "/v/bin/python", True, None, ("/v/bin/cipp-mcp", [])),
    ("linux", "/v/bin/python", False, None, ("/v/bin/python", ["-m", "cipp_mcp"])),
    ("win32", r"C:\v\Scripts\python.exe", True, None, (r"C:\v\Scripts\cipp-mcp.exe", [])),
    ("linux", "/home/a/.cache/uv/archive-v0/x/bin/python", True, "/usr/bin/uvx", ("/usr/bin/uvx", ["cipp-mcp==1.2.3"])),
]


@pytest.mark.parametrize(("platform", "python", "script", "uvx", "expected"), LAUNCHES)
def test_a_client_starts_us_by_an_absolute_path(
    platform: str, python: str, script: bool, uvx: str | None, expected: tuple[str, list[str]]
) -> None:
    assert launcher(platform, python, "1.2.3", lambda _: script, lambda _: uvx) == expected


@pytest.mark.parametrize(
    ("direct_url", "source"),
    [
        ('{"url": "file:///w/cipp.whl", "archive_info": {}}', "file:///w/cipp.whl"),
        ('{"url": "https://h/r", "vcs_info": {"vcs": "git", "commit_id": "0a4"}}', "git+https://h/r@0a4"),
    ],
)
def test_uvx_is_told_where_we_came_from(direct_url: str, source: str) -> None:
    """Our name on an index may be nobody's, or another's."""
    python = "/home/a/.cache/uv/archive-v0/x/bin/python"
    made = launcher("linux", python, "1.2.3", lambda _: False, lambda _: "/uvx", origin_of(direct_url))
    assert made == ("/uvx", ["--from", source, "cipp-mcp"])
    assert origin_of(None) == ""


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_gets_a_surface_that_it_can_list(client: str, catalog: Catalog) -> None:
    made = entry(CLIENTS[client], ("/x/cipp-mcp", []), profile="main", demo=False, home="", surface=())
    lean = ["--tools", str(Surface.LEAN)]

    assert made["args"] == ["serve", "--profile", "main", *(lean if client in {"vscode", "cursor"} else [])]
    assert made.get("type") == ("stdio" if client in {"vscode", "claude-code"} else None)
    assert is_ours(made) and len(catalog) > 128, "which is why VS Code does not get them all"


def test_flags_choose_another_surface_and_names_tell_entries_apart() -> None:
    made = entry(CLIENTS["vscode"], ("/x/cipp-mcp", []), profile="", demo=True, home="/h", surface=["--groups", "user"])

    assert made["args"] == ["serve", "--demo", "--groups", "user"]
    assert [entry_name("a", "a", demo=False), entry_name("b", "a", demo=False), entry_name("a", "a", demo=True)] == [
        "cipp",
        "cipp-b",
        "cipp-demo",
    ]


# ------------------------------------------------------------------------------------------------------ on disk

DESKTOP = CLIENTS["claude-desktop"]
ENTRY: dict[str, Any] = {"command": "/x/cipp-mcp", "args": ["serve", "--demo"]}
THERE = '{\n  "theme": "dark",\n  "mcpServers": {\n    "files": {"command": "npx", "env": {"KEY": "theirs"}}\n  }\n}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "client" / "config.json"
    place.parent.mkdir()
    place.write_text(THERE, encoding="utf-8")
    return place


def test_what_is_there_is_kept_backed_up_and_put_back_by_uninstall(file: Path) -> None:
    change = writing.put(DESKTOP, file, "cipp-demo", ENTRY)
    assert [line for line in change.difference() if line.startswith("-") and "config.json" not in line] == [
        '-    "files": {"command": "npx", "env": {"KEY": "…"}}'
    ]
    backup = writing.write(change)
    assert json.loads(file.read_text("utf-8"))["mcpServers"] == {
        "files": {"command": "npx", "env": {"KEY": "theirs"}},
        "cipp-demo": ENTRY,
    }
    assert backup is not None and backup.read_text("utf-8") == THERE
    assert not writing.put(DESKTOP, file, "cipp-demo", ENTRY).needed, "a second time there is nothing to do"
    writing.write(writing.take(DESKTOP, file, "cipp-demo"))
    assert file.read_text("utf-8") == THERE
    assert not writing.take(DESKTOP, file, "cipp-demo").needed
    assert [p.name for p in file.parent.iterdir() if p.name.startswith(".")] == [], "no draft is left"


def test_what_a_person_added_to_our_entry_stays(file: Path) -> None:
    mine = {"command": "/old/cipp-mcp", "args": ["serve"], "env": {"HTTPS_PROXY": "x"}, "disabled": True}
    file.write_text(json.dumps({"mcpServers": {"cipp-demo": mine}}), encoding="utf-8")
    writing.write(writing.put(DESKTOP, file, "cipp-demo", ENTRY))

    assert json.loads(file.read_text("utf-8"))["mcpServers"]["cipp-demo"] == {**mine, **ENTRY}


def test_a_connection_written_by_hand_makes_way_for_the_profile_and_is_not_shown(file: Path) -> None:
    """The README shows how to write one; it would override the profile, and its secret would stay in the file."""
    env = {"CIPP_CLIENT_SECRET": 'old-"canary', "CIPP_CLIENT_ID": "c", "CIPP_MCP_READ_ONLY": "1"}
    mine, other = {"command": "/x/cipp-mcp", "args": ["serve"], "env": env}, {"command": "npx", "env": {"API_TOKEN": "canary"}}
    file.write_text(json.dumps({"mcpServers": {"other": other, "cipp": mine}}, indent=2), encoding="utf-8")
    change = writing.put(DESKTOP, file, "cipp", {"command": "/x/cipp-mcp", "args": ["serve", "--profile", "main"]})
    writing.write(change)

    servers = json.loads(file.read_text("utf-8"))["mcpServers"]
    assert servers["cipp"]["env"] == {"CIPP_MCP_READ_ONLY": "1"} and servers["other"] == other
    assert '-        "CIPP_CLIENT_SECRET": "…",' in change.difference() and "canary" not in "".join(change.difference())


FORMS = [
    ("claude-desktop", "{}"),
    ("claude-desktop", ""),
    ("claude-desktop", '{"mcpServers":{"x":{}}}'),
    ("claude-desktop", '{\r\n    "globalShortcut": ""\r\n}'),
    ("claude-desktop", '\ufeff{\n\t"mcpServers": {}\n}\n'),
    ("vscode", '{\n  "servers": { /* none */ },\n}\n'),
    ("vscode", '// mine\n{\n  "inputs": [1,],\n  "servers": {\n    "x": {"type": "stdio"} // last\n    // after\n  }\n}'),
]


@pytest.mark.parametrize(("client", "text"), FORMS)
def test_uninstall_gives_the_file_back_to_the_byte(client: str, text: str, file: Path) -> None:
    known, before = CLIENTS[client], text.encode()
    file.write_bytes(before)
    for name in ("cipp", "cipp-demo"):
        writing.write(writing.put(known, file, name, ENTRY))
    for name in ("cipp", "cipp-demo"):
        writing.write(writing.take(known, file, name))
    assert file.read_bytes() == before


def test_uninstall_undoes_nothing_that_came_later(file: Path) -> None:
    file.write_text("{}", encoding="utf-8")
    writing.write(writing.put(DESKTOP, file, "cipp", ENTRY))
    file.write_text(file.read_text("utf-8").replace("{", '{"theme": "dark",', 1), encoding="utf-8")
    writing.write(writing.take(DESKTOP, file, "cipp"))
    assert json.loads(file.read_text("utf-8")) == {"theme": "dark", "mcpServers": {}}


def test_somebody_elses_server_of_that_name_is_left_alone(file: Path) -> None:
    text = json.dumps({"mcpServers": {"cipp": {"type": "http", "url": "https://cipp.example/api/ExecMcp"}}})
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="not cipp-mcp"):
        writing.put(DESKTOP, file, "cipp", ENTRY)
    with pytest.raises(SettingsError, match="not cipp-mcp"):
        writing.take(DESKTOP, file, "cipp")
    assert file.read_text("utf-8") == text


@pytest.mark.parametrize(
    "content",
    [b"{ oops", b'{"mcpServers": {}} // no comments here', b"\xff\xfe{}", b'{"mcpServers": 3}', b'{"a": %s}' % (b"9" * 5000)],
)
def test_a_file_that_is_no_json_is_left_alone(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="left alone"):
        writing.put(DESKTOP, file, "cipp", ENTRY)
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_changed_meanwhile_is_not_overwritten(file: Path) -> None:
    change = writing.put(DESKTOP, file, "cipp", ENTRY)
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match="changed meanwhile"):
        writing.write(change)
    assert file.read_text("utf-8") == "{}"


def test_a_byte_order_mark_stays(file: Path) -> None:
    file.write_text(f"\ufeff{THERE}", encoding="utf-8")
    writing.write(writing.put(DESKTOP, file, "cipp", ENTRY))
    assert json.loads(file.read_text("utf-8-sig"))["mcpServers"]["cipp"] == ENTRY
    assert file.read_text("utf-8").startswith("\ufeff{")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes and links")
def test_rights_and_links_stay(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    backup = writing.write(writing.put(DESKTOP, link, "cipp", ENTRY))

    assert link.is_symlink() and "cipp" in file.read_text("utf-8")
    assert backup is not None and [p.stat().st_mode & 0o777 for p in (file, backup)] == [0o640, 0o640]
    fresh = tmp_path / "new" / "config.json"
    assert writing.write(writing.put(DESKTOP, fresh, "cipp", ENTRY)) is None
    assert fresh.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_link_to_itself_is_said(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").symlink_to("mcp.json")
    with pytest.raises(SettingsError, match="cannot be read"):
        writing.put(DESKTOP, tmp_path / "mcp.json", "cipp", ENTRY)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_its_owner_locked_stays(file: Path) -> None:
    file.chmod(0o400)
    with pytest.raises(SettingsError, match="cannot be written"):
        writing.write(writing.put(DESKTOP, file, "cipp", ENTRY))
    assert file.read_text("utf-8") == THERE and list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(file: Path) -> None:
    change = writing.put(DESKTOP, file, "cipp", ENTRY)
    file.parent.chmod(0o500)
    try:
        with pytest.raises(SettingsError, match="cannot be written"):
            writing.write(change)
    finally:
        file.parent.chmod(0o700)
