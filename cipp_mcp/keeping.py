"""Where a secret of ours is kept: the operating system's keyring, or a file of its owner where there is none.

A small file in the state folder says which of the two it is, so that asking whether there is one costs nothing, and a
keyring that is locked later is never taken for an empty one. No secret may be printed, logged or put into an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from pathlib import Path
from typing import Any, Literal

from cipp_mcp.errors import SettingsError

SERVICE = "cipp-mcp"
_IN_KEYRING = "keyring"
_IN_FILE = "value "

Place = Literal["keyring", "file"]


def keep(home: Path, name: str, value: str) -> Place:
    """Keep a value under a name of the folder, which exists. Says where it went.

    Raises:
        SettingsError: the folder cannot be written.
    """
    if write_ring(entry(home, name), value):
        write_private(home / name, _IN_KEYRING)
        return "keyring"
    write_private(home / name, _IN_FILE + value)
    return "file"


def is_kept(home: Path, name: str) -> bool:
    """Whether something is kept under that name; asks no keyring."""
    return (home / name).is_file()


def read(home: Path, name: str) -> str | None:
    """What is kept, or None.

    Raises:
        SettingsError: it is in a keyring that does not give it now, or in a file that cannot be read.
    """
    if not is_kept(home, name):
        return None
    try:
        text = (home / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"The file {name} in the folder of CIPP_MCP_HOME cannot be read.", hint="Check its rights.") from None
    if text.startswith(_IN_FILE):
        return text.removeprefix(_IN_FILE)
    found = read_ring(entry(home, name))
    if found is None:
        raise SettingsError(
            f"What {name} stands for is in the operating system's keyring, which does not give it now.",
            hint="Unlock the keyring (sign in to the desktop), or run `cipp-mcp setup` again.",
        )
    return found


def others_may_read(home: Path, name: str) -> bool:
    """Whether a value that is in a file can be read by other users of this computer (never known on Windows)."""
    if sys.platform == "win32":
        return False
    try:
        return bool((home / name).stat().st_mode & 0o077)
    except OSError:
        return False


def write_private(place: Path, text: str) -> None:
    """Write a file that only its owner can read, in one atomic step.

    Raises:
        SettingsError: the disk said no.
    """
    draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, place)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise SettingsError(
            f"The file {place.name} in the folder of CIPP_MCP_HOME cannot be written.", hint="Make the folder writable."
        ) from None


def entry(home: Path, name: str) -> str:
    """The name of a keyring entry, one for each folder: two folders must not share a secret."""
    return f"{name}-{hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]}"


def _ring() -> Any:
    """The keyring library with a real backend behind it, or None."""
    import keyring

    try:
        return keyring if keyring.get_keyring().priority > 0 else None
    except Exception:  # here and below: a backend, or a user's choice of one, fails with any error of its system
        return None


def read_ring(entry: str) -> str | None:
    """An entry of the keyring, or None."""
    ring = _ring()
    try:
        found = ring.get_password(SERVICE, entry) if ring is not None else None
    except Exception:
        return None
    return str(found) if found else None


def write_ring(entry: str, value: str) -> bool:
    """Put an entry into the keyring and read it back; False where that does not work."""
    ring = _ring()
    if ring is None:
        return False
    try:
        ring.set_password(SERVICE, entry, value)
    except Exception:
        return False
    return read_ring(entry) == value
