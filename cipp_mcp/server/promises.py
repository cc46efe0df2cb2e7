"""What a result holds, as an output schema, for the tools whose results tests pin and for no others.

Only our own envelope is promised, never CIPP's data: clients check a result against its schema, and one odd cell must
not cost the whole answer. Always an object with room for more, which every revision of the protocol takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from cipp_mcp.catalog.effect import Effect
from cipp_mcp.message import Changed, Word

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_OBJECT: Schema = {"type": "object"}
_OBJECTS: Schema = {"type": "array", "items": _OBJECT}

_HEAD: Schema = {"outcome": {"type": "string", "enum": [word.value for word in Word]}, "message": _TEXT}
_AFTER: Schema = {"operation_id": _TEXT, "notice": _TEXT, "next_step": _TEXT}
_LIST: Schema = {
    "tenant": _TEXT,
    "items": _OBJECTS,
    "total": _COUNT,
    "matched": _COUNT,
    "returned": _COUNT,
    "next": _TEXT,
    "complete": _FLAG,
    "as_of": {"type": "string", "format": "date-time"},
    "coverage": _OBJECT,
    "empty_because": _TEXT,
}
_CHANGE: Schema = {
    "success": {"anyOf": [_FLAG, {"type": "null"}]},
    "changed": {"type": "string", "enum": [*get_args(Changed)]},
    "tenant": _TEXT,
    "target": _OBJECT,
    "targets": _OBJECTS,
    "userId": _TEXT,
    "plan": _OBJECT,
    "plan_id": _TEXT,
    "expires_at": _TEXT,
    "approve_with": _TEXT,
}
_HIT: Schema = {
    "type": "object",
    "properties": {
        "action": _TEXT,
        "endpoint": _TEXT,
        "effect": {"type": "string", "enum": [effect.value for effect in Effect]},
        "summary": _TEXT,
        "input_schema": _OBJECT,
        "left_out": _TEXT,
    },
    "required": ["action", "endpoint", "effect", "summary"],
}


def _promise(*parts: Schema, also: tuple[str, ...] = ()) -> Schema:
    properties = {name: schema for part in parts for name, schema in part.items()}
    return {"type": "object", "properties": properties, "required": [*_HEAD, *also]}


_ROWS = _promise(_HEAD, _LIST, _AFTER)
_WRITE = _promise(_HEAD, _CHANGE, _AFTER, also=("success", "changed"))

PROMISES: Mapping[str, Schema] = {
    **dict.fromkeys(("list_tenants", "list_users", "get_user", "list_mfa_users", "list_licenses", "read_more"), _ROWS),
    **dict.fromkeys(("set_user_sign_in", "revoke_user_sessions", "clear_user_immutable_id", "offboard_user"), _WRITE),
    "check_operation": _promise(_HEAD, _LIST, _CHANGE, _AFTER),
    "find_action": _promise(_HEAD, {"items": {"type": "array", "items": _HIT}, "total": _COUNT, "returned": _COUNT}),
}
