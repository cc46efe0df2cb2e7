"""Action -> the JSON Schema that is listed, and the check that enforces it.

What is listed is carried in every turn of a model, so what holds for every tool (no text or list is empty; which characters
no id has) is enforced everywhere, said once in the server's instructions and left out of the listing. The few rules that a
schema cannot say without top-level combinators stand in the description. All problems come back in one error. Nothing may be
converted, guessed or dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType
from typing import Any

from cipp_mcp.catalog import formats
from cipp_mcp.catalog.action import Action, ActionField, Encoding
from cipp_mcp.catalog.effect import When
from cipp_mcp.catalog.formats import UNSEEN
from cipp_mcp.catalog.graphpath import denied
from cipp_mcp.catalog.options import option_problems
from cipp_mcp.catalog.problems import sentence
from cipp_mcp.errors import InvalidArguments

MOST_TARGETS = 25
LONGEST_TEXT = 100_000
MOST_VALUES = 10_000
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
    listed["additionalProperties"] = False
    return listed


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
        return [
            *_by_first_word(given, action),
            *(w for r in others for w in _named(r)),
            *(c for choices in by.values() for c in choices),
        ]
    cases = [f"{' or '.join(given)} is given"] if given else []
    return cases + [str(r) for r in others] + [f"{a} is {' or '.join(choices)}" for a, choices in by.items()]


def _by_first_word(names: Sequence[str], action: Action) -> list[str]:
    """`remove_*` for all the arguments that begin so, where none of them is missing."""
    short: dict[str, None] = {}
    for name in names:
        word = f"{name.partition('_')[0]}_"
        alike = [f.name for f in action.fields if f.name.startswith(word)]
        short[f"{word}*" if len(alike) > 1 and set(alike) <= set(names) else name] = None
    return list(short)


def _needs(action: Action) -> Iterator[str]:
    """The rules, those that need the same together; what CIPP would ignore is said when it is given."""
    together: dict[str, list[str]] = {}
    for rule in (r for r in action.rules if not r.ignored):
        if rule.says or rule.when is None:
            yield rule.says or f"Needs {_or(rule.one_of or rule.needs)}."
        else:
            together.setdefault(_and(rule.needs) if rule.needs else _or(rule.one_of), []).extend(_named(rule.when))
    for needs, words in together.items():
        yield f"{_and(words)} need{'s' if len(words) == 1 else ''} {needs}."


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


def check(action: Action, given: Any, *, bounds: Mapping[str, float]) -> tuple[Arguments, Mapping[str, Any]]:
    """The checked arguments with defaults filled in (without `confirm` and options), and the request options.

    Args:
        bounds: the operator's bound for each request option.

    Raises:
        InvalidArguments: every problem, one sentence each.
    """
    if not isinstance(given, Mapping):
        raise InvalidArguments(["The arguments must be one JSON object."])
    if too_large := _too_large(action, given):
        raise InvalidArguments(too_large)
    problems = _schema_problems(action, given)
    problems += [p for f in action.fields if f.name in given for p in _value_problems(f, given[f.name])]
    filled = {f.name: given.get(f.name, f.default) for f in action.fields if given.get(f.name, f.default) is not None}
    if not problems and action.denies and (pattern := denied(_texts(given), action.denies)):
        problems.append(f"This asks for {pattern}, which this tool never reads.")
    problems += [p for r in action.rules if (p := r.problem(filled)) and not problems]
    options = given.get("request_options") or {}
    if isinstance(options, Mapping):
        problems += option_problems(options, bounds, shapes=action.gives_rows)
    if problems:
        raise InvalidArguments(list(dict.fromkeys(problems)))
    return MappingProxyType(filled), MappingProxyType(dict(options))


def check_part(action: Action, given: Any) -> Arguments:
    """Some of a tool's arguments as they are, for questions about a call that nobody makes: what is missing is no problem.

    Raises:
        InvalidArguments: what is there breaks the schema.
    """
    if not isinstance(given, Mapping):
        raise InvalidArguments(["The arguments must be one JSON object."])
    if problems := _schema_problems(action, given, whole=False):
        raise InvalidArguments(problems)
    return given


def _property(f: ActionField) -> dict[str, Any]:
    one: dict[str, Any] = {"type": "integer" if f.choices and isinstance(f.choices[0], int) else _TYPES[f.type]}
    if f.choices:
        one["enum"] = list(f.choices)
    if f.type == "time":
        one["format"] = "date" if f.encoding is Encoding.YYYYMMDD else "date-time"
    if f.format:
        one["format"] = f.format
    if f.pattern and f.format != "uuid":
        one["pattern"] = f.pattern
    elif not f.format and f.type == "text" and not f.optional:
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
    """The property without what is said once for all tools: that nothing is empty, and which characters no id has."""
    return _short(_property(f), {"minLength", "minItems", *(["enum"] if f.unlisted else [])})


def _short(one: Mapping[str, Any], left_out: Set[str]) -> dict[str, Any]:
    short: dict[str, Any] = {}
    for key, value in one.items():
        if key == "items":
            short[key] = _short(value, left_out)
        elif key == "anyOf":
            short[key] = [_short(v, left_out) for v in value]
        elif key == "pattern":
            if "format" not in one:
                short[key] = formats.listed(value)
        elif key not in left_out:
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


def _too_large(action: Action, given: Mapping[str, Any]) -> list[str]:
    """What is not even looked at: a schema takes far longer over it, and far more memory, than a client to send it."""
    known = {f.name for f in action.fields}
    problems, room = [], MOST_VALUES
    for name, value in given.items():
        waiting, longest = [name, value], 0
        while waiting and room:
            one = waiting.pop()
            room -= 1
            if isinstance(one, str):
                longest = max(longest, len(one))
            elif isinstance(one, Mapping):
                waiting += [*one, *one.values()]
            elif isinstance(one, list | tuple):
                waiting += one
        if not room:
            return [f"The arguments hold {MOST_VALUES} values or more."]
        if longest > LONGEST_TEXT:
            problems.append(f"{name if name in known else 'An argument'} is longer than {LONGEST_TEXT} characters.")
    return problems


def _schema_problems(action: Action, given: Mapping[str, Any], *, whole: bool = True) -> list[str]:
    from jsonschema.exceptions import ValidationError as SchemaError

    broken: list[SchemaError] = list(_validator(action).iter_errors(dict(given)))
    found = [e for e in broken if whole or e.validator != "required"]
    return [sentence(action, e) for e in sorted(found, key=lambda e: [str(p) for p in e.absolute_path])]


def _value_problems(f: ActionField, value: Any) -> list[str]:
    """What holds for every text whatever the schema: nothing invisible, no CIPP variable."""
    problems = []
    texts = list(_texts(value))
    if any(UNSEEN.search(t) for t in texts):
        problems.append(f"{f.name} has control or invisible characters.")
    if not f.template and any(_VARIABLE.search(t) for t in texts):
        problems.append(f"{f.name} has a %name% that CIPP would replace with a variable.")
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
