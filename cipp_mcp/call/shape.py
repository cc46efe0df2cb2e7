"""Rows -> what a model should read: chosen columns, no nulls, cleaned, capped, secrets masked, counts before cuts.

Never silently cut: the envelope says how many of how many. No sentence of ours mixes with data here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cipp_mcp.call.secrets import Found
from cipp_mcp.call.targets import path_value
from cipp_mcp.call.text import clean, clean_all
from cipp_mcp.catalog.action import Action

MOST_CHARACTERS = 20_000
LONGEST_CELL = 2_000


def shape_rows(action: Action, rows: list[dict[str, Any]], found: Found, *, whole: bool = False) -> tuple[list[Any], int]:
    """The rows as shown (`whole`: with every field), and how many hidden characters were taken out."""
    masked = found.mask_all([_columns(action, row, whole) for row in rows])
    cleaned, taken = clean_all(masked, LONGEST_CELL)
    return cleaned, taken


def _columns(action: Action, row: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    if whole or not action.columns:
        bulky, secret = _last_names(action.trim), _last_names(action.redact)
        hidden = bulky | {k for k in secret if isinstance(row.get(k), Mapping | list)}
        return _without_nulls({k: v for k, v in row.items() if k not in hidden})
    return _without_nulls({column: path_value(row, column) for column in action.columns})


def _last_names(paths: Iterable[str]) -> set[str]:
    return {path.split(".")[-1].removeprefix("[]") for path in paths}


def _without_nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v not in (None, "", [], {})}


def fit(rows: list[Any], most: int = MOST_CHARACTERS) -> list[Any]:
    """As many rows from the front as fit into `most` characters of JSON; at least one."""
    used = 2
    kept: list[Any] = []
    for row in rows:
        used += len(json.dumps(row, ensure_ascii=False, separators=(",", ":"))) + 1
        if kept and used > most:
            break
        kept.append(row)
    return kept


def now_text(now: float) -> str:
    """Epoch seconds -> the ISO text that envelopes carry."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def coverage(
    rows: Iterable[Mapping[str, Any]], tenants: int, known: Iterable[Collection[str]] = (), gone: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], bool]:
    """For AllTenants: how many tenants answered and which did not, by CIPP's per-row status; and whether all did.

    Args:
        known: for each tenant that CIPP lists, what it may be called, its domain first.
        gone: tenants that AllTenants leaves out, and why.
    """
    missing: dict[str, str] = dict(gone or {})
    domains = {name.casefold(): names[0] for names in map(list, known) for name in names}
    seen: set[str] = set()
    for row in rows:
        tenant = clean(str(row.get("Tenant") or row.get("tenant") or ""), 200)
        tenant = domains.get(tenant.casefold(), tenant)
        if tenant:
            seen.add(tenant)
        status = row.get("CippStatus")
        if tenant and isinstance(status, str) and status.strip().lower() not in {"", "good", "ok", "success"}:
            missing[tenant] = clean(status, 200)
    with_rows = len(seen - set(missing))
    left_out = set(gone or {}) - set(domains.values())
    facts: dict[str, Any] = {"tenants": tenants + len(left_out), "answered": tenants + len(left_out) - len(missing)}
    facts["with_rows"] = with_rows
    if missing:
        facts["missing"] = missing
    return facts, not missing


_CACHED_AT = ("CacheTimestamp", "CalendarCacheTimestamp")


def cached_at(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """When the oldest of these rows went into CIPP's own cache; None for rows that do not say so."""
    texts = (str(row.get(name)) for row in rows for name in _CACHED_AT if row.get(name))
    return min((at for text in texts if (at := _moment(text)) is not None), default=None)


def _moment(text: str) -> float | None:
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
