"""The operator's PIN: asked by page and terminal beside the typed phrase, so that whoever drives the desktop needs it.

Only a salted scrypt hash is kept. Nothing here shows a page or reads a terminal.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from cipp_mcp import keeping
from cipp_mcp.errors import SettingsError

NAME = "pin"
SHORTEST = 6
MOST_TRIES = 3
_COST, _BLOCK, _LANES = 2**15, 8, 1


def check_of(home: Path) -> Callable[[str], bool] | None:
    """What says whether that is the PIN, or None where none was set."""
    return (lambda typed: _matches(home, typed)) if keeping.is_kept(home, NAME) else None


def set_pin(home: Path, pin: str) -> keeping.Place:
    """Keep the PIN's hash; says where.

    Raises:
        SettingsError: it is too short, or cannot be kept.
    """
    if len(pin) < SHORTEST:
        raise SettingsError(f"A PIN has at least {SHORTEST} characters.", hint="Letters and digits both count.")
    salt = secrets.token_bytes(16)
    return keeping.keep(home, NAME, f"{_text(salt)}${_text(_hash(pin, salt))}")


def _matches(home: Path, typed: str) -> bool:
    """A keyring that gives nothing makes every PIN wrong: what cannot be checked is no yes."""
    try:
        salt, _, digest = (keeping.read(home, NAME) or "").partition("$")
        return bool(digest) and hmac.compare_digest(_hash(typed, base64.b64decode(salt)), base64.b64decode(digest))
    except (SettingsError, ValueError):
        return False


def _hash(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode("utf-8", "replace"), salt=salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=2**26, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
