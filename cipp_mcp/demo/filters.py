"""The little OData that Graph's lists are asked with here: comparisons, startswith, and, or; anything else is Graph's 400."""

from __future__ import annotations

import re
from typing import Any

from cipp_mcp.demo.dialect import GraphError, pick, same
from cipp_mcp.demo.tenant import Row

COMPARE = re.compile(
    r"^(?P<field>[\w/]+)\s+(?P<how>eq|ne|ge|gt|le|lt)\s+(?P<value>'(?:[^']|'')*'|true|false|null|[\d:.TZ+-]+)$", re.IGNORECASE
)
BEGINS = re.compile(r"^startswith\(\s*(?P<field>[\w/]+)\s*,\s*'(?P<value>(?:[^']|'')*)'\s*\)$", re.IGNORECASE)
SPLIT = r"\s+{}\s+(?=(?:[^']*'[^']*')*[^']*$)"  # the word, but not inside quotes


def keep(rows: list[Row], clause: str | None) -> list[Row]:
    if not clause or not clause.strip():
        return rows
    return [row for row in rows if _any(row, clause)]


def _any(row: Row, clause: str) -> bool:
    return any(_all(row, part) for part in re.split(SPLIT.format("or"), clause.strip(), flags=re.IGNORECASE))


def _all(row: Row, clause: str) -> bool:
    return all(_one(row, part.strip()) for part in re.split(SPLIT.format("and"), clause, flags=re.IGNORECASE))


def _one(row: Row, clause: str) -> bool:
    clause = clause.removeprefix("(").removesuffix(")") if clause.startswith("(") else clause
    if found := BEGINS.match(clause):
        actual = str(pick(row, found["field"].replace("/", ".")) or "")
        return actual.lower().startswith(found["value"].replace("''", "'").lower())
    if found := COMPARE.match(clause):
        actual, how = pick(row, found["field"].replace("/", ".")), found["how"].lower()
        if how in ("eq", "ne"):
            return _equal(actual, found["value"]) is (how == "eq")
        return _ordered(actual, found["value"].strip("'"), how)
    raise GraphError(f"Invalid filter clause: syntax error in '{clause}'.")


def _equal(actual: Any, literal: str) -> bool:
    if literal.startswith("'"):
        return actual is not None and same(actual, literal[1:-1].replace("''", "'"))
    if literal.lower() == "null":
        return actual is None
    if literal.lower() in ("true", "false"):
        return bool(actual) is (literal.lower() == "true")
    return str(actual) == literal


def _ordered(actual: Any, literal: str, how: str) -> bool:
    """Numbers as numbers; times compare as text, for all are written alike."""
    if actual is None:
        return False
    if isinstance(actual, int | float):
        order = (actual > float(literal)) - (actual < float(literal))
    else:
        order = (str(actual) > literal) - (str(actual) < literal)
    return {"ge": order >= 0, "gt": order > 0, "le": order <= 0, "lt": order < 0}[how]
