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
import sys
import time
from pathlib import Path
from typing import Any

from cipp_mcp.call.guard.key import sealing_key
from cipp_mcp.errors import AuditUnavailable

MOVES = 25  # half a second of tries


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no blanks, ASCII. What digests and seals are made over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, allow_nan=False).encode("ascii")


def digest(value: Any) -> str:
    """SHA-256 over the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def write_whole(handle: int, content: bytes) -> None:
    """All of it, in one piece wherever the disk has room. Raises OSError: it took a part or nothing."""
    while content:  # a disk that gets full takes the beginning, and says so only when it is asked again
        content = content[os.write(handle, content) :]


def _moved(draft: Path, place: Path) -> None:
    """Windows refuses for as long as a reader or a virus scanner has the file open, which is moments. Raises OSError."""
    for tries_left in range(MOVES - 1, -1, -1):
        try:
            os.replace(draft, place)
        except PermissionError:
            if sys.platform != "win32" or not tries_left:
                raise
            time.sleep(0.02)
        else:
            return


def _own(place: Path) -> None:
    """On Windows file modes say nothing: give the folder to its owner alone, by its access list."""
    if sys.platform != "win32":
        return
    import getpass
    import subprocess

    domain = os.environ.get("USERDOMAIN", "")  # without it the accounts of Microsoft Entra ID are not found
    user = f"{domain}\\{getpass.getuser()}" if domain else getpass.getuser()
    icacls = str(Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "icacls.exe"))  # never one of the working folder
    grant = [f"{user}:(OI)(CI)F", "*S-1-5-18:(OI)(CI)F"]  # the user, and the system for backups
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([icacls, str(place), "/inheritance:r", "/grant:r", *grant], capture_output=True, check=False, timeout=20)


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
            new = not place.exists()
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if new:
                _own(place)
        except OSError:
            raise AuditUnavailable("The folder of CIPP_MCP_HOME cannot be made.") from None
        return place

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that must not exist yet, in one atomic step: False when it already does.

        Raises:
            AuditUnavailable: the disk said no.
        """
        try:
            place, draft = self._drafted(name, content)
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

    def _drafted(self, name: str, content: bytes) -> tuple[Path, Path]:
        """Where the file will be, and the whole content under another name beside it. Raises OSError."""
        place = self.ready().joinpath(name)
        draft = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
        place.parent.mkdir(mode=0o700, exist_ok=True)
        self._write(draft, content)
        return place, draft

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
            try:
                write_whole(handle, content)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            with contextlib.suppress(OSError):
                place.unlink()  # a part of a file is none, and a full disk needs its room
            raise

    def replace(self, name: str, content: bytes) -> None:
        """Write a file in one atomic step, whether it exists or not.

        Raises:
            AuditUnavailable: the disk said no.
        """
        try:
            place, draft = self._drafted(name, content)
            try:
                _moved(draft, place)
            finally:
                with contextlib.suppress(OSError):
                    draft.unlink()
        except OSError:
            raise AuditUnavailable("A file in the folder of CIPP_MCP_HOME cannot be written.") from None

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None when there is none."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Take a file away; nothing happens where there is none."""
        with contextlib.suppress(OSError):
            (self.folder / name).unlink()

    def seal(self, purpose: str, value: Any) -> str:
        """A MAC over a value, bound to what it is for."""
        return hmac.new(self.key, purpose.encode() + b"\0" + canonical(value), hashlib.sha256).hexdigest()

    def sealed(self, purpose: str, value: Any, mac: Any) -> bool:
        """Whether that MAC is ours; compared in constant time."""
        try:
            wanted = self.seal(purpose, value)
        except ValueError:  # NaN and 1e999 can be read, and are no numbers that we write
            return False
        return isinstance(mac, str) and hmac.compare_digest(wanted.encode(), mac.encode("utf-8", "replace"))

    @property
    def key(self) -> bytes:
        """The sealing key of this folder; made once, by whichever process comes first."""
        if self._key is None:
            self.ready()
            self._key = sealing_key(self.folder, self.read, self.create)
        return self._key
