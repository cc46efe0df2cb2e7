"""The sealing key of a state folder: in the operating system's keyring, or in a file of its owner where there is none.

Which of the two is fixed when the folder is first used: a keyring that is locked later must not silently become
another key, or every seal would look forged.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable
from pathlib import Path

from cipp_mcp import keeping
from cipp_mcp.errors import AuditUnavailable

KEY_BYTES = 32
PLACE = "seal.key"
ENTRY = "seal"
LOCK_SECONDS = 30.0
_IN_KEYRING = b"keyring"


def sealing_key(folder: Path, read: Callable[[str], bytes | None], create: Callable[[str, bytes], bool]) -> bytes:
    """The folder's key, made at first use by whichever process comes first.

    Raises:
        AuditUnavailable: it was kept in a keyring that does not give it now, or the file is damaged.
    """
    content = read(PLACE)
    if content is None:
        content = _make(folder, read, create)
    if content == _IN_KEYRING:
        key = _from_keyring(keeping.entry(folder, ENTRY))
        if key is None:
            raise AuditUnavailable(
                "The sealing key is in the operating system's keyring, which does not give it now.",
                hint="Nothing was sent. Unlock the keyring (sign in to the desktop) and call again.",
            )
        return key
    if len(content) != KEY_BYTES:
        raise AuditUnavailable(
            "The sealing key in the folder of CIPP_MCP_HOME is damaged.",
            hint="Nothing was sent. Move the folder away; a new one is made.",
        )
    return content


def _make(folder: Path, read: Callable[[str], bytes | None], create: Callable[[str, bytes], bool]) -> bytes:
    from filelock import FileLock, Timeout

    key, name = secrets.token_bytes(KEY_BYTES), keeping.entry(folder, ENTRY)
    try:
        # A keyring overwrites without a word: of two who come first at once, one would go on with a key that is gone.
        with FileLock(folder / "seal.lock", timeout=LOCK_SECONDS, mode=0o600):
            if read(PLACE) is None:
                kept = _from_keyring(name) is not None or _into_keyring(name, key)
                create(PLACE, _IN_KEYRING if kept else key)
    except (OSError, Timeout):
        raise AuditUnavailable(
            "The sealing key in the folder of CIPP_MCP_HOME cannot be made.",
            hint="Nothing was sent. Unlock the keyring or make the folder writable, then call again.",
        ) from None
    return read(PLACE) or b""


def _from_keyring(name: str) -> bytes | None:
    try:
        kept = keeping.read_ring(name)
        return base64.b64decode(kept, validate=True) if kept else None
    except binascii.Error:
        return None


def _into_keyring(name: str, key: bytes) -> bool:
    return keeping.write_ring(name, base64.b64encode(key).decode())
