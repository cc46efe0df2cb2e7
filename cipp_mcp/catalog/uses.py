"""Every request that the catalog makes, as places on the wire: what `contract.py` compares with a document.

Taken from the manifests alone: actions, their read-backs, what a merge reads, how a kind is read; and the few reads
that `call` makes by itself. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.catalog.action import Action, ActionField, Encoding
from cipp_mcp.catalog.kind import Kind
from cipp_mcp.catalog.manifests import Catalog

OWN_READS: Mapping[str, tuple[str, ...]] = {
    "GET /api/ListTenants": (),
    "GET /api/ListRoles": ("query.tenantFilter",),
    "GET /api/ListUsers": ("query.tenantFilter", "query.UserID"),
    "GET /api/ListUserGroups": ("query.tenantFilter", "query.userId"),
    "GET /api/ListCippQueue": ("query.QueueId",),
    "GET /api/ListScheduledItems": ("query.tenantFilter", "query.ShowHidden"),
    "GET /api/ListScheduledItemDetails": ("query.RowKey",),
}
"""The reads that `call` makes by itself: tenants, privileged roles, other administrators, protected groups, jobs."""

_TEXTS = {Encoding.ODATA, Encoding.YYYYMMDD, Encoding.CSV, Encoding.NEWLINE, Encoding.SPACE}
_OPTIONS = {
    Encoding.OPTION, Encoding.TENANTS, Encoding.TENANT_OPTIONS, Encoding.USERS, Encoding.MEMBERS, Encoding.GROUPS,
}  # fmt: skip
_PLAIN = {"flag": "flag", "number": "number", "object": "object"}


@dataclass(frozen=True, slots=True)
class Use:
    """One request that is made.

    Attributes:
        by: who makes it: a tool, a tool's read-back or merge, a kind, or `call`.
        role: the role that the manifest names; None where it names none.
        sends: place -> type, as sent.
        always: the places that every such request has.
        whole: the body is the caller's object, whose names the manifest does not know.
    """

    by: str
    endpoint: str
    role: str | None = None
    sends: Mapping[str, str] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    whole: bool = False


def uses(catalog: Catalog) -> tuple[Use, ...]:
    """Every request that the catalog and our own code make."""
    found = [Use("call", endpoint, None, dict.fromkeys(sent, "text"), frozenset(sent)) for endpoint, sent in OWN_READS.items()]
    for name, kind in catalog.kinds.items():
        found += _kind_uses(name, kind)
    for action in catalog:
        found += uses_of(action)
    return tuple(found)


def uses_of(action: Action) -> Iterator[Use]:
    """The action's own request, its read-backs, what its merge reads and where its job is followed."""
    if action.own:
        return
    sends = {f.to: _sent_type(f) for f in action.fields if f.to != "body"}
    sends |= {place: _value_type(value) for f in action.fields for place, value in f.sets.items()}
    sends |= {place: _value_type(value) for place, value in action.constants.items()}
    always = {f.to for f in action.fields if f.required or f.default is not None} | set(action.constants)
    whole = any(f.to == "body" for f in action.fields)
    if action.merge is not None:
        sends = dict.fromkeys(action.merge.keep, "any") | sends
        always |= set(action.merge.keep)
        if action.merge.read.startswith("GET "):
            yield _read(f"{action.name} (merge)", action.merge.read, action.merge.send)
    yield Use(action.name, action.endpoint, action.role, sends, frozenset(always), whole)
    for verify in action.verify:
        if verify.read.startswith("GET "):
            yield _read(f"{action.name} (read-back)", verify.read, verify.send)
    if action.follow is not None:
        yield _read(f"{action.name} (job)", action.follow.read, action.follow.send)
        if action.follow.steps:
            yield _read(f"{action.name} (steps)", action.follow.steps, action.follow.steps_send)


def _kind_uses(name: str, kind: Kind) -> Iterator[Use]:
    yield _read(f"kind {name}", kind.read, kind.send)
    if kind.guest_send is not None:
        yield _read(f"kind {name} (guest)", kind.read, kind.guest_send)
    if "read" in kind.fallback:
        yield _read(f"kind {name} (fallback)", kind.fallback["read"], {"query.tenantFilter": "$tenant"})


def _read(by: str, endpoint: str, send: Mapping[str, str]) -> Use:
    return Use(by, endpoint, None, dict.fromkeys(send, "text"), frozenset(send))


def _sent_type(f: ActionField) -> str:
    if f.encoding in _TEXTS:
        return "text"
    if f.encoding is Encoding.EPOCH:
        return "number"
    word = "option" if f.encoding in _OPTIONS else _PLAIN.get(f.type, "text")
    return f"{word}[]" if f.many else word


def _value_type(value: Any) -> str:
    if isinstance(value, Mapping):
        return "option" if {"label", "value"} <= set(value) else "object"
    if isinstance(value, list | tuple):
        return f"{_value_type(value[0]).removesuffix('[]') if value else 'any'}[]"
    return "flag" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "text"
