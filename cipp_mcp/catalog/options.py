"""`request_options`: what a call may ask beside its arguments, and what is wrong with it.

Said once in the server's instructions and in no tool's schema, so only this check knows it whole. Bounds are the
operator's. What the options do is decided where the call is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cipp_mcp.catalog.formats import UNSEEN

PATIENCE = ("timeout", "batch_size", "batch_interval")
SHAPE = ("fields", "filter", "limit")
MOST_LIMIT = 1_000
MOST_NAMES = 50
MOST_VALUES = 100
LONGEST = 200
_SCALAR = (str, int, float, bool, type(None))


def option_problems(options: Mapping[str, Any], bounds: Mapping[str, float], *, shapes: bool) -> Iterator[str]:
    """One sentence for each thing that is wrong.

    Args:
        shapes: the tool gives rows, so that `fields`, `filter` and `limit` mean something.
    """
    known = (*PATIENCE, *SHAPE) if shapes else PATIENCE
    for name, value in options.items():
        if name in SHAPE and not shapes:
            yield f"request_options.{name} shapes lists; this tool gives none."
        elif name not in known:
            yield f"request_options has no {str(name)[:48]!r}; it takes {', '.join(known)}."
        elif name in PATIENCE:
            yield from _patience(name, value, bounds)
        elif name == "fields" and not (_is_list(value, MOST_NAMES) and all(map(_is_name, value))):
            yield f"request_options.fields must be a list of 1 to {MOST_NAMES} columns or dotted paths."
        elif name == "filter":
            yield from _filter(value)
        elif name == "limit" and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_LIMIT):
            yield f"request_options.limit must be a whole number from 1 to {MOST_LIMIT}."


def _patience(name: str, value: Any, bounds: Mapping[str, float]) -> Iterator[str]:
    """A call may be more patient with CIPP than the operator asks, never less: shorter, smaller, slower."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"request_options.{name} must be a number."
    elif name == "batch_interval" and not bounds[name] <= value <= 60:
        yield f"request_options.batch_interval must be {bounds[name]:g} (the operator's value) to 60 seconds."
    elif name != "batch_interval" and not 0 < value <= bounds[name]:
        yield f"request_options.{name} must be above 0 and at most {bounds[name]:g}, the operator's value."
    elif name == "batch_size" and value != int(value):
        yield "request_options.batch_size must be a whole number."


def _filter(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping) or not 1 <= len(value) <= MOST_NAMES or not all(map(_is_name, value)):
        yield "request_options.filter must be an object: column or dotted path -> value."
        return
    for name, wanted in value.items():
        values = wanted if _is_list(wanted, MOST_VALUES) else [wanted]
        if not all(isinstance(v, _SCALAR) and not (isinstance(v, str) and len(v) > LONGEST) for v in values):
            yield f"request_options.filter: {name!r} must be null, true, false, a number, a short text or a list of these."


def _is_list(value: Any, most: int) -> bool:
    return isinstance(value, list | tuple) and 1 <= len(value) <= most


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST and not UNSEEN.search(name)
