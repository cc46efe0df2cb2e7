"""Files of ours that nobody else may read or forge: the folder, atomic writes, and the key that seals them.

The only room that touches the file system for the guard. Nothing that knows what the content means may enter.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from cipp_mcp.errors import AuditUnavailable

KEY_BYTES = 32


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no blanks, ASCII. What digests and seals are made over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, allow_nan=False).encode("ascii")


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


class Vault:
    """One private folder with a sealing key in it.

    Args:
        folder: made on first use, readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key: bytes | None = None

    def ready(self, name: str = "") -> Path:
        """The folder (or a folder in it), made if need be.

        Raises:
            AuditUnavailable: it cannot be made.
        """
        place = self.folder / name if name else self.folder
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            raise AuditUnavailable("The folder of CIPP_MCP_HOME cannot be made.") from None
        return place

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that must not exist yet, in one atomic step: False when it already does.

        Raises:
            AuditUnavailable: the disk said no.
        """
        place = self.ready().joinpath(name)
        draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            self._write(draft, content)
            try:
                os.link(draft, place)  # fails when the name is taken, and never shows half a file
            except FileExistsError:
                return False
            except OSError:
                return self._create_plainly(place, content)
            finally:
                with contextlib.suppress(OSError):
                    draft.unlink()
        except OSError:
            raise AuditUnavailable("A file in the folder of CIPP_MCP_HOME cannot be written.") from None
        return True

    def _create_plainly(self, place: Path, content: bytes) -> bool:
        """For file systems without links: exclusive creation is still atomic as a mark."""
        try:
            self._write(place, content)
        except FileExistsError:
            return False
        return True

    @staticmethod
    def _write(place: Path, content: bytes) -> None:
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            os.write(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None when there is none."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def seal(self, purpose: str, value: Any) -> str:
        """A MAC over a value, bound to what it is for."""
        return hmac.new(self.key, purpose.encode() + b"\0" + canonical(value), hashlib.sha256).hexdigest()

    def sealed(self, purpose: str, value: Any, mac: Any) -> bool:
        """Whether that MAC is ours; compared in constant time."""
        return isinstance(mac, str) and hmac.compare_digest(self.seal(purpose, value).encode(), mac.encode("utf-8", "replace"))

    @property
    def key(self) -> bytes:
        """The sealing key of this folder; made once, by whichever process comes first."""
        if self._key is None:
            self.create("seal.key", secrets.token_bytes(KEY_BYTES))
            found = self.read("seal.key")
            if found is None or len(found) != KEY_BYTES:
                raise AuditUnavailable(
                    "The sealing key in the folder of CIPP_MCP_HOME is damaged.", hint="Move the folder away; a new one is made."
                )
            self._key = found
        return self._key
