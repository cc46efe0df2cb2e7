"""What a row shows and what a list says of itself: chosen columns, nothing empty, its age, the tenants behind it.

Pure, and one row at a time. No sentence of ours mixes with data here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cipp_mcp.call.targets import path_value
from cipp_mcp.call.text import clean
from cipp_mcp.catalog.action import Action

MOST_MISSING, LONGEST_WHY = 20, 80
"""Tenants that are named with why they are missing; more are counted."""


def chosen(action: Action, row: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    """The columns that the tool shows of itself; `whole`: every one but the bulky."""
    if whole or not action.columns:
        bulky, secret = last_names(action.trim), last_names(action.redact)
        hidden = bulky | {k for k in secret if isinstance(row.get(k), Mapping | list)}
        return without_empty({k: v for k, v in row.items() if k not in hidden})
    return without_empty({column: path_value(row, column) for column in action.columns})


def last_names(paths: Iterable[str]) -> set[str]:
    """What the paths of a manifest end with."""
    return {path.split(".")[-1].removeprefix("[]") for path in paths}


def without_empty(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without columns that hold nothing."""
    return {k: v for k, v in row.items() if v not in (None, "", [], {})}


def now_text(now: float) -> str:
    """Epoch seconds -> the ISO text that envelopes carry."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Coverage:
    """For AllTenants: how many tenants answered and which did not, by CIPP's per-row status.

    Args:
        tenants: how many there are.
        known: for each tenant that CIPP lists, what it may be called, its domain first.
        gone: tenants that AllTenants leaves out, and why.
    """

    def __init__(self, tenants: int, known: Iterable[Collection[str]] = (), gone: Mapping[str, str] | None = None) -> None:
        self._domains = {name.casefold(): names[0] for names in map(list, known) for name in names}
        self._missing = dict(gone or {})
        self._tenants = tenants + len(set(self._missing) - set(self._domains.values()))
        self._seen: set[str] = set()

    def add(self, row: Mapping[str, Any]) -> None:
        """What one row says."""
        tenant = clean(str(row.get("Tenant") or row.get("tenant") or row.get("tenantId") or ""), 200)
        tenant = self._domains.get(tenant.casefold(), tenant)
        if tenant:
            self._seen.add(tenant)
        status = row.get("CippStatus")
        if tenant and isinstance(status, str) and status.strip().lower() not in {"", "good", "ok", "success"}:
            self._missing[tenant] = clean(status, LONGEST_WHY)

    @property
    def every(self) -> bool:
        """Whether all tenants answered."""
        return not self._missing

    def facts(self) -> dict[str, Any]:
        """The envelope's `coverage`."""
        answered, with_rows = self._tenants - len(self._missing), len(self._seen - set(self._missing))
        facts: dict[str, Any] = {"tenants": self._tenants, "answered": answered, "with_rows": with_rows}
        if self._missing:
            facts["missing"] = dict(list(self._missing.items())[:MOST_MISSING])
        if len(self._missing) > MOST_MISSING:
            facts["missing_not_named"] = len(self._missing) - MOST_MISSING
        return facts


_CACHED_AT = ("CacheTimestamp", "CalendarCacheTimestamp")


def cached_at(row: Mapping[str, Any]) -> float | None:
    """When a row went into CIPP's own cache; None for one that does not say so."""
    moments = [at for name in _CACHED_AT if row.get(name) and (at := _moment(str(row[name]))) is not None]
    return min(moments, default=None)


def _moment(text: str) -> float | None:
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
