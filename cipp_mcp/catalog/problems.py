"""A broken rule of an input schema -> one sentence that names the argument and says what would be right. Pure."""

from __future__ import annotations

import difflib
from typing import Any

from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.formats import ADDRESS, CHARACTERS, SAMPLES, UNSEEN
from cipp_mcp.catalog.options import PATIENCE, SHAPE

MOST_UNKNOWN = 10


def sentence(action: Action, error: Any) -> str:
    """What is wrong; `error` is one of jsonschema's."""
    where = "".join(f"[{p}]" if isinstance(p, int) else str(p) for p in error.absolute_path)
    wanted = error.validator_value
    match error.validator:
        case "required":
            missing = [n for n in wanted if n not in error.instance]
            return f"{', '.join(missing)} must be given."
        case "additionalProperties":
            known = [f.name for f in action.fields]
            unknown = [n for n in error.instance if n not in error.schema.get("properties", {})]
            more = len(unknown) - MOST_UNKNOWN
            named = [_unknown(n, known) for n in unknown[:MOST_UNKNOWN]] + ([f"There are {more} more."] if more > 0 else [])
            return " ".join(named)
        case "type":
            return f"{where} must be {_article(wanted)}, not {_type_name(error.instance)}."
        case "enum":
            return f"{where} must be one of: {', '.join(map(str, wanted))}."
        case "pattern":
            hint = _hint(action, str(error.absolute_path[0]), wanted)
            return f"{where} has characters or a form that is not allowed here{hint}."
        case "minLength" | "minItems":
            return f"{where} must not be empty."
        case "anyOf":
            inside = [e for e in error.context if e.validator != "type" or len(e.absolute_path) > len(error.absolute_path)]
            kinds = " or ".join(_article(one.get("type")) for one in wanted)
            return sentence(action, inside[0]) if inside else f"{where} must be {kinds}, not {_type_name(error.instance)}."
        case "minimum" | "exclusiveMinimum":
            return f"{where} must be at least {wanted}."
        case "maximum":
            return f"{where} must be at most {wanted}."
        case "format":
            return f"{where} must be {SAMPLES[wanted]}."
        case _:
            return f"{where or 'The arguments'} break the listed schema ({error.validator})."


def _unknown(name: Any, known: list[str]) -> str:
    shown = UNSEEN.sub("", str(name))[:48]
    near = difflib.get_close_matches(str(name)[:64], known, n=1, cutoff=0.5)
    if name in (*PATIENCE, *SHAPE):
        where = "it goes into request_options."
    elif "arguments" in known:  # a tool that hands them over
        where = "what the action takes goes into arguments."
    else:
        where = f"did you mean {near[0]}?" if near else ""
    return f"{shown!r} is not an argument of this tool{f'; {where}' if where else '.'}"


def _hint(action: Action, name: str, pattern: str) -> str:
    """What would be right: the field's own words and the form, which the listing may not show."""
    field = next((f for f in action.fields if f.name == name), None)
    summary, kind = (field.summary, field.kind) if field is not None else ("", None)
    if CHARACTERS.fullmatch(pattern):
        form = "UPN or object id" if kind == "user" and not summary else ""
    else:
        form = "such as ana@fabrikam.example" if ADDRESS.fullmatch(pattern) else f"it must match {pattern}"
    told = "; ".join(t for t in (summary, form) if t)
    return f" ({told})" if told else ""


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
