"""Action -> the JSON Schema that is listed, and the check that enforces exactly that schema.

One schema serves both; the few rules that a schema cannot say without top-level combinators stand in the
description in the same words that the check uses. All problems come back in one error. Nothing may be converted,
guessed or dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from cipp_mcp.catalog.action import ALL_TENANTS, Action, ActionField, Encoding
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.graphpath import denied
from cipp_mcp.errors import InvalidArguments

OPTION_NAMES = ("timeout", "batch_size", "batch_interval")
MOST_TARGETS = 25
LONGEST_TEXT = 100_000
_VARIABLE = re.compile(r"%[A-Za-z0-9_.-]+%")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
_TYPES = {"text": "string", "time": "string", "choice": "string", "flag": "boolean", "number": "integer", "object": "object"}

Arguments = Mapping[str, Any]


def schema(action: Action) -> dict[str, Any]:
    """The input schema of one tool: its fields, `confirm` where a yes may be needed, `request_options`."""
    properties = {f.name: _property(f) for f in action.fields}
    if action.may_ask:
        properties["confirm"] = {"type": "string"}
    properties["request_options"] = {"type": "object", "additionalProperties": {"type": "number"}}
    listed: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [f.name for f in action.fields if f.required]:
        listed["required"] = required
    return {**listed, "additionalProperties": False}


def description(action: Action) -> str:
    """What the tool list says of it: summary, rules, and whether a person is asked."""
    parts = [action.summary, *map(str, action.rules)]
    if action.may_ask:
        parts.append("Asks a person first." if action.effect.asks else f"Asks a person first when {asks_when(action)}.")
    return " ".join(parts)


def asks_when(action: Action) -> str:
    """The cases in which a tool that does not always ask does ask, in words."""
    cases = [str(r) for r in action.raises if r.to.asks]
    cases += [f"{a} is {' or '.join(c for c, e in m.items() if e.asks)}" for a, m in action.by.items()]
    if action.returns_secret and not cases:
        return "it issues a secret"
    if action.several:
        cases.append("it names several targets")
    if action.all_tenants and action.strongest is not Effect.READ:
        cases.append(f"it names {ALL_TENANTS}")
    return " or ".join(cases)


def check(action: Action, given: Any, *, bounds: Mapping[str, float]) -> tuple[Arguments, Mapping[str, float]]:
    """The checked arguments with defaults filled in (without `confirm` and options), and the request options.

    Args:
        bounds: the operator's bound for each request option.

    Raises:
        InvalidArguments: every problem, one sentence each.
    """
    if not isinstance(given, Mapping):
        raise InvalidArguments(["The arguments must be one JSON object."])
    problems = _schema_problems(action, given)
    problems += [p for f in action.fields if f.name in given for p in _value_problems(f, given[f.name])]
    filled = {f.name: given.get(f.name, f.default) for f in action.fields if given.get(f.name, f.default) is not None}
    if not problems and action.denies and (pattern := denied(_texts(given), action.denies)):
        problems.append(f"This asks for {pattern}, which this tool never reads.")
    problems += [p for r in action.rules if (p := r.problem(filled)) and not problems]
    options = given.get("request_options") or {}
    if isinstance(options, Mapping):
        problems += _option_problems(options, bounds)
    if problems:
        raise InvalidArguments(list(dict.fromkeys(problems)))
    return MappingProxyType(filled), MappingProxyType(dict(options))


def _property(f: ActionField) -> dict[str, Any]:
    one: dict[str, Any] = {"type": "integer" if f.choices and isinstance(f.choices[0], int) else _TYPES[f.type]}
    if f.choices:
        one["enum"] = list(f.choices)
    if f.type == "time":
        one["format"] = "date" if f.encoding is Encoding.YYYYMMDD else "date-time"
    if f.pattern:
        one["pattern"] = f.pattern
    elif f.type == "text" and not f.optional:
        one["minLength"] = 1
    if f.least is not None:
        one["minimum"] = f.least
    if f.most is not None:
        one["maximum"] = f.most
    whole = {"type": "array", "items": one, "minItems": 1} if f.many else one
    if f.many and f.single:
        whole = {"anyOf": [one, whole]}
    if f.default is not None:
        whole["default"] = f.default
    if f.summary:
        whole["description"] = f.summary
    return whole


_VALIDATORS: dict[str, Any] = {}


def _validator(action: Action) -> Any:
    """A Draft 2020-12 validator whose patterns match the whole text: Python's `$` would let a trailing newline pass."""
    if (known := _VALIDATORS.get(action.digest)) is not None and action.digest:
        return known
    from jsonschema import Draft202012Validator, FormatChecker, validators
    from jsonschema.exceptions import ValidationError as SchemaError

    def pattern(_: Any, expression: str, value: Any, __: Any) -> Any:
        if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", expression), value):
            yield SchemaError("pattern")

    formats = FormatChecker(formats=())
    formats.checks("date-time")(_is_date_time)
    formats.checks("date")(_is_date)
    strict: Any = validators.extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    made = strict(schema(action), format_checker=formats)
    _VALIDATORS[action.digest] = made
    return made


def _schema_problems(action: Action, given: Mapping[str, Any]) -> list[str]:
    from jsonschema.exceptions import ValidationError as SchemaError

    found: list[SchemaError] = list(_validator(action).iter_errors(dict(given)))
    return [_say(action, e, given) for e in sorted(found, key=lambda e: [str(p) for p in e.absolute_path])]


def _say(action: Action, error: Any, given: Mapping[str, Any]) -> str:
    where = "".join(f"[{p}]" if isinstance(p, int) else str(p) for p in error.absolute_path)
    wanted = error.validator_value
    match error.validator:
        case "required":
            missing = [n for n in wanted if n not in error.instance]
            return f"{', '.join(missing)} must be given."
        case "additionalProperties":
            known = [f.name for f in action.fields]
            return " ".join(_unknown(n, known) for n in error.instance if n not in error.schema.get("properties", {}))
        case "type":
            return f"{where} must be {_article(wanted)}, not {_type_name(error.instance)}."
        case "enum":
            return f"{where} must be one of: {', '.join(map(str, wanted))}."
        case "pattern":
            return f"{where} has characters or a form that is not allowed here{_hint(action, str(error.absolute_path[0]))}."
        case "minLength" | "minItems":
            return f"{where} must not be empty."
        case "minimum" | "exclusiveMinimum":
            return f"{where} must be at least {wanted}."
        case "maximum":
            return f"{where} must be at most {wanted}."
        case "format":
            return f"{where} must be a {'date such as 2026-11-24' if wanted == 'date' else 'time such as 2026-11-24T08:00:00Z'}."
        case _:
            return f"{where or 'The arguments'} break the listed schema ({error.validator})."


def _unknown(name: Any, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(str(name)[:64], known, n=1, cutoff=0.5)
    shown = _UNSEEN.sub("", str(name))[:48]
    return f"{shown!r} is not an argument of this tool{f'; did you mean {near[0]}?' if near else '.'}"


def _hint(action: Action, name: str) -> str:
    summary = next((f.summary for f in action.fields if f.name == name), "")
    return f" ({summary})" if summary else ""


_ARTICLES = {
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "array": "a list",
    "object": "an object",
}


def _article(types: Any) -> str:
    return _ARTICLES.get(str(types), f"of type {types}")


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}.get(
        type(value), "that"
    )


def _value_problems(f: ActionField, value: Any) -> list[str]:
    """What holds for every text whatever the schema: nothing invisible, no CIPP variable, no endless text."""
    problems = []
    texts = list(_texts(value))
    if any(_UNSEEN.search(t) for t in texts):
        problems.append(f"{f.name} has control or invisible characters.")
    if not f.template and any(_VARIABLE.search(t) for t in texts):
        problems.append(f"{f.name} has a %name% that CIPP would replace with a variable.")
    if any(len(t) > LONGEST_TEXT for t in texts):
        problems.append(f"{f.name} is longer than {LONGEST_TEXT} characters.")
    if f.many and f.kind and isinstance(value, list | tuple):
        if len(value) > MOST_TARGETS:
            problems.append(f"{f.name} names {len(value)} targets; at most {MOST_TARGETS} go into one call.")
        if len({str(v).casefold() for v in value}) < len(value):
            problems.append(f"{f.name} names a target twice.")
    return problems


def _texts(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        yield value
    elif depth < 64 and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key, depth + 1)
            yield from _texts(inner, depth + 1)
    elif depth < 64 and isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _option_problems(options: Mapping[str, Any], bounds: Mapping[str, float]) -> list[str]:
    """A call may be more patient with CIPP than the operator asks, never less: shorter, smaller, slower."""
    problems = []
    for name, value in options.items():
        if name not in OPTION_NAMES:
            problems.append(f"request_options has no {str(name)[:48]!r}; it takes {', '.join(OPTION_NAMES)}.")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            continue
        elif name == "batch_interval" and not bounds[name] <= value <= 60:
            problems.append(f"request_options.batch_interval must be {bounds[name]:g} (the operator's value) to 60 seconds.")
        elif name != "batch_interval" and not 0 < value <= bounds[name]:
            problems.append(f"request_options.{name} must be above 0 and at most {bounds[name]:g}, the operator's value.")
        elif name == "batch_size" and value != int(value):
            problems.append("request_options.batch_size must be a whole number.")
    return problems


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
