"""Action + Arguments -> Request: plain data, compared in tests before it is HTTP.

One named function for each encoding of the grammar. Where CIPP reads a field decides its place, never the method.
Nothing that awaits may enter, and nothing that was not checked and resolved before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog.action import Action, ActionField, Encoding
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.message import Repeat, Request

WRITE_TIMEOUT = 240.0  # Azure's gateway gives up at 230 s; the work may go on behind it

_OMIT = object()


def encode(
    action: Action,
    arguments: Mapping[str, Any],
    tenants: Mapping[str, Tenant],
    targets: Mapping[str, Target],
    stored: Mapping[str, Any] | None = None,
    *,
    timeout: float = 120.0,
    write_timeout: float = WRITE_TIMEOUT,
    deadline: float | None = None,
) -> Request:
    """The one request of this call.

    Args:
        arguments: checked, defaults filled in.
        tenants: what was written -> tenant, for every tenant that is named.
        targets: what was written -> object, for every object that was resolved.
        stored: what a merge fills in, place -> value; an argument for the same place wins.
    """
    query: dict[str, str] = {}
    body: dict[str, Any] = {}
    whole: Any = _OMIT
    each: tuple[str, Sequence[Any]] | None = None
    for place, constant in action.constants.items():
        _put(query, body, place, constant)
    for place, value in (stored or {}).items():
        if place != "body":
            _put(query, body, place, _as_sent(action, place, value))
    for f in action.fields:
        if f.name not in arguments:
            continue
        value = _resolved(f, arguments[f.name], tenants, targets)
        if f.instead is not None and f.instead.met(arguments) and (target := targets.get(arguments[f.name])):
            value = target.row.get(f.instead.field) or value
        if f.alone is not None and f.alone.met(arguments) and isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        if f.encoding is Encoding.EACH:
            each = (f.to.removeprefix("body[]."), value)
            continue
        wire = _ENCODERS[f.encoding](value)
        if wire is _OMIT:
            continue
        if f.to == "body":
            whole = _laid(action, (stored or {}).get("body"), wire)
        else:
            _put(query, body, f.to, wire)
        for place, constant in f.sets.items():
            _put(query, body, place, constant)
    effect = action.effect_of(arguments)
    return Request(
        action.method,
        action.path,
        query,
        _body(action, body, whole, each),
        repeat_of(effect),
        timeout if effect is Effect.READ else write_timeout,
        deadline,
    )


def repeat_of(effect: Effect) -> Repeat:
    """What the wire may send again: decided by the effect, never by the method."""
    if effect is Effect.READ:
        return Repeat.FREELY
    return Repeat.AFTER_429 if effect is Effect.SET else Repeat.NEVER


def _as_sent(action: Action, place: str, value: Any) -> Any:
    """A stored value in the form in which its argument would go out."""
    field = next((f for f in action.fields if f.to == place), None)
    return _ENCODERS[field.encoding](value) if field is not None and field.encoding is Encoding.OPTION else value


def _laid(action: Action, stored: Any, given: Any) -> Any:
    """What goes out as the body: what is given, in or over what a merge read."""
    if action.merge is not None and action.merge.by and isinstance(stored, list):
        return _entries(stored, given if isinstance(given, list) else [given], action.merge.by)
    if isinstance(given, list) and action.merge is not None and action.merge.by:  # one map of fields, in several objects
        return {key: value for part in given for key, value in part.items()}
    return overlay(stored, given)


def _entries(stored: Sequence[Any], given: Sequence[Any], key: str) -> list[Any]:
    """The stored entries, each given one in the place of that with its key or behind them; the key alone takes it away."""
    new = {str(entry.get(key)).casefold(): entry for entry in given}
    kept = [new.pop(str(entry.get(key)).casefold(), entry) for entry in stored]
    return [entry for entry in (*kept, *new.values()) if set(entry) != {key}]


def overlay(stored: Any, given: Any) -> Any:
    """What is given laid over what is stored, key by key in any letter case, as CIPP reads them; lists are replaced."""
    if not (isinstance(stored, Mapping) and isinstance(given, Mapping)):
        return given
    spelt = {str(k).casefold(): k for k in stored}
    laid = {spelt.get(str(k).casefold(), k): v for k, v in given.items()}
    return {**stored, **{k: overlay(stored[k], v) if k in stored else v for k, v in laid.items()}}


def _body(action: Action, body: dict[str, Any], whole: Any, each: tuple[str, Sequence[Any]] | None) -> Any:
    if action.method == "GET":
        return None
    if each is not None:
        name, values = each
        return [{**{k: v for k, v in body.items() if k != name}, name: [value]} for value in values]
    if whole is not _OMIT:
        return whole
    return [body] if any(f.to.startswith("body[].") for f in action.fields) else body


def _put(query: dict[str, str], body: dict[str, Any], place: str, value: Any) -> None:
    room, _, path = place.partition(".")
    if room == "query":
        query[path] = query_text(value)
        return
    at: Any = body
    *parents, last = path.split(".")
    for part in parents:
        # `x[]` is a list with one entry
        at = at.setdefault(part[:-2], [{}])[0] if part.endswith("[]") else at.setdefault(part, {})
    at[last] = value


def query_text(value: Any) -> str:
    """Query values are text; a flag is the word."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _resolved(f: ActionField, value: Any, tenants: Mapping[str, Tenant], targets: Mapping[str, Target]) -> Any:
    """Each written key -> what the encoding works on: a tenant's domain or row, an object's key or row."""
    if f.kind is None:
        return value
    many = isinstance(value, list | tuple)
    keys = value if many else [value]
    if f.kind == "tenant":
        found: list[Any] = [_tenant_key(f, tenants[k]) for k in keys]
    else:
        found = [_target_key(f, k, targets.get(k)) for k in keys]
    return found if many else found[0]


def _tenant_key(f: ActionField, tenant: Tenant) -> Any:
    if f.encoding is Encoding.TENANTS:
        return tenant
    return tenant.customer_id if f.sends == "id" else tenant.default_domain


def _target_key(f: ActionField, written: str, target: Target | None) -> Any:
    if f.encoding in {Encoding.USERS, Encoding.MEMBERS, Encoding.GROUPS}:
        return target
    if target is None:
        return written
    # A guest's UPN would cut CIPP's address, and what is deleted is found by its id alone.
    if f.sends == "id" or target.note or ("#" in written and f.sends != "name"):
        return target.id
    return target.name if f.sends == "name" and written.casefold() != target.name.casefold() else written


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _set(value: Any) -> Any:
    return True if value is True else _OMIT


def _option(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_option(v) for v in value]
    return {"label": str(value), "value": value}


def _odata(value: str) -> str:
    return value.replace("&", "%26").replace("#", "%23")


def moment(text: str) -> datetime:
    """An ISO date-time that was checked before; one without a zone is UTC."""
    parsed = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _tenant_rows(tenants: Sequence[Tenant]) -> list[dict[str, str]]:
    return [
        {"customerId": t.customer_id, "defaultDomainName": domain, "value": domain, "label": t.name or domain}
        for t in tenants
        for domain in [t.default_domain]
    ]


def _tenant_options(domains: Sequence[str]) -> list[dict[str, str]]:
    return [{"label": d, "value": d, "type": "Tenant"} for d in domains]


def _user_rows(users: Sequence[Target]) -> list[dict[str, Any]]:
    return [{"label": u.label or u.name, "value": u.id, "addedFields": {"userPrincipalName": u.name}} for u in users]


def _member_rows(users: Sequence[Target]) -> list[dict[str, Any]]:
    return [{"value": u.id, "addedFields": {"userPrincipalName": u.name}} for u in users]


def _group_rows(groups: Sequence[Target]) -> list[dict[str, Any]]:
    return [{"label": g.name, "value": g.id, "addedFields": {"groupType": g.state.get("groupType")}} for g in groups]


_ENCODERS: Mapping[Encoding, Callable[[Any], Any]] = {
    Encoding.PLAIN: _plain,
    Encoding.SET: _set,
    Encoding.OPTION: _option,
    Encoding.ODATA: _odata,
    Encoding.EPOCH: lambda value: int(moment(value).timestamp()),
    Encoding.YYYYMMDD: lambda value: date.fromisoformat(value).strftime("%Y%m%d"),
    Encoding.CSV: ",".join,
    Encoding.NEWLINE: "\n".join,
    Encoding.SPACE: " ".join,
    Encoding.TENANTS: _tenant_rows,
    Encoding.TENANT_OPTIONS: _tenant_options,
    Encoding.USERS: _user_rows,
    Encoding.MEMBERS: _member_rows,
    Encoding.GROUPS: _group_rows,
}
