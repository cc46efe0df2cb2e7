"""Ceilings and the breaker, counted in targets on disk, so that a restart, a second process or a split does not reset them.

A reset desk and an afternoon of leavers must pass, a runaway loop must not. Checked and counted in one locked step.
What the limits are is the policy's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.policy import Ceilings
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import AuditUnavailable, PolicyRefused

FILE = "tally.json"
MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0
BREAKER_UNKNOWNS = 5
BREAKER_WITHIN = 10 * MINUTE
BREAKER_STOPS = 15 * MINUTE
LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One counted thing: a write that goes out (`effect`), an unknown end, a reset of the breaker.

    Attributes:
        what: effect word, `unknown` or `reset`.
        at: epoch seconds. count: targets. flag: approved by the flag alone.
        target: for probes: whom.
    """

    what: str
    at: float
    count: int = 1
    flag: bool = False
    user: str = ""
    target: str = ""


class Tally:
    """The counts of one state folder.

    Args:
        vault: the private folder.
        now: epoch seconds.
        user: the OS user that counts are kept for.
    """

    def __init__(self, vault: Vault, now: Callable[[], float], user: str) -> None:
        self._vault = vault
        self._now = now
        self._user = user

    def admit(self, case: Case, ceilings: Ceilings, *, flag: bool, count: bool = True) -> None:
        """Check every ceiling and the breaker, and (unless only looking) count this call, in one step.

        Raises:
            PolicyRefused: a ceiling is met (names the key), or the breaker is open.
            AuditUnavailable: the counts cannot be kept.
        """
        counted = case.effect in {Effect.DESTROY, Effect.REMOVE, Effect.REVEAL, Effect.PROBE}
        if not counted:
            return
        with _Locked(self._vault) as file:
            entries = self._live(file.read())
            if case.effect in {Effect.REMOVE, Effect.DESTROY}:
                self._check_breaker(entries)
            target = case.targets[0].id if case.targets else case.shown_target
            for key, within, used in self._limits(case, entries, flag, target):
                most = int(getattr(ceilings, key))
                if used + case.count > most:
                    raise PolicyRefused(
                        f"This would be {used + case.count} targets where the ceiling is {most} ({key}).",
                        hint=f"Nothing was sent. It frees up within {within / MINUTE:g} minutes; the policy key is {key}.",
                    )
            if not count:
                return
            entries.append(Entry(case.effect.value, self._now(), case.count, flag, self._user, target))
            file.write(entries)

    def note_unknown(self) -> bool:
        """Count an unknown end; True when this opens the breaker."""
        with _Locked(self._vault) as file:
            entries = [*self._live(file.read()), Entry("unknown", self._now(), user=self._user)]
            file.write(entries)
            return len(self._unknowns(entries)) == BREAKER_UNKNOWNS

    def reset_breaker(self) -> None:
        """Close the breaker by hand."""
        with _Locked(self._vault) as file:
            file.write([*self._live(file.read()), Entry("reset", self._now(), user=self._user)])

    def breaker_open(self) -> bool:
        """Whether remove and destroy are stopped now."""
        with _Locked(self._vault) as file:
            return self._is_open(self._live(file.read()))

    def _check_breaker(self, entries: list[Entry]) -> None:
        if self._is_open(entries):
            minutes = f"{BREAKER_WITHIN / MINUTE:g} minutes"
            raise PolicyRefused(
                f"{BREAKER_UNKNOWNS} calls ended unknown within {minutes}, so remove and destroy are stopped.",
                hint="Nothing was sent. Find out what happened; then run `cipp-mcp breaker reset`, or wait 15 minutes.",
            )

    def _is_open(self, entries: list[Entry]) -> bool:
        """Whether some five unknown ends lie within the window, and the last of them is fresh enough."""
        times = self._unknowns(entries)
        bursts = (times[n : n + BREAKER_UNKNOWNS] for n in range(len(times) - BREAKER_UNKNOWNS + 1))
        return any(b[-1] - b[0] <= BREAKER_WITHIN and self._now() - b[-1] < BREAKER_STOPS for b in bursts)

    def _unknowns(self, entries: list[Entry]) -> list[float]:
        after = max((e.at for e in entries if e.what == "reset"), default=float("-inf"))
        return sorted(e.at for e in entries if e.what == "unknown" and e.at > after)

    def _limits(self, case: Case, entries: list[Entry], flag: bool, target: str) -> list[tuple[str, float, int]]:
        """(policy key, window, used so far) for this effect and channel."""

        def used(within: float, **also: Any) -> int:
            # A clock set back puts earlier entries into the future: they still count.
            fresh = [e for e in entries if e.what == case.effect.value and e.user == self._user and self._now() - e.at < within]
            return sum(e.count for e in fresh if all(getattr(e, k) == v for k, v in also.items()))

        match case.effect:
            case Effect.REMOVE if flag:
                return [
                    ("flag_remove_per_10_minutes", 10 * MINUTE, used(10 * MINUTE, flag=True)),
                    ("flag_remove_per_day", DAY, used(DAY, flag=True)),
                ]
            case Effect.REMOVE:
                return [("remove_per_hour", HOUR, used(HOUR)), ("remove_per_day", DAY, used(DAY))]
            case Effect.DESTROY:
                return [("destroy_per_hour", HOUR, used(HOUR)), ("destroy_per_day", DAY, used(DAY))]
            case Effect.REVEAL:
                return [("reveal_per_hour", HOUR, used(HOUR))]
            case _:
                return [("probe_per_hour_and_target", HOUR, used(HOUR, target=target))]

    def _live(self, entries: list[Entry]) -> list[Entry]:
        return [e for e in entries if self._now() - e.at < DAY]


class _Locked:
    """The counts' file, under its lock."""

    def __init__(self, vault: Vault) -> None:
        from filelock import FileLock

        self._vault = vault
        self._place = vault.ready() / FILE
        self._lock = FileLock(self._place.with_suffix(".lock"), timeout=LOCK_SECONDS, mode=0o600)

    def __enter__(self) -> _Locked:
        from filelock import Timeout

        try:
            self._lock.acquire()
        except (OSError, Timeout):
            raise AuditUnavailable("The counts of this folder are locked or cannot be written.") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def read(self) -> list[Entry]:
        raw = self._vault.read(FILE)
        if raw is None and not (self._vault.folder / FILE).exists():
            return []
        try:
            kept = json.loads(raw or b"")  # what is there and cannot be read is damaged, and no empty count
            entries = [Entry(**e) for e in kept["entries"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            kept, entries = {}, []
        if not self._vault.sealed("tally", kept.get("entries"), kept.get("mac")):
            raise PolicyRefused(
                "The counts on disk are damaged, so no ceiling can be checked.",
                hint=f"Nothing was sent. The operator can delete {FILE} in CIPP_MCP_HOME after finding out why.",
            )
        return entries

    def write(self, entries: list[Entry]) -> None:
        rows = [{k: getattr(e, k) for k in Entry.__slots__} for e in entries]
        content = json.dumps({"entries": rows, "mac": self._vault.seal("tally", rows)}).encode()
        self._vault.replace(FILE, content)
