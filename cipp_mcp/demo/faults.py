"""Scripted misbehaviour: when it strikes, whether the effect happens, and what bytes leave how fast.

    box.faults.add(Fault("cut_after", endpoint="ExecClrImmId"))

The three are independent on purpose: "the reply is lost" and "nothing was done" are different facts, and a client
that cannot tell them apart must say so. KINDS names the fault of the catalogue (F01-F40) that each kind plays.
Faults that do not live on this wire (a killed server, a full disk, a changed target) are played by the tests themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cipp_mcp.demo.dialect import Reply

# done: before the bytes leave; none: never; after: once they have left; forgotten: CIPP answers as if it were done,
# and nothing was; deferred: a quarter of an hour later by the world's clock.
EffectWhen = Literal["done", "none", "after", "forgotten", "deferred"]


@dataclass(frozen=True)
class Fault:
    kind: str
    endpoint: str | None = None  # None: every API endpoint; "token": the token endpoint
    times: int | None = 1  # None: always
    after: int = 0  # so many matching requests pass unharmed first
    seconds: float = 0.3  # how late, how slow, how long
    effect: EffectWhen | None = None  # None: as the kind says
    status: int | None = None
    retry_after: str | None = None  # the header as it stands; None leaves it out
    text: str | None = None
    body: Any = None
    count: int = 1  # how many tenants fail, how many rows fit a page or come in all


# ---------------------------------------------------------------------------------------- what can be sent


@dataclass(frozen=True)
class Wait:
    seconds: float | None  # None: until the other side gives up


@dataclass(frozen=True)
class Http:
    status: int = 200
    body: bytes = b""
    content_type: str | None = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    claimed_length: int | None = None  # a Content-Length that is not the truth
    drip: float | None = None  # seconds in all, over which the body leaves byte by byte
    parts: Iterable[bytes] = ()  # what follows the body, made while it leaves


@dataclass(frozen=True)
class Cut:
    """The socket is reset at once."""


@dataclass(frozen=True)
class Close:
    """The socket is closed without a word, after a reply that promised to keep it."""


Move = Wait | Http | Cut | Close
# From the fault, the reply CIPP would have given (or gave), and the domains CIPP knows, to what leaves.
Play = Callable[[Fault, Reply, Sequence[str]], list[Move]]


@dataclass(frozen=True)
class Kind:
    number: str
    effect: EffectWhen
    play: Play
    endpoint: str | None = None


@dataclass
class _Loaded:
    fault: Fault
    passed: int = 0
    fired: int = 0


@dataclass
class Faults:
    """The loaded faults of one box. The first that matches strikes; a used-up one stays silent."""

    refuse: Callable[[float], None] = lambda seconds: None
    _loaded: list[_Loaded] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *faults: Fault) -> None:
        from cipp_mcp.demo.misbehaviour import KINDS

        for fault in faults:
            if fault.kind == "refused":
                self.refuse(fault.seconds)
                continue
            if fault.kind not in KINDS:
                raise ValueError(f"no fault of kind {fault.kind!r}; there are: {', '.join(sorted([*KINDS, 'refused']))}")
            with self._lock:
                self._loaded.append(_Loaded(fault))

    def clear(self) -> None:
        with self._lock:
            self._loaded.clear()

    @property
    def fired(self) -> int:
        """How often a fault struck."""
        with self._lock:
            return sum(loaded.fired for loaded in self._loaded)

    def take(self, endpoint: str) -> Fault | None:
        """The fault that strikes this request, if any; it counts as used."""
        from cipp_mcp.demo.misbehaviour import KINDS

        with self._lock:
            for loaded in self._loaded:
                fault = loaded.fault
                wanted = fault.endpoint or KINDS[fault.kind].endpoint
                if wanted is None and endpoint == "token":
                    continue
                if wanted is not None and wanted.lower() != endpoint.lower():
                    continue
                if fault.times is not None and loaded.fired >= fault.times:
                    continue
                loaded.passed += 1
                if loaded.passed <= fault.after:
                    continue
                loaded.fired += 1
                return fault
        return None
