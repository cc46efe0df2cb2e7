"""The editor schema of manifest files, from the models that load them.

What TOML adds to the models stands here and nowhere else: `fields` is a table by argument name, a field may `use` a
shared one, and a table stands for a list of one. The file name gives tool and group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from cipp_mcp.catalog.action import Action, ActionField, Example, Merge
from cipp_mcp.catalog.effect import Raise, Rule, When
from cipp_mcp.catalog.proof import Expect, Verify

_FROM_THE_FILE = ("name", "group", "digest")
_MODELS: tuple[type[BaseModel], ...] = (Action, ActionField, Example, Merge, Raise, Rule, When, Expect, Verify)


def manifest_schema(shared: Iterable[str], kinds: Iterable[str]) -> dict[str, Any]:
    """JSON Schema of `actions/<group>/<tool>.toml`.

    Args:
        shared: the names of `fields.toml`.
        kinds: the names of `kinds.toml`.
    """
    whole = Action.model_json_schema(by_alias=True)
    models: dict[str, dict[str, Any]] = whole.pop("$defs")
    models["Action"] = whole
    for model in _MODELS:
        _describe(models[model.__name__], model)
    field = models["ActionField"]
    _without(field, ("name",))
    field["properties"]["use"] = {"enum": sorted(shared), "description": "A field of fields.toml; keys beside it override."}
    field["properties"]["kind"]["enum"] = ["tenant", *sorted(kinds)]
    field["required"] = []
    field["anyOf"] = [{"required": ["use"]}, {"required": ["type", "to"]}]
    _without(whole, _FROM_THE_FILE)
    properties = whole["properties"]
    properties["fields"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/ActionField"}}
    for name in ("rules", "verify"):
        listed = properties[name]
        properties[name] = {"anyOf": [listed["items"], {"type": "array", "items": listed["items"]}]}
    plain = _plain({"$defs": {name: m for name, m in sorted(models.items()) if name != "Action"}, **whole})
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "A manifest of cipp-mcp"}
    return {**head, **{k: v for k, v in plain.items() if k != "title"}}


def _without(schema: dict[str, Any], names: Iterable[str]) -> None:
    for name in names:
        schema["properties"].pop(name, None)
    schema["required"] = [n for n in schema.get("required", []) if n in schema["properties"]]


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """The lines of the docstring's `Attributes:` as descriptions of the properties they name."""
    head, _, attributes = (model.__doc__ or "").partition("Attributes:")
    schema["description"] = " ".join(head.split())
    alias = {name: f.alias or name for name, f in model.model_fields.items()}
    for names, text in re.findall(r"^\s+([a-z_]+(?:, [a-z_]+)*): (.+)$", attributes, re.MULTILINE):
        for name in names.split(", "):
            found = schema["properties"].get(alias.get(name, name))
            if found is not None:
                found["description"] = text


def _plain(value: Any) -> Any:
    """Without pydantic's titles, and without null, which TOML does not have."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if not isinstance(value, Mapping):
        return value
    kept = {k: v for k, v in value.items() if not (k == "title" and isinstance(v, str)) and not (k == "default" and v is None)}
    union = kept.get("anyOf")
    if isinstance(union, list) and {"type": "null"} in union:
        others = [v for v in union if v != {"type": "null"}]
        kept.pop("anyOf")
        kept = {**(others[0] if len(others) == 1 else {"anyOf": others}), **kept}
    return {k: _plain(v) for k, v in kept.items()}
