"""Secrets in answers: found by name, by value and by shape, and taken out of everything that is shown or kept.

CIPP repeats a secret inside its sentences, and puts a UPN and a password into the same field by position; so what
was found under one name is masked wherever it occurs. No secret may leave this room except through `Found.values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MASK = "(secret not shown)"
SHORTEST = 4
LONGEST_SENTENCE = 2_000
"""Longer texts are files, not sentences about a secret."""

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


@dataclass(frozen=True, slots=True)
class Found:
    """The secrets of one answer. Never printed: repr shows how many.

    Attributes:
        values: longest first.
    """

    values: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Found({len(self.values)} secrets)"

    def mask(self, text: str) -> str:
        """The text without any secret value or shape."""
        for value in self.values:
            text = text.replace(value, MASK)
        return _SHAPES.sub(MASK, text)

    def mask_all(self, value: Any) -> Any:
        """A JSON value without secrets: by name, by value, by shape, in keys too."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {
                self.mask(str(k)): MASK if is_secret_name(str(k)) and v not in (None, "", []) else self.mask_all(v)
                for k, v in value.items()
            }
        if isinstance(value, int) and str(value) in self.values:
            return MASK
        return [self.mask_all(v) for v in value] if isinstance(value, list | tuple) else value


def is_secret_name(name: str) -> bool:
    """Whether a field of that name holds a secret."""
    return bool(_NAMES.match(name)) and not _NOT_SECRET.match(name)


def find_secrets(data: Any, redact: tuple[str, ...] = (), *, sentences: bool = False) -> Found:
    """Every secret value in an answer.

    Args:
        redact: paths of the manifest, `x[].y`.
        sentences: the action issues a secret, so the last word of "password is …" is one.
    """
    values = {v for v in _named(data) if len(v) >= SHORTEST}
    for path in redact:
        values |= {v for v in _at(data, path.replace("[0]", "[]").split(".")) if len(v) >= SHORTEST and " " not in v}
    if sentences:
        values |= {m.rstrip(".,;") for text in _texts(data) if len(text) <= LONGEST_SENTENCE for m in _SENTENCE.findall(text)}
    # A UPN beside a password in copyField is no secret, and masking it would hide who was meant.
    values = {v for v in values if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z.]+", v)}
    return Found(tuple(sorted(values, key=len, reverse=True)))


def _named(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        for key, inner in data.items():
            if is_secret_name(str(key)):
                yield from _texts(inner)
            yield from _named(inner)
    elif isinstance(data, list | tuple):
        for inner in data:
            yield from _named(inner)


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
