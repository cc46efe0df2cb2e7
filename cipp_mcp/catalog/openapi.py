"""An OpenAPI document -> the facts of its operations: method, path, role, names and their types.

A document may come from anybody: references are followed without end only up to bounds, what is malformed is left
out, and names survive exactly as written (`$filter`, `ID` beside `id`). Only facts are taken; what a manifest adds
to them (effect, words, read-back) cannot be read from a document. No network and no files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.errors import SettingsError

MOST_BYTES = 32 * 2**20
MOST_OPERATIONS = 5_000
MOST_NAMES = 4_000  # of one operation
MOST_NAMES_IN_ALL = 100_000
DEEPEST = 16
LONGEST_NAME = 200
LONGEST_CHOICE = 48  # a longer one is no value but a text, and choices are shown
_METHODS = ("get", "post", "put", "patch", "delete")
_WORDS = {"string": "text", "boolean": "flag", "integer": "number", "number": "number", "object": "object"}
_ROLE = re.compile(r"[A-Za-z]{1,40}(\.[A-Za-z]{1,40}){0,3}")
_HINT = "Give CIPP's openapi.json (Config/openapi.json of CIPP-API) in JSON form."


@dataclass(frozen=True, slots=True)
class Operation:
    """The facts of one endpoint.

    Attributes:
        role: `x-cipp-role`, or empty.
        query: `query.X` -> type.
        body: `body.X.Y`, `body.X[].Y` or `body[].X` -> type.
        required: the places of both that the document calls required.
        choices: place -> the values that it allows.
        open: the body takes further names that are not listed.
        any_tenant: `x-cipp-any-tenant`: CIPP itself does not check the tenant.
        summary: the document's own words, to be read and not kept.

    A type is text, flag, number, object, option (`{label, value}`) or any; a list of them has `[]` behind it.
    """

    method: str
    path: str
    role: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    choices: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    open: bool = False
    summary: str = ""
    any_tenant: bool = False

    @property
    def endpoint(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def places(self) -> Mapping[str, str]:
        return {**self.query, **self.body}


def operations(text: str | bytes) -> dict[str, Operation]:
    """`GET /api/X` -> its facts, for every operation of the document.

    Raises:
        SettingsError: it is no OpenAPI document, or it is larger than accepted.
    """
    document = _parsed(text)
    reader = _Reader(document)
    found: dict[str, Operation] = {}
    for path, item in document["paths"].items():
        if not (_is_name(path) and path.startswith("/") and isinstance(item, Mapping)):
            continue
        for method in _METHODS:
            raw = item.get(method)
            if isinstance(raw, Mapping):
                made = reader.operation(method.upper(), path, raw, item.get("parameters"))
                found[made.endpoint] = made
        if len(found) > MOST_OPERATIONS:
            raise SettingsError(f"The document has more than {MOST_OPERATIONS} operations.", hint=_HINT)
    if not found:
        raise SettingsError("The document has no operations.", hint=_HINT)
    return found


def _parsed(text: str | bytes) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise SettingsError(f"The document is larger than {MOST_BYTES // 2**20} MiB.", hint=_HINT)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError("The document is not JSON.", hint=_HINT) from None
    if not (isinstance(document, dict) and isinstance(document.get("paths"), dict)):
        raise SettingsError("The document is not an OpenAPI document: it has no paths.", hint=_HINT)
    return document


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable()


class _Reader:
    """Walks one document; references are looked up in it and nowhere else."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._taken = 0

    def operation(self, method: str, path: str, raw: Mapping[str, Any], shared: Any) -> Operation:
        types: dict[str, str] = {}
        required: set[str] = set()
        choices: dict[str, tuple[str | int, ...]] = {}
        for place, schema, must in self._all(raw, shared):
            types[place] = self._type(schema)
            if must:
                required.add(place)
            if listed := _enum(self._inner(schema)):
                choices[place] = listed
            if len(types) >= MOST_NAMES:
                break
        self._taken += len(types)
        if self._taken > MOST_NAMES_IN_ALL:
            raise SettingsError(f"The document has more than {MOST_NAMES_IN_ALL} names.", hint=_HINT)
        body = self._body(raw)
        role = raw.get("x-cipp-role")
        said = raw.get("description") or raw.get("summary")
        return Operation(
            method,
            path,
            str(role) if isinstance(role, str) and _ROLE.fullmatch(role) else "",
            {p: t for p, t in types.items() if p.startswith("query.")},
            {p: t for p, t in types.items() if p.startswith("body")},
            frozenset(required),
            choices,
            bool(body) and (body.get("additionalProperties") not in (None, False) or body.get("x-cipp-passthrough") is True),
            said if isinstance(said, str) else "",
            raw.get("x-cipp-any-tenant") is True,
        )

    def _all(self, raw: Mapping[str, Any], shared: Any) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
        for listed in (shared, raw.get("parameters")):
            for given in listed if isinstance(listed, list) else []:
                one = self._resolved(given)
                if one.get("in") == "query" and _is_name(one.get("name")):
                    yield f"query.{one['name']}", self._resolved(one.get("schema")), one.get("required") is True
        body = self._body(raw)
        if body:
            yield from self._nested(body, "body[]" if _is_list(body) else "body", 0)

    def _body(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        content = self._resolved(raw.get("requestBody")).get("content")
        media = content.get("application/json") if isinstance(content, Mapping) else None
        return self._whole(media.get("schema")) if isinstance(media, Mapping) else {}

    def _nested(self, schema: Mapping[str, Any], at: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
        if depth >= DEEPEST:
            return
        inner = self._inner(schema)
        must = inner.get("required")
        for name, given in _properties(inner).items():
            if not _is_name(name):
                continue
            one = self._whole(given)
            place = f"{at}.{name}"
            yield place, one, isinstance(must, list) and name in must
            if not self._type(one).startswith("option"):
                yield from self._nested(one, f"{place}[]" if _is_list(one) else place, depth + 1)

    def _inner(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The element of a list, or the schema itself."""
        return self._whole(schema.get("items")) if _is_list(schema) else schema

    def _type(self, schema: Mapping[str, Any]) -> str:
        inner = self._inner(schema)
        if {"label", "value"} == set(_properties(inner)):
            word = "option"
        else:
            word = "any" if _is_list(inner) else _WORDS.get(_kind(inner), "any")
        return f"{word}[]" if _is_list(schema) else word

    def _whole(self, given: Any) -> Mapping[str, Any]:
        """A schema with its reference followed and the parts of `allOf` laid together."""
        schema = self._resolved(given)
        parts = schema.get("allOf")
        if not isinstance(parts, list):
            return schema
        whole: dict[str, Any] = {}
        names: dict[str, Any] = {}
        must: list[Any] = []
        for part in [*parts[:DEEPEST], {k: v for k, v in schema.items() if k != "allOf"}]:
            one = self._resolved(part)
            names |= _properties(one)
            listed = one.get("required")
            must += listed if isinstance(listed, list) else []
            whole |= one
        return {**whole, "properties": names, "required": must} if names else whole

    def _resolved(self, given: Any) -> Mapping[str, Any]:
        """What a local reference leads to; a circle or a place that is not there leads to nothing."""
        for _ in range(DEEPEST):
            if not isinstance(given, Mapping):
                return {}
            reference = given.get("$ref")
            if not isinstance(reference, str):
                return given
            given = self._at(reference)
        return {}

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return None
        found: Any = self._document
        for part in reference[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found


def _kind(schema: Mapping[str, Any]) -> str:
    """The type; of `["string", "null"]` the one that is not null."""
    kind = schema.get("type")
    kinds = [k for k in kind if k != "null"] if isinstance(kind, list) else [kind]
    return str(kinds[0]) if len(kinds) == 1 else ""


def _is_list(schema: Mapping[str, Any]) -> bool:
    return _kind(schema) == "array"


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _enum(schema: Mapping[str, Any]) -> tuple[str | int, ...]:
    listed = schema.get("enum")
    if not isinstance(listed, list):
        return ()
    if any(isinstance(v, str) and len(v) > LONGEST_CHOICE for v in listed):
        return ()
    return tuple(v for v in listed[:MOST_NAMES] if (isinstance(v, int) and not isinstance(v, bool)) or _is_name(v))
