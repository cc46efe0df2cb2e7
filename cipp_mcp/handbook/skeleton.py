"""A manifest skeleton from the facts of an operation: what a document knows is filled in, what a person must decide is `?`.

`effect = "?"` does not load, so nothing that nobody reviewed becomes a tool. CIPP's own sentences stand in a comment
only: the summary is to be written for a technician.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.catalog.openapi import Operation

_FIELD_TYPES = {"flag": "flag", "number": "number", "object": "object"}
_SAMPLES: Mapping[str, Any] = {"flag": True, "number": 1, "object": {}, "text": "text"}


def tool_name(operation: Operation) -> str:
    """`ListCippQueue` -> `list_cipp_queue`."""
    return snake(operation.path.rpartition("/")[2])


def groups_of(operation: Operation, catalog: Catalog) -> list[str]:
    """The groups whose manifests most often need a role like this one, likeliest first."""
    for depth in (2, 1):
        prefix = ".".join(operation.role.split(".")[:depth])
        found = Counter(a.group for a in catalog if a.role.startswith(f"{prefix}."))
        if found:
            return [group for group, _ in found.most_common(3)]
    return []


def skeleton(operation: Operation, catalog: Catalog, shared: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of the manifest.

    Args:
        shared: what `fields.toml` holds.
    """
    fields = dict(_fields(operation, shared))
    said = "".join(c for c in " ".join(operation.summary.split())[:300] if c.isprintable())
    groups = groups_of(operation, catalog)
    likely = f" The group is perhaps {' or '.join(groups)}." if groups else ""
    lines = [
        f"# Save as manifests/actions/<group>/{tool_name(operation)}.toml and decide every ?.{likely}",
        *([f"# CIPP says: {said}"] if said and " " in said else []),
        f"title    = {_toml(_words(operation.path.rpartition('/')[2]).capitalize())}",
        'summary  = "?"',
        f'effect   = "?"    # {", ".join(Effect)}',
        f"endpoint = {_toml(operation.endpoint)}",
        f"role     = {_toml(operation.role or '?')}",
        'words    = ["?"]   # what technicians call it',
    ]
    if operation.method == "GET":
        lines.append('columns  = ["?"]   # what its list shows; [] shows all')
    if fields:
        width = max(map(len, fields))
        lines += ["", "[fields]", *(f"{name.ljust(width)} = {_toml(f)}" for name, f in fields.items())]
    if operation.method != "GET":
        lines += ["", "[verify]   # the read that shows it, or why no read can", 'claimed = "?"']
    given, sends = _example(operation, fields, shared)
    lines += ["", "[[examples]]", f"given = {_toml(given)}", f"sends = {_toml(sends)}"]
    return "\n".join(lines) + "\n"


def _fields(operation: Operation, shared: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    in_body = {_leaf(p).casefold() for p in operation.body}
    taken: set[str] = set()
    for place, kind in sorted(operation.places.items(), key=lambda p: _leaf(p[0]).casefold() != "tenantfilter"):
        if place.startswith("query.") and operation.method != "GET" and _leaf(place).casefold() in in_body:
            continue  # CIPP takes it from either; it goes into the body
        if any(p.startswith((f"{place}.", f"{place}[].")) for p in operation.places):
            continue  # its parts are fields of their own
        name = snake(re.sub(r"^(query|body)(\[\])?\.", "", place).replace("[]", "").replace(".", "_"))
        if name in taken or not name:
            name = f"{name or 'field'}_{len(taken)}"
        taken.add(name)
        yield name, _field(place, kind, operation, shared)


def _field(place: str, kind: str, operation: Operation, shared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    word = kind.removesuffix("[]")
    used = _used(place, shared) if word in {"text", "option", "any"} else None
    field: dict[str, Any] = {"use": used} if used else {"type": _FIELD_TYPES.get(word, "text")}
    choices = operation.choices.get(place)
    if choices and not used:
        field |= {"type": "choice", "choices": list(choices)}
    if kind.endswith("[]"):
        field["many"] = True
    if place not in operation.required:
        field["optional"] = True
    field["to"] = place
    return field | ({"as": "option"} if word == "option" else {})


def _used(place: str, shared: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The shared field whose kind the name speaks of: `tenantFilter`, `userId`, `GroupID`."""
    leaf = _leaf(place).casefold().removesuffix("filter").removesuffix("id")
    return leaf if leaf in shared and "kind" in shared[leaf] else None


def _example(
    operation: Operation, fields: Mapping[str, Mapping[str, Any]], shared: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    given: dict[str, Any] = {}
    query: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, field in fields.items():
        if field.get("optional"):
            continue
        value = _sample(field, shared)
        given[name] = value
        wire: Any = {"label": str(value), "value": value} if field.get("as") == "option" else value
        if field.get("many"):
            given[name], wire = [value], [wire]
        room, _, path = str(field["to"]).partition(".")
        if room == "query":
            query[path] = ("true" if wire else "false") if isinstance(wire, bool) else str(wire)
            continue
        at = body
        *parents, last = path.split(".")
        for part in parents:
            at = at.setdefault(part[:-2], [{}])[0] if part.endswith("[]") else at.setdefault(part, {})
        at[last] = wire
    sends: dict[str, Any] = {"query": query} if query else {}
    if operation.method != "GET":
        sends["body"] = [body] if any(str(f["to"]).startswith("body[]") for f in fields.values()) else body
    return given, sends


def _sample(field: Mapping[str, Any], shared: Mapping[str, Mapping[str, Any]]) -> Any:
    used = shared.get(str(field.get("use")), {})
    if used.get("kind") == "tenant":
        return "fabrikam.example"
    if used.get("kind") == "user":
        return "ana@fabrikam.example"
    if used:
        return "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01"
    return field["choices"][0] if "choices" in field else _SAMPLES[str(field["type"])]


def _leaf(place: str) -> str:
    return place.rpartition(".")[2].removesuffix("[]")


def snake(name: str) -> str:
    """A name of CIPP's as a name of ours."""
    parted = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _words(name: str) -> str:
    return snake(name).replace("_", " ")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
