"""Rows: a first look over all of them, and which of them and of their columns a caller wants.

What is said of a list (how many, how old, what failed) is said of all of it, before anything is chosen or cut. Row by
row throughout, so that a list of any length costs the same memory. Nothing that a caller may not see decides anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from cipp_mcp.call.decode import Answer, Line, Tone, tone_of
from cipp_mcp.call.secrets import MASK, Found, found_of, is_secret_name, secret_values
from cipp_mcp.call.shape import Coverage, cached_at, chosen, last_names, without_empty
from cipp_mcp.call.targets import path_parts, path_value
from cipp_mcp.call.text import clean, clean_all
from cipp_mcp.call.tones import lower_names, under
from cipp_mcp.catalog.action import Action
from cipp_mcp.errors import InvalidArguments

SHOWN = 5_500
"""Characters of rows in one answer where nothing is said: about 2,000 tokens with what stands around them."""

MOST_SHOWN = 12_000
"""The same with a limit that was asked for: below 20,000 with all that may stand around them."""

LONGEST_CELL = 2_000
LONGEST_ASKED = 8_000
"""Characters of one text: where nothing is said, and with both fields and a limit that were asked for."""

MOST_COLUMNS = 500
MOST_NAMED, LONGEST_NAME = 30, 60
MOST_SAID = 100
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_EMPTY: tuple[Any, ...] = (None, "", {}, [])


def is_row(row: Mapping[str, Any]) -> bool:
    """Whether this is a row of the list, and not a tenant's error in the place of its rows."""
    return not (set(row) <= {"Tenant", "CippStatus"} and row.get("CippStatus"))


@dataclass
class Gist:
    """What all rows of one answer say together.

    Attributes:
        any: there is a row, if only a tenant's error. total: how many are no tenant's error.
        columns: every name that a row has.
        oldest: when the oldest went into CIPP's own cache, epoch seconds.
        only_errors: every row is an error in the place of data.
        said: what CIPP says about results, where it says that in the place of data; else None.
        found: the secrets in all of the answer.
    """

    any: bool = False
    total: int = 0
    columns: dict[str, None] = field(default_factory=dict)
    oldest: float | None = None
    only_errors: bool = True
    said: list[Line] | None = field(default_factory=list)
    found: Found = Found()

    def add(self, row: Mapping[str, Any], coverage: Coverage | None) -> None:
        """One more row."""
        self.any = True
        self.only_errors = self.only_errors and _only_error(row)
        if self.said is not None:
            self._hear(row)
        if coverage is not None:
            coverage.add(row)
        if coverage is None or is_row(row):
            self.total += 1
            if len(self.columns) < MOST_COLUMNS:
                self.columns.update(dict.fromkeys(row))
            if (at := cached_at(row)) is not None:
                self.oldest = at if self.oldest is None else min(self.oldest, at)

    def _hear(self, row: Mapping[str, Any]) -> None:
        if not isinstance(text := under(row, "resulttext"), str) or self.said is None:
            self.said = None
            return
        line = Line(tone_of(text, str(under(row, "state") or "")), text)
        if len(self.said) < MOST_SAID or (line.tone is not Tone.GOOD and self.said[-1].tone is Tone.GOOD):
            self.said = [*self.said[: MOST_SAID - 1], line]


def look_over(answer: Answer, action: Action, coverage: Coverage | None) -> Gist:
    """Read all rows once.

    Args:
        coverage: for AllTenants, filled on the way.
    """
    gist = Gist()
    secrets: set[str] = set()
    for part, rows in answer.parts(action.rows):
        secrets |= secret_values(part, action.redact)
        for row in rows:
            gist.add(row, coverage)
    gist.found = found_of(secrets)
    return gist


def _only_error(row: Mapping[str, Any]) -> bool:
    """A row that is an error in the place of data: `{"error": …}`, `{"Results": "Failed …"}`."""
    names = lower_names(tuple(row)).keys()
    says = under(row, "results")
    if isinstance(says, str) and tone_of(says) is Tone.BAD:
        return not any(under(row, k) for k in ("id", "defaultdomainname", "customerid"))
    return bool(names & {"error", "errors"}) and not names & {"id", "displayname", "defaultdomainname"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks of a list, beside the list itself: the shaping part of `request_options`.

    Attributes:
        fields: columns or dotted paths; empty shows the tool's own.
        filter: column or path -> what it must be.
        limit: rows; None shows as many as fit by default.
    """

    fields: tuple[str, ...] = ()
    filter: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Wanted:
        options = options or {}
        return cls(tuple(options.get("fields") or ()), options.get("filter") or {}, options.get("limit"))

    @property
    def of_every_page(self) -> dict[str, Any]:
        """What also holds for a later page of the same list, as `request_options`."""
        return ({"fields": list(self.fields)} if self.fields else {}) | ({"filter": dict(self.filter)} if self.filter else {})

    @property
    def longest(self) -> int:
        """Characters at which a text is cut."""
        return LONGEST_ASKED if self.fields and self.limit else LONGEST_CELL

    def check(self, action: Action) -> None:
        """Rows are never chosen by a secret: that would tell it letter by letter.

        Raises:
            InvalidArguments: before anything is sent.
        """
        if secret := [name for name in self.filter if _is_secret(name, action)]:
            raise InvalidArguments([f"request_options.filter: {name!r} holds secrets." for name in secret])


def _is_secret(name: str, action: Action) -> bool:
    return any(is_secret_name(part) or part in last_names(action.redact) for part in path_parts(name))


class Choice:
    """The wanted rows and columns of one list.

    Args:
        columns: the names that its rows have.
        whole: show every column where nothing is asked for.

    Attributes:
        unknown, unknown_filter: asked for, and no row has it.
        taken: hidden characters that were taken out so far.
        cut: texts that were cut so far.
    """

    def __init__(self, action: Action, wanted: Wanted, found: Found, columns: Iterable[str], *, whole: bool) -> None:
        names = list(columns)
        known = {name.casefold(): name for name in reversed(names)} | {name: name for name in names}
        self._action, self._found, self._whole = action, found, whole
        self._fields = [_as_known(name, known) for name in wanted.fields]
        self._tests = [(_as_known(name, known), _test(value)) for name, value in wanted.filter.items()]
        self.unknown = [n for n in wanted.fields if path_parts(n)[0].casefold() not in known]
        self.unknown_filter = [n for n in wanted.filter if path_parts(n)[0].casefold() not in known]
        self.taken = self.cut = 0
        self._longest = wanted.longest
        self._valued: set[str] = set()

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Whether the filter lets the row through; it sees no more of it than the caller may."""
        values = [(path, test, self._found.mask_all(path_value(row, path))) for path, test in self._tests]
        self._valued.update(path for path, _, value in values if value not in _EMPTY)
        return all(test(value) for _, test, value in values)

    @property
    def without_value(self) -> list[str]:
        """The paths of the filter under which no row had anything."""
        return [path for path, _ in self._tests if path not in self._valued]

    def shown(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """The row as it may be seen, also as JSON: its wanted columns, nothing empty, nothing hidden, no secret."""
        columns = self._asked(row) if self._fields else chosen(self._action, row, self._whole)
        text = as_json(columns)
        if self._is_plain(columns, text):
            return columns, text
        cleaned, taken, cut = clean_all(self._found.mask_all(columns), self._longest)
        self.taken += taken
        self.cut += cut
        return cleaned, as_json(cleaned)

    def _is_plain(self, columns: Mapping[str, Any], text: str) -> bool:
        """Whether a glance is enough to see that nothing has to be taken out; most rows are so, and a close look is slow."""
        flat = len(text) <= LONGEST_CELL and "[" not in text and text.count("{") == 1
        readable = text.isascii() and text.isprintable() and "\\" not in text
        return flat and readable and not any(map(is_secret_name, columns)) and not self._found.touches(text)

    def _asked(self, row: Mapping[str, Any]) -> dict[str, Any]:
        found = without_empty({path: path_value(row, path) for path in self._fields})
        return {path: MASK if _is_secret(path, self._action) else value for path, value in found.items()}


def _as_known(name: str, known: Mapping[str, str]) -> str:
    """The path with its column as the rows write it: in these letters where they have it so, else in any."""
    first, *rest = path_parts(name)
    return ".".join([known.get(first) or known.get(first.casefold(), first), *rest])


def _test(wanted: Any) -> Callable[[Any], bool]:
    """null: nothing there; a text in any letter case, with `*` for anything; a list: any of them; the rest as it is."""
    if isinstance(wanted, list | tuple):
        tests = [_test(w) for w in wanted]
        return lambda value: any(test(value) for test in tests)
    if wanted in _EMPTY:
        return lambda value: all(v in _EMPTY for v in (value if isinstance(value, list) else [value]))
    first, *rest = map(re.escape, _text(wanted).split("*"))
    between = "".join(f"(?>.*?{part})" for part in rest[:-1])  # where a part first stands is never tried again
    pattern = re.compile(first + (f"{between}.*{rest[-1]}" if rest else ""), re.IGNORECASE | re.DOTALL)
    return lambda value: any(
        v not in _EMPTY and bool(pattern.fullmatch(_text(v))) for v in (value if isinstance(value, list) else [value])
    )


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isascii() else normalize("NFC", text)


class Page:
    """The rows that one answer shows: from the front, as many as fit. Never one less than whole without saying so.

    Attributes:
        left_out: columns of the only row that alone is too long.
        full: a row did not fit, so none after it belongs here.
    """

    def __init__(self, limit: int | None) -> None:
        self._rows_left = limit
        self._left = (SHOWN if limit is None else MOST_SHOWN) - 2
        self.rows: list[dict[str, Any]] = []
        self.left_out: list[str] = []
        self.full = False

    def take(self, row: Mapping[str, Any], text: str) -> bool:
        """Add the row (`text`: as JSON) where it fits."""
        if self.full or len(self.rows) == self._rows_left or (self.rows and len(text) + 1 > self._left):
            self.full = True
            return False
        if len(text) + 1 > self._left:
            row, self.left_out = _narrowed(row, self._left)
            text = as_json(row)
        self._left -= len(text) + 1
        self.rows.append(dict(row))
        return True


def as_json(row: Any) -> str:
    """Compact."""
    return _COMPACT.encode(row)


def _narrowed(row: Mapping[str, Any], most: int) -> tuple[dict[str, Any], list[str]]:
    """The columns that fit, in their order, and the names of the others."""
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    used = 2
    for name, value in row.items():
        size = len(as_json({name: value})) - 1
        if used + size <= most:
            kept[name] = value
            used += size
        else:
            left_out.append(name)
    return kept, named(left_out)


def named(columns: Iterable[str], most: int = MOST_NAMED) -> list[str]:
    """Names of columns for the reader; of very many how many more there are, and of a very long one only its beginning."""
    known = list(columns)
    more = len(known) - most
    return [clean(column, LONGEST_NAME) for column in known[:most]] + ([f"… {more} more"] if more > 0 else [])
