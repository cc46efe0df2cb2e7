"""The MCP clients that we can write to: where each keeps its servers, and how one of ours looks there.

Pure functions of platform and environment; nothing here touches a file. The entry never holds a secret: it names a
profile, and the server finds the secret itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from cipp_mcp.errors import SettingsError


@dataclass(frozen=True)
class Client:
    """One client.

    Attributes:
        id: as on the command line.
        holder: the member of its file under which the servers stand.
        typed: whether an entry says that it is a stdio server.
        comments: whether its file may hold comments.
        lean: whether it lists too few tools for our whole list.
        after: what the person does when the file is written.
        most: tools that it takes for one request; 0 where no bound is known.
    """

    id: str
    title: str
    holder: str
    typed: bool
    comments: bool
    lean: bool
    after: str
    most: int = 0


CLIENTS: Mapping[str, Client] = {
    c.id: c
    for c in (
        Client("claude-desktop", "Claude Desktop", "mcpServers", False, False, False, "Quit Claude Desktop and start it again."),
        Client("claude-code", "Claude Code", "mcpServers", True, False, False, "Start a new session of Claude Code."),
        Client(
            "vscode", "VS Code", "servers", True, True, True, "Reload VS Code's window and start the server in mcp.json.", 128
        ),
        Client(
            "cursor",
            "Cursor",
            "mcpServers",
            False,
            False,
            True,
            "Reload Cursor's window and switch the server on.",
        ),
    )
}
ANY = "json"
"""What `print` takes for any other client."""
_CONNECTION = frozenset({"CIPP_API_URL", "CIPP_TENANT_ID", "CIPP_CLIENT_ID", "CIPP_CLIENT_SECRET"})


def config_file(client: str, platform: str, environment: Mapping[str, str], packages: Sequence[str] = ()) -> PurePath:
    """Where the client keeps its servers.

    Args:
        platform: as `sys.platform`.
        packages: names of the folders `Claude_*` under `%LOCALAPPDATA%\\Packages`: Claude Desktop from the Store (and from
            its installer since 2026) reads there, and nowhere else.

    Raises:
        SettingsError: the environment does not say where the user's folders are.
    """
    windows = platform == "win32"
    home = _folder(environment, "USERPROFILE" if windows else "HOME", windows)
    if client == "cursor":
        return home / ".cursor" / "mcp.json"
    if client == "claude-code":
        given = environment.get("CLAUDE_CONFIG_DIR", "")
        return (_path(given, windows) if given else home) / ".claude.json"
    if client == "claude-desktop" and windows and packages:
        if len(packages) > 1:
            raise SettingsError(
                f"Claude Desktop is installed more than once here ({', '.join(packages)}).",
                hint="Paste what `cipp-mcp print claude-desktop` shows into the one that you use.",
            )
        local = _folder(environment, "LOCALAPPDATA", windows)
        return local / "Packages" / packages[0] / "LocalCache" / "Roaming" / "Claude" / "claude_desktop_config.json"
    if client == "vscode" and (portable := environment.get("VSCODE_PORTABLE", "")):
        return _path(portable, windows) / "user-data" / "User" / "mcp.json"
    if windows:
        roaming = _folder(environment, "APPDATA", windows)
    elif platform == "darwin":
        roaming = home / "Library" / "Application Support"
    else:
        roaming = _path(environment.get("XDG_CONFIG_HOME", "") or str(home / ".config"), windows)
    if client == "vscode":
        return roaming / "Code" / "User" / "mcp.json"
    return roaming / "Claude" / "claude_desktop_config.json"


def launcher(
    platform: str, python: str, version: str, is_file: Callable[[str], bool], which: Callable[[str], str | None], origin: str = ""
) -> tuple[str, list[str]]:
    """How a desktop app starts us: by an absolute path, because its PATH is short.

    Args:
        python: `sys.executable`. In uv's cache it goes away again, and uvx itself is named instead.
        origin: where uvx got us, empty for an index: there our name may be nobody's, or another's.
    """
    windows = platform == "win32"
    place = _path(python, windows)
    if "archive-v0" in place.parts and (uvx := which("uvx")):
        return uvx, ["--from", origin, "cipp-mcp"] if origin else [f"cipp-mcp=={version}"]
    script = str(place.with_name("cipp-mcp.exe" if windows else "cipp-mcp"))
    return (script, []) if is_file(script) else (python, ["-m", "cipp_mcp"])


def origin_of(direct_url: str | None) -> str:
    """The `direct_url.json` of an installation (PEP 610; an index leaves none), as `uvx --from` takes it."""
    told = json.loads(direct_url or "{}")
    if vcs := told.get("vcs_info"):
        return f"{vcs['vcs']}+{told['url']}@{vcs['commit_id']}"
    return str(told.get("url", ""))


def entry_name(profile: str, default_profile: str, *, demo: bool) -> str:
    """Under which name the server stands in a client."""
    if demo:
        return "cipp-demo"
    return "cipp" if profile == default_profile else f"cipp-{profile}"


def entry(
    client: Client | None, launch: tuple[str, list[str]], *, profile: str, demo: bool, home: str, surface: Sequence[str]
) -> dict[str, Any]:
    """The server as it stands in the client's file.

    Args:
        home: the state folder, when it is not the default one.
        surface: flags that choose the tools; empty takes what suits the client.
    """
    command, arguments = launch
    arguments = [*arguments, "serve", *(["--demo"] if demo else ["--profile", profile])]
    if home and not demo:
        arguments += ["--home", home]
    arguments += surface or (["--tools", "lean"] if client is not None and client.lean else [])
    typed = {"type": "stdio"} if client is not None and client.typed else {}
    return {**typed, "command": command, "args": arguments}


def merged(there: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Our entry over what stood there. What a person added stays, but for a connection written by hand.

    That would override the profile, and its secret would stay in the file.
    """
    kept = dict(there)
    if isinstance(env := there.get("env"), Mapping):
        kept["env"] = {name: value for name, value in env.items() if name not in _CONNECTION}
    return {**kept, **made}


def is_ours(there: Any) -> bool:
    """Whether an entry starts this program; anything else of that name is somebody else's."""
    if not isinstance(there, Mapping):
        return False
    words = [there.get("command"), *(there["args"] if isinstance(there.get("args"), list) else [])]
    return any("cipp-mcp" in str(w) or "cipp_mcp" in str(w) for w in words)


def _folder(environment: Mapping[str, str], variable: str, windows: bool) -> PurePath:
    found = environment.get(variable, "")
    if not found:
        raise SettingsError(f"{variable} is not set, so the folder is unknown.", hint="Run this as the user of the client.")
    return _path(found, windows)


def _path(text: str, windows: bool) -> PurePath:
    return PureWindowsPath(text) if windows else PurePosixPath(text)
