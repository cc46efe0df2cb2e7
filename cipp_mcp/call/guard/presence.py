"""Which processes of this folder are alive, and what a dead one left unknown.

Each process holds a lock of its own while it lives; the operating system lets go of it whatever kills the process.
An intent without an outcome whose process is gone becomes `unknown`, once, and is shown first.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from cipp_mcp.call.guard.audit import AuditTrail
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.errors import AuditUnavailable

_INSTANCE = re.compile(r"run_[0-9a-f]{16}")


class Presence:
    """This process in the folder. A context manager; inside it other processes see it alive.

    Args:
        vault: the private folder.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._lock: Any = None
        self.instance = f"run_{secrets.token_hex(8)}"

    def __enter__(self) -> Presence:
        from filelock import FileLock

        # Without a folder no write will go out either; reads must still be served.
        with contextlib.suppress(AuditUnavailable, OSError):
            self._lock = FileLock(self._vault.ready("run") / f"{self.instance}.lock", mode=0o600)
            self._lock.acquire(timeout=1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._lock is not None:
            self._lock.release()
            with contextlib.suppress(OSError):
                (self._vault.folder / "run" / f"{self.instance}.lock").unlink()

    def is_dead(self, instance: Any) -> bool:
        """Whether the process of that name is gone."""
        from filelock import FileLock, Timeout

        if not isinstance(instance, str) or not _INSTANCE.fullmatch(instance):
            return True
        if instance == self.instance:
            return False
        place = self._vault.folder / "run" / f"{instance}.lock"
        if not place.exists():
            return True
        try:
            with FileLock(place, timeout=0):
                pass
        except (Timeout, OSError):  # a lock that cannot be tried says nothing of a death
            return False
        with contextlib.suppress(OSError):
            place.unlink()
        return True


def close_orphans(trail: AuditTrail, presence: Presence) -> Sequence[Mapping[str, Any]]:
    """Write an `unknown` outcome for every intent that a dead process left open; returns those intents.

    Raises:
        AuditUnavailable: the trail cannot be written.
    """
    orphans = [r for r in trail.open_intents() if presence.is_dead(r.get("instance"))]
    for record in orphans:
        kept = {k: record.get(k) for k in ("operation", "action", "effect", "tenant", "targets", "plan", "ticket")}
        trail.append("outcome", kept | {"outcome": "unknown", "changed": "unknown", "why": "the process ended before the answer"})
    return orphans
