"""One-time handles for secrets: the person opens one once, the model never sees what is behind it.

Held in this process's memory only, five minutes. Nothing here is ever written, logged or shown by repr.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

KEPT_FOR = 300.0


@dataclass(frozen=True, slots=True)
class Handle:
    """What may be told about a secret: how to open it, and until when."""

    id: str
    expires: float


@dataclass(slots=True)
class _Kept:
    handle: Handle
    values: tuple[str, ...] = field(repr=False)


class SecretBook:
    """The secrets that wait to be opened in this process.

    Args:
        now: epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._turn = threading.Lock()  # the page opens one in a worker thread

    def __repr__(self) -> str:
        return f"SecretBook({len(self._kept)} waiting)"

    def keep(self, values: Sequence[str]) -> Handle:
        """Keep values until they are opened; returns the handle."""
        handle = Handle(f"secret_{secrets.token_hex(16)}", self._now() + KEPT_FOR)
        with self._turn:
            self._drop_old()
            self._kept[handle.id] = _Kept(handle, tuple(values))
        return handle

    def take(self, handle_id: str) -> tuple[str, ...] | None:
        """Open a handle: its values, once; None for an unknown, opened or expired one."""
        with self._turn:
            self._drop_old()
            found = next((k for k in self._kept if hmac.compare_digest(k.encode(), handle_id.encode("utf-8", "replace"))), None)
            return self._kept.pop(found).values if found else None

    def _drop_old(self) -> None:
        for known in [k for k, v in self._kept.items() if v.handle.expires < self._now()]:
            del self._kept[known]
