"""Rows -> what a model should read: chosen columns, no nulls, cleaned, capped, secrets masked, counts before cuts.

Never silently cut: the envelope says how many of how many. No sentence of ours mixes with data here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cipp_mcp.call.secrets import Found
from cipp_mcp.call.targets import path_value
from cipp_mcp.call.text import clean_all
from cipp_mcp.catalog.action import Action

MOST_CHARACTERS = 20_000
LONGEST_CELL = 2_000


def shape_rows(action: Action, rows: list[dict[str, Any]], found: Found) -> tuple[list[Any], int]:
    """The rows as shown, and how many hidden characters were taken out."""
    masked = found.mask_all([_columns(action, row) for row in rows])
    cleaned, taken = clean_all(masked, LONGEST_CELL)
    return cleaned, taken


def _columns(action: Action, row: Mapping[str, Any]) -> dict[str, Any]:
    if not action.columns:
        return _without_nulls(
            {k: v for k, v in row.items() if not any(t.split(".")[-1].removeprefix("[]") == k for t in action.trim)}
        )
    return _without_nulls({column: path_value(row, column) for column in action.columns})


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


def coverage(rows: Iterable[Mapping[str, Any]], tenants: int) -> tuple[dict[str, Any], bool]:
    """For AllTenants: how many tenants answered and which did not, by CIPP's per-row status; and whether all did."""
    missing: dict[str, str] = {}
    seen: set[str] = set()
    for row in rows:
        tenant = str(row.get("Tenant") or row.get("tenant") or "")
        if tenant:
            seen.add(tenant)
        status = row.get("CippStatus")
        if tenant and isinstance(status, str) and status.strip().lower() not in {"", "good", "ok", "success"}:
            missing[tenant] = status[:200]
    facts: dict[str, Any] = {"tenants": tenants, "with_rows": len(seen - set(missing))}
    if missing:
        facts["missing"] = missing
    return facts, not missing
