"""A client's file changed: planned, shown as a difference, backed up, written in one atomic step.

What is not understood is left alone. Nobody is asked here, and nothing is known of profiles or secrets.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipp_mcp.clients import Client, config_file, is_ours, jsonc, merged
from cipp_mcp.errors import SettingsError

BOM = "\ufeff"
CONTEXT = 2
_BACKUP = ".before-cipp-mcp"
_SECRET = re.compile(r'("[^"]*(?:secret|token|key|passw|auth)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"', re.IGNORECASE)


@dataclass(frozen=True)
class Change:
    """What a file holds and what it shall hold; equal texts mean that nothing is to be done.

    Attributes:
        place: the file itself, behind any link.
        before: None where there is no file.
    """

    place: Path
    before: str | None
    after: str

    @property
    def needed(self) -> bool:
        return (self.before or "") != self.after

    def difference(self) -> list[str]:
        """The lines that change, with little around them; what looks like a secret is not shown."""
        old, new = (self.before or "").splitlines(), self.after.splitlines()
        lines = difflib.unified_diff(old, new, str(self.place), str(self.place), n=CONTEXT, lineterm="")
        return [_SECRET.sub(r'\1"…"', line) for line in lines]


def put(client: Client, place: Path, name: str, entry: Mapping[str, Any]) -> Change:
    """The file with this server in it. What else stands in the entry (env, disabled …) is kept as `merged` says.

    Raises:
        SettingsError: the file is not readable JSON, or the name is taken by something that is not ours.
    """
    place, before = _read(place)
    path = (client.holder, name)
    mark, text = _without_mark(before)
    with _named(place):
        hint = "Rename or remove that entry, or paste what `cipp-mcp print` shows under another name."
        there = _own_entry(client, text, path, hint)
        wanted = merged(there or {}, entry)
        if there == wanted:
            return Change(place, before, before or "")
        after = jsonc.with_member(text, path, wanted, comments=client.comments)
        _check(text, after, client, path, wanted)
    return Change(place, before, mark + after)


def take(client: Client, place: Path, name: str) -> Change:
    """The file without this server: as it was before the server came, to the byte, where nothing else changed since.

    Raises:
        SettingsError: as above.
    """
    place, before = _read(place)
    path = (client.holder, name)
    mark, text = _without_mark(before)
    with _named(place):
        there = _own_entry(client, text, path, hint="Remove it in the file itself if it shall go.")
        if (former := _former(client, place, text, path, there)) is not None:
            return Change(place, before, mark + former)
        after = jsonc.without_member(text, path, comments=client.comments)
        _check(text, after, client, path, None)
    return Change(place, before, mark + after)


def _former(client: Client, place: Path, text: str, path: tuple[str, str], there: Any) -> str | None:
    """The newest backup from which putting in this entry, and nothing else, makes the file of today."""
    found: list[tuple[int, str]] = []
    for copy in place.parent.glob(f"{place.name}{_BACKUP}*"):
        with contextlib.suppress(OSError, UnicodeDecodeError, jsonc.NotJson):
            _, old = _without_mark(copy.read_bytes().decode("utf-8"))
            without = jsonc.member_of(old, path, comments=client.comments) is None
            if without and jsonc.with_member(old, path, there, comments=client.comments) == text:
                found.append((copy.stat().st_mtime_ns, old))
    return max(found)[1] if found else None


def _own_entry(client: Client, text: str, path: tuple[str, str], hint: str) -> Any:
    """What stands there, None for nothing.

    Raises:
        SettingsError: it is not ours.
    """
    there = jsonc.member_of(text, path, comments=client.comments)
    if there is not None and not is_ours(there):
        raise SettingsError(f"{client.title} has a server named {path[1]} that is not cipp-mcp; it was left alone.", hint=hint)
    return there


def write(change: Change) -> Path | None:
    """Write it; where the old content went, or None where there was none.

    Raises:
        SettingsError: the file has changed meanwhile, or the disk said no.
    """
    draft = change.place.with_name(f".{change.place.name}.{secrets.token_hex(6)}")
    try:
        if _read(change.place)[1] != change.before:
            raise SettingsError(f"{change.place.name} has changed meanwhile; nothing was written.", hint="Run the command again.")
        if change.before is not None and not os.access(change.place, os.W_OK):
            raise PermissionError  # POSIX would replace it all the same
        change.place.parent.mkdir(parents=True, exist_ok=True)
        backup = _backup(change.place) if change.before is not None else None
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with open(handle, "wb") as file:
            file.write(change.after.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        if change.before is not None:
            shutil.copymode(change.place, draft)
        os.replace(draft, change.place)
    except OSError:
        raise SettingsError(
            f"{change.place.name} cannot be written.",
            hint="Close the client, check the file's rights, and run the command again.",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return backup


def _backup(place: Path) -> Path:
    """A copy with the same rights, under the first free name."""
    number = 0
    while (copy := place.with_name(f"{place.name}{_BACKUP}{f'.{number}' if number else ''}")).exists():
        number += 1
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(handle, "wb") as file:
        file.write(place.read_bytes())
    shutil.copystat(place, copy)
    return copy


def _read(place: Path) -> tuple[Path, str | None]:
    try:
        place = place.resolve()  # a link (as of a folder of dotfiles) stays one
        return place, place.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return place, None
    except UnicodeDecodeError:
        raise SettingsError(f"{place.name} is not UTF-8; it was left alone.", hint="Save it as UTF-8, then try again.") from None
    except (OSError, RuntimeError):  # a link to itself is a RuntimeError before Python 3.13
        raise SettingsError(f"{place.name} cannot be read.", hint="Check that it is a file, and its rights.") from None


def _without_mark(before: str | None) -> tuple[str, str]:
    """The byte order mark that some Windows editors write, and the rest."""
    text = before or ""
    return (BOM, text[1:]) if text.startswith(BOM) else ("", text)


def _check(before: str, after: str, client: Client, path: tuple[str, str], wanted: Mapping[str, Any] | None) -> None:
    """That the text says exactly what was meant, and all else as before; our editing of text is not trusted blindly."""
    holder, name = path
    old = _value(before, client)
    servers = {k: v for k, v in old.get(holder, {}).items() if k != name} | ({name: wanted} if wanted is not None else {})
    expected = {**old, holder: servers} if servers or holder in old else old
    if _value(after, client) != expected:
        raise jsonc.NotJson("its form is one that we do not change safely")


def _value(text: str, client: Client) -> dict[str, Any]:
    if not text.strip():
        return {}
    value = jsonc.parse(text, comments=client.comments).value
    return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def _named(place: Path) -> Iterator[None]:
    try:
        yield
    except jsonc.NotJson as error:
        raise SettingsError(
            f"{place.name} is not valid JSON ({error}); it was left alone.", hint="Correct the file and run the command again."
        ) from None


def place_of(client: Client) -> Path:
    """Where this computer's client keeps its servers.

    Raises:
        SettingsError: that cannot be said.
    """
    environment = {**os.environ}
    environment.setdefault("USERPROFILE" if sys.platform == "win32" else "HOME", str(Path.home()))
    store = Path(environment.get("LOCALAPPDATA", "")) / "Packages"
    packages = sorted(p.name for p in store.glob("Claude_*")) if sys.platform == "win32" and store.is_absolute() else []
    return Path(config_file(client.id, sys.platform, environment, packages))


def seems_installed(client: Client) -> bool:
    """Whether the client has left its mark on this computer."""
    with contextlib.suppress(SettingsError, OSError):
        place = place_of(client)
        return place.exists() or (place.parent.is_dir() and place.parent != Path.home())
    return False
