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
_OR_GUEST = re.compile(r"\((\[\^(?:[^]\\]|\\.)+\])\|#EXT#\)")
_ALL_BUT = re.compile(r"\[\^\\s(?:[^]\\]|\\.)+\]")
_OF_EVERY_ID = re.compile(r"\\\\|['\"?#&%@]")
_OF_EVERY_TEXT = re.compile(r"\\\\|['\"]")
_LETTERS = re.compile(r"(0-9)?((A-Z|a-z|A-F|a-f)(0-9)?)+")
_ALONE = re.compile(r"\[(\\[wd])\]")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def listed(pattern: str) -> str:
    """A pattern as the tool list shows it: looser by what is said once for all tools, and never stricter.

    That is: ids have no blanks, quotes or ? # & % \\ (but a guest's `#EXT#`). Of these a blank stays, and the / that divides an
    address. Letters and digits are `\\w`, which JSON Schema reads as ASCII and which takes a `_` too.
    """
    without_guest = _OR_GUEST.sub(r"\1", pattern)
    short = _LETTERS.sub(r"\\w", _ALL_BUT.sub(_all_but, without_guest)).replace("0-9", r"\d")
    return _ALONE.sub(r"\1", short)


def _all_but(found: re.Match[str]) -> str:
    said_once = _OF_EVERY_ID if "/" in found[0] else _OF_EVERY_TEXT
    return said_once.sub("", found[0]).replace(r"\s", " ")


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
