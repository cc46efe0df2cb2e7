"""What a text may look like: patterns, formats and characters that are never right. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control and invisible characters."""

_CLASS = r"(\[(?:[^]\\]|\\.)+\]|\\S)"
CHARACTERS = re.compile(rf"\^(\({_CLASS}\|#EXT#\)|{_CLASS})\+\$")
ADDRESS = re.compile(rf"\^{_CLASS}\+@{_CLASS}\+\$")
"""Patterns that only keep out characters: of ids and names, and of UPNs."""

SAMPLES = {
    "date": "a date such as 2026-11-24",
    "date-time": "a time such as 2026-11-24T08:00:00Z",
    "uuid": "an id such as 6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01",
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def checker() -> Any:
    """A format checker that knows exactly the formats of our schemas."""
    from jsonschema import FormatChecker

    made = FormatChecker(formats=())
    made.checks("date-time")(_is_date_time)
    made.checks("date")(_is_date)
    made.checks("uuid")(_is_uuid)
    return made


def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        return False


def _is_date(value: object) -> bool:
    if not isinstance(value, str):
        return True
    try:
        return date.fromisoformat(value) is not None and len(value) == 10
    except ValueError:
        return False


def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or _UUID.fullmatch(value) is not None
