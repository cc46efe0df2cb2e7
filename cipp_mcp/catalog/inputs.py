"""Action -> the JSON Schema that is listed, and the check that enforces it.

What is listed is carried in every turn of a model, so what holds for every tool (no text or list is empty; ids and
UPNs have no character that bends an address) is enforced everywhere, said once in the server's instructions and left
out of the listing. The few rules that a schema cannot say without top-level combinators stand in the description.
All problems come back in one error. Nothing may be converted, guessed or dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cipp_mcp.catalog import formats
from cipp_mcp.catalog.action import Action, ActionField, Encoding
from cipp_mcp.catalog.effect import When
from cipp_mcp.catalog.formats import UNSEEN
from cipp_mcp.catalog.graphpath import denied
from cipp_mcp.catalog.problems import sentence
from cipp_mcp.errors import InvalidArguments

OPTION_NAMES = ("timeout", "batch_size", "batch_interval")
MOST_TARGETS = 25
LONGEST_TEXT = 100_000
_VARIABLE = re.compile(r"%[A-Za-z0-9_.-]+%")
_TYPES = {"text": "string", "time": "string", "choice": "string", "flag": "boolean", "number": "integer", "object": "object"}

Arguments = Mapping[str, Any]


def schema(action: Action) -> dict[str, Any]:
    """The input schema of one tool as listed: its fields, `confirm` where a yes may be needed, `request_options`."""
    return _schema(action, _listed)


def enforced(action: Action) -> dict[str, Any]:
    """The same with what is said once for all tools: what `check` holds arguments against."""
    return _schema(action, _property)


def _schema(action: Action, of: Callable[[ActionField], dict[str, Any]]) -> dict[str, Any]:
    properties = {f.name: of(f) for f in action.fields}
    if action.may_ask:
        properties["confirm"] = {"type": "string"}
    properties["request_options"] = {"type": "object"}
    listed: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [f.name for f in action.fields if f.required]:
        listed["required"] = required
    return {**listed, "additionalProperties": False}


def description(action: Action) -> str:
    """What the tool list says of it: summary, rules, and when a person is asked, where that depends on arguments."""
    parts = [action.summary, *_needs(action)]
    if action.may_ask and not action.effect.asks and (cases := _asking(action, short=True)):
        parts.append(f"Asks for {_and(cases)}.")
    tenants = any(f.kind == "tenant" for f in action.fields)
    if action.all_tenants and tenants and "AllTenants" not in " ".join([*parts, *(f.summary for f in action.fields)]):
        parts.append("AllTenants too.")
    return " ".join(parts)


def asks_when(action: Action) -> str:
    """The cases of its own in which a tool that does not always ask does ask, in words; empty when there are none.

    That several targets and AllTenants ask is true of every tool and said once, in the server's instructions.
    """
    return " or ".join(_asking(action))


def _asking(action: Action, *, short: bool = False) -> list[str]:
    """Those cases one by one; `short` names a choice or a flag alone."""
    asking = [r for r in action.raises if r.to.asks]
    given = [r.argument for r in asking if str(r) == f"{r.argument} is given"]
    others = [r for r in asking if r.argument not in given]
    by = {a: [c for c, e in m.items() if e.asks] for a, m in action.by.items()}
    if short:
        return [*given, *(w for r in others for w in _named(r)), *(c for choices in by.values() for c in choices)]
    cases = [f"{' or '.join(given)} is given"] if given else []
    return cases + [str(r) for r in others] + [f"{a} is {' or '.join(choices)}" for a, choices in by.items()]


def _needs(action: Action) -> Iterator[str]:
    """The rules, those that need the same together."""
    together: dict[tuple[str, ...], list[str]] = {}
    for rule in action.rules:
        if rule.says or rule.when is None:
            yield rule.says or f"Needs {_or(rule.one_of or rule.needs)}."
        else:
            together.setdefault(rule.needs, []).extend(_named(rule.when))
    for needs, words in together.items():
        yield f"{_and(words)} need{'s' if len(words) == 1 else ''} {_and(needs)}."


def _named(when: When) -> list[str]:
    """What a condition is about, in the fewest words that tell: the choice, or the argument."""
    if when.also is not None:
        return [str(when)]
    if when.holds is not None or when.has:
        return [str(w) for w in when.holds or (f"{when.argument} with {when.has}",)]
    if when.among is None or when.among == (True,):
        return [when.argument]
    return [w if isinstance(w, str) and w else f"{when.argument} {str(w).lower()}" for w in when.among]


def _and(words: Sequence[str], last: str = "and") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]


def _or(words: Sequence[str]) -> str:
    return _and(words, "or")


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
    if f.format:
        one["format"] = f.format
    elif f.pattern:
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
    return {"description": f.summary, **whole} if f.summary else whole


def _listed(f: ActionField) -> dict[str, Any]:
    """The property without what is said once for all tools: that no text and no list is empty."""
    return _short(_property(f))


def _short(one: Mapping[str, Any]) -> dict[str, Any]:
    short: dict[str, Any] = {}
    for key, value in one.items():
        if key == "items":
            short[key] = _short(value)
        elif key == "anyOf":
            short[key] = [_short(v) for v in value]
        elif key not in {"minLength", "minItems"}:
            short[key] = value
    return short


_VALIDATORS: dict[str, Any] = {}


def _validator(action: Action) -> Any:
    """A Draft 2020-12 validator whose patterns match the whole text: Python's `$` would let a trailing newline pass."""
    if (known := _VALIDATORS.get(action.digest)) is not None and action.digest:
        return known
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError as SchemaError

    def pattern(_: Any, expression: str, value: Any, __: Any) -> Any:
        if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", expression), value):
            yield SchemaError("pattern")

    strict: Any = validators.extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    made = strict(enforced(action), format_checker=formats.checker())
    _VALIDATORS[action.digest] = made
    return made


def _schema_problems(action: Action, given: Mapping[str, Any]) -> list[str]:
    from jsonschema.exceptions import ValidationError as SchemaError

    found: list[SchemaError] = list(_validator(action).iter_errors(dict(given)))
    return [sentence(action, e) for e in sorted(found, key=lambda e: [str(p) for p in e.absolute_path])]


def _value_problems(f: ActionField, value: Any) -> list[str]:
    """What holds for every text whatever the schema: nothing invisible, no CIPP variable, no endless text."""
    problems = []
    texts = list(_texts(value))
    if any(UNSEEN.search(t) for t in texts):
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
            problems.append(f"request_options.{name} must be a number.")
        elif name == "batch_interval" and not bounds[name] <= value <= 60:
            problems.append(f"request_options.batch_interval must be {bounds[name]:g} (the operator's value) to 60 seconds.")
        elif name != "batch_interval" and not 0 < value <= bounds[name]:
            problems.append(f"request_options.{name} must be above 0 and at most {bounds[name]:g}, the operator's value.")
        elif name == "batch_size" and value != int(value):
            problems.append("request_options.batch_size must be a whole number.")
    return problems
