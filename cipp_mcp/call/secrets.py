"""Secrets in answers: found by name, by value and by shape, and taken out of everything that is shown or kept.

CIPP repeats a secret inside its sentences, and puts a UPN and a password into the same field by position; so what
was found under one name is masked wherever it occurs. No secret may leave this room except through `Found.values`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

MASK = "(secret not shown)"
SHORTEST = 4
LONGEST_SENTENCE = 2_000
"""Longer texts are files, not sentences about a secret."""

FEW = 100
"""Secrets of one answer that are looked for one after the other; a list of breaches may hold thousands."""

DEEPEST_TEXT = 200
"""Brackets in a text up to which it is looked into as JSON."""

_NAMES = re.compile(
    r"^(copyfield|.*password|.*passwd|pwd|temporaryaccesspass|.*recoverykey|client_?secret|applicationsecret|secret(text|value)?|api_?key"
    r"|.*accesskey|.*privatekey|refresh_?token|access_?token|id_?token|.*bearer|.*connectionstring|sastoken)$",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(
    r"^(last|force|must|never|password(policies|type|age|expir|lastset|config)|.*(date|time|enabled|expires|count)$)",
    re.IGNORECASE,
)
_SHAPES = re.compile(
    r"\b(?:\d{6}-){7}\d{6}\b"  # BitLocker recovery password
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JWT
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----"
)
_SENTENCE = re.compile(r"(?:password|passcode|pass|secret|key|code)\b[^.:]*?(?:\bis\b|:)\s*(\S{4,})", re.IGNORECASE)


_BLANKS = frozenset(" \t\r\n\ufeff")
_OPENINGS = frozenset("{[") | _BLANKS


@dataclass(frozen=True, slots=True)
class Found:
    """The secrets of one answer. Never printed: repr shows how many.

    Attributes:
        values: longest first.
    """

    values: tuple[str, ...] = ()
    _by_start: Mapping[str, tuple[tuple[int, str], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_start: dict[str, tuple[tuple[int, str], ...]] = {}
        for place, value in enumerate(self.values):
            start = value[:SHORTEST] if len(value) >= SHORTEST else ""
            by_start[start] = (*by_start.get(start, ()), (place, value))
        object.__setattr__(self, "_by_start", by_start)

    def __repr__(self) -> str:
        return f"Found({len(self.values)} secrets)"

    def _within(self, text: str) -> list[str]:
        """The values that stand in a text, in their order; of very many only those that may are looked for."""
        if len(self.values) <= FEW:
            return [value for value in self.values if value in text]
        starts = {"", *(text[n : n + SHORTEST] for n in range(len(text) - SHORTEST + 1))} & self._by_start.keys()
        return [value for _, value in sorted(pair for start in starts for pair in self._by_start[start] if pair[1] in text)]

    def mask(self, text: str) -> str:
        """The text without any secret value or shape."""
        for value in self._within(text):
            text = text.replace(value, MASK)
        return _SHAPES.sub(MASK, text) if "-" in text or "eyJ" in text else text  # no shape has neither

    def touches(self, text: str) -> bool:
        """Whether a text (without escapes) holds a secret value or shape."""
        shaped = "eyJ" in text or "-----" in text or text.count("-") >= 7  # no shape has less
        return bool(self._within(text)) or (shaped and bool(_SHAPES.search(text)))

    def mask_all(self, value: Any) -> Any:
        """A JSON value without secrets: by name, by value, by shape, in keys too."""
        if isinstance(value, str):
            inside = json_in(value)
            hidden = self.mask_all(inside) if inside is not None else None
            return self.mask(value) if hidden == inside else json.dumps(hidden, ensure_ascii=False)
        if isinstance(value, dict | Mapping):
            return {
                self.mask(str(k)): MASK if is_secret_name(str(k)) and v not in (None, "", []) else self.mask_all(v)
                for k, v in value.items()
            }
        if isinstance(value, int) and str(value) in self._within(str(value)):
            return MASK
        return [self.mask_all(v) for v in value] if isinstance(value, list | tuple) else value


@lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds a secret."""
    return bool(_NAMES.match(name)) and not _NOT_SECRET.match(name)


@lru_cache(256)
def _secret_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of an object's names that hold secrets; the rows of a list mostly have the same names."""
    return tuple(name for name in names if is_secret_name(name))


def json_in(text: str) -> Any:
    """The object or list that a text holds as JSON; None when it holds none."""
    if text[:1] in _BLANKS:
        text = text.lstrip(" \t\r\n\ufeff")
    if text[:1] not in {"{", "["} or text.count("{") + text.count("[") > DEEPEST_TEXT:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def find_secrets(data: Any, redact: tuple[str, ...] = (), *, sentences: bool = False) -> Found:
    """Every secret value in an answer.

    Args:
        redact: paths of the manifest, `x[].y`.
        sentences: the action issues a secret, so the last word of "password is …" is one.
    """
    return found_of(secret_values(data, redact, sentences=sentences))


def found_of(values: Iterable[str]) -> Found:
    """What was found in all parts of one answer."""
    return Found(tuple(sorted(set(values), key=len, reverse=True)))


def secret_values(data: Any, redact: tuple[str, ...] = (), *, sentences: bool = False) -> set[str]:
    """The secret values in one part of an answer; arguments as for `find_secrets`."""
    named: set[str] = set()
    _named(data, named)
    values = {v for v in named if len(v) >= SHORTEST}
    for path in redact:
        values |= {v for v in _at(data, path.replace("[0]", "[]").split(".")) if len(v) >= SHORTEST and " " not in v}
    if sentences:
        values |= {m.rstrip(".,;") for text in _texts(data) if len(text) <= LONGEST_SENTENCE for m in _SENTENCE.findall(text)}
    # A UPN beside a password in copyField is no secret, and masking it would hide who was meant.
    return {v for v in values if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z.]+", v)}


_HOLDERS = frozenset({dict, list, tuple})


def _named(data: Any, into: set[str]) -> None:
    """The texts under names of secrets, also where an object stands as JSON in a text."""
    waiting = [data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            one = json_in(one)
        if isinstance(one, dict):
            for key in _secret_names(tuple(one)):
                into.update(_texts(one[key]))
            one = one.values()
        elif not isinstance(one, list | tuple):
            continue
        waiting += [v for v in one if v.__class__ in _HOLDERS or (v.__class__ is str and v[:1] in _OPENINGS)]


def _at(data: Any, parts: list[str]) -> Iterator[str]:
    if not parts:
        # The ordinary words of an object are no secrets, and masking them would spoil the rest. It is not shown, and what
        # it holds under secret names is found by name.
        for inner in data if isinstance(data, list) else [data]:
            yield from () if isinstance(inner, Mapping) else _texts(inner)
        return
    name, many = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    found = data if not name else data.get(name) if isinstance(data, Mapping) else None
    for inner in found if many and isinstance(found, list) else [found]:
        yield from _at(inner, parts[1:])


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for inner in data.values():
            yield from _texts(inner)
    elif isinstance(data, list | tuple):
        for inner in data:
            yield from _texts(inner)
    elif isinstance(data, int) and not isinstance(data, bool):
        yield str(data)
