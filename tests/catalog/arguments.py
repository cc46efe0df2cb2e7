"""Random arguments from a tool's schema as enforced: right ones, and ones that are wrong in a known place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from functools import cache
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import is_given

# Printable Latin, Greek and Cyrillic: wide enough to surprise, and free of what is refused everywhere.
LETTERS = st.characters(min_codepoint=0x20, max_codepoint=0x52F, exclude_categories=("C", "Zl", "Zp"), exclude_characters="%")
WORDS = st.text(LETTERS, min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
MOMENTS = st.datetimes(timezones=ZONES).map(lambda d: d.isoformat())
HIDDEN = ("\u200b", "\x00", "\u202e", "\ufeff", "\U000e0041", "\x1b", "\u2060")


def value(schema: Mapping[str, Any], *, different: bool) -> st.SearchStrategy[Any]:
    """Right values for one property; `different` when a list must not name anything twice."""
    if "anyOf" in schema:
        return st.one_of([value(s, different=different) for s in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "array":
            unique = (lambda v: str(v).casefold()) if different else None
            return st.lists(value(schema["items"], different=False), min_size=1, max_size=4, unique_by=unique)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", -1_000), schema.get("maximum", 1_000))
        case "object":
            return st.dictionaries(WORDS, JSON, max_size=3)
    return _text(schema)


def _text(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date":
        return st.dates().map(lambda d: d.isoformat())
    if schema.get("format") == "date-time":
        return MOMENTS
    if schema.get("format") == "uuid":
        return st.uuids().map(str)
    if "pattern" in schema:
        return _matching(schema["pattern"])
    return WORDS if schema.get("minLength") else st.just("") | WORDS


@cache
def _matching(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(re.compile(pattern), fullmatch=True, alphabet=LETTERS)


@st.composite
def right(draw: st.DrawFn, action: Action) -> dict[str, Any]:
    """Arguments that the tool takes: required ones, some of the others, and what its rules then need or leave."""
    listed = inputs.enforced(action)["properties"]
    fields = {f.name: f for f in action.fields}
    given: dict[str, Any] = {}

    def add(name: str) -> None:
        given[name] = draw(value(listed[name], different=bool(fields[name].kind)))

    optional = [n for n, f in fields.items() if not f.required]
    for name in [n for n, f in fields.items() if f.required] + draw(
        st.lists(st.sampled_from(optional), max_size=4, unique=True) if optional else st.just([])
    ):
        add(name)
    for _ in range(8):
        filled = {n: given.get(n, f.default) for n, f in fields.items() if given.get(n, f.default) is not None}
        broken = next((r for r in action.rules if r.problem(filled)), None)
        if broken is None:
            return given
        for name in broken.ignored:
            given.pop(name, None)
        for name in broken.needs or (broken.one_of and (draw(st.sampled_from(broken.one_of)),)):
            if name not in given or not is_given(given[name]):
                add(name)
                if fields[name].type == "flag":
                    given[name] = True
    assume(False)
    return given


@dataclass(frozen=True)
class Wrong:
    """Arguments with some faults.

    Attributes:
        faults: name of the argument -> what is wrong with it.
    """

    given: dict[str, Any]
    faults: Mapping[str, str]


@st.composite
def wrong(draw: st.DrawFn, action: Action) -> Wrong:
    """Right arguments with one to three faults in different places."""
    given = draw(right(action))
    listed = inputs.enforced(action)
    faults: dict[str, str] = {}
    for fault in draw(st.lists(st.sampled_from(sorted(_FAULTS)), min_size=1, max_size=3, unique=True)):
        name = _FAULTS[fault](draw, action, given, {n: s for n, s in listed["properties"].items() if n not in faults})
        if name is not None:
            faults[name] = fault
    assume(faults)
    return Wrong(given, faults)


def _missing(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    names = [f.name for f in action.fields if f.required and f.name in listed]
    if not names:
        return None
    name = draw(st.sampled_from(names))
    del given[name]
    return name


def _extra(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    name = draw(st.from_regex(r"[a-z]{3,9}_[a-z]{2,9}", fullmatch=True))
    if name in inputs.schema(action)["properties"]:
        return None
    given[name] = draw(JSON)
    return name


def _type(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    name = _present(draw, given, listed)
    if name is None:
        return None
    given[name] = draw(st.sampled_from([None, 1.5, 2.5]))
    return name


def _enum(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    name = _present(draw, given, {n: s for n, s in listed.items() if "enum" in s and s["type"] == "string"})
    if name is None:
        return None
    given[name] = draw(WORDS.filter(lambda w: w not in listed[name]["enum"]))
    return name


def _pattern(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    name = _present(draw, given, {n: s for n, s in listed.items() if "pattern" in s or "format" in s})
    if name is None:
        return None
    given[name] = draw(WORDS.filter(lambda w: not re.search(listed[name].get("pattern", r"^[\d-]+$"), w)))
    return name


def _hidden(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    return _planted(draw, action, given, listed, draw(st.sampled_from(HIDDEN)))


def _variable(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any]) -> str | None:
    meant = {f.name for f in action.fields if f.template}
    return _planted(draw, action, given, {n: s for n, s in listed.items() if n not in meant}, "%tenantid%")


def _planted(draw: st.DrawFn, action: Action, given: dict[str, Any], listed: Mapping[str, Any], what: str) -> str | None:
    name = _present(draw, given, listed, wanted=lambda v: isinstance(v, str) or (isinstance(v, list | dict) and bool(v)))
    if name is None:
        return None
    given[name] = _with(given[name], what)
    return name


def _with(found: Any, what: str) -> Any:
    if isinstance(found, str):
        return found[:1] + what + found[1:]
    if isinstance(found, list):
        return [_with(found[0], what) if isinstance(found[0], str | list | dict) else what, *found[1:]]
    return {**found, "planted": what}


def _present(draw: st.DrawFn, given: dict[str, Any], listed: Mapping[str, Any], wanted: Any = lambda _: True) -> str | None:
    names = [n for n in given if n in listed and n != "request_options" and wanted(given[n])]
    return draw(st.sampled_from(names)) if names else None


_FAULTS = {
    "missing": _missing,
    "extra": _extra,
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "hidden": _hidden,
    "variable": _variable,
}
