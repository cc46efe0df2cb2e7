"""What the caller wrote -> the one object it names, read from CIPP: id, name and state.

The plan shows it, its fingerprint is checked again after the yes, and the read-back compares with it. A write whose
object cannot be read is not written. Only reads may leave this room.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cipp_mcp.call.decode import Answer, read_answer
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog.kind import Kind
from cipp_mcp.errors import UnknownTarget
from cipp_mcp.message import Repeat, Request, Response

Send = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Target:
    """One resolved object.

    Attributes:
        written: as the caller wrote it.
        state: the kind's state fields, by path; missing values are None.
        row: the whole row as read, for merges; not part of the fingerprint.
        note: something that the approver must know about where it was found: only one from the recycle bin has it.
    """

    kind: str
    written: str
    id: str
    name: str
    label: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        return f"{self.label} ({self.name})" if self.label and self.label != self.name else self.name or self.id

    def fact(self) -> dict[str, str]:
        """The envelope's `target` entry."""
        return {"type": self.kind, "id": self.id, "name": self.name}


def path_value(row: Any, path: str) -> Any:
    """The value at a dotted path; through a list it collects into a list, through a text that holds JSON it reads on.

    Graph's `@odata.type` is one part.
    """
    found = row
    for n, part in enumerate(parts := path_parts(path)):
        if found.__class__ is dict:
            found = found.get(part)
            continue
        if isinstance(found, list):
            return [path_value(inner, ".".join(parts[n:])) for inner in found]
        if isinstance(found, str) and found.startswith("{"):
            found = _parsed(found)
        found = found.get(part) if isinstance(found, dict | Mapping) else None
    return found


@lru_cache(1024)
def path_parts(path: str) -> tuple[str, ...]:
    """The parts of a dotted path; Graph's `@odata.type` is one."""
    return tuple(re.split(r"(?<!@odata)\.", path))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """`$name` -> the fact of that name, anywhere in the text; longest names first."""
    for name in sorted(facts, key=len, reverse=True):
        template = template.replace(f"${name}", str(facts[name]))
    return template


def place_queries(send: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, str]:
    """`{"query.X": "$tenant"}` -> the query of a read."""
    return {place.removeprefix("query."): fill(text, facts) for place, text in send.items()}


async def read_target(
    send: Send, kind_name: str, kind: Kind, tenant: Tenant | None, written: str, *, deleted: bool = False
) -> Target:
    """The object of that kind and key; with `deleted` also one in the recycle bin.

    Raises:
        UnknownTarget: it is not there, is not exactly one, or could not be read.
        WireError: CIPP could not be reached.
    """
    if tenant is None and any("$tenant" in text for text in kind.send.values()):
        raise UnknownTarget(f"The {kind.title} needs its tenant.")
    facts = {"tenant": tenant.default_domain if tenant else "", "key": written}
    if "#" in written and kind.guest_send is not None:
        query = place_queries(kind.guest_send, facts | {"key": written.replace("#", "%23").replace("'", "''")})
    else:
        query = place_queries(kind.send, facts)
    answer = read_answer(await send(Request("GET", kind.read.removeprefix("GET "), query, repeat=Repeat.FREELY)))
    found = _matching(answer, kind, written)
    if len(found) == 1:
        return _target(kind_name, kind, written, found[0], "")
    if len(found) > 1:
        raise UnknownTarget(f"Several {kind.title}s match {written!r}; write the object id.")
    if deleted and kind.fallback:
        other = await _fallback(send, kind, tenant, written)
        if other is not None:
            return _target(kind_name, kind, written, other, kind.fallback["says"])
    raise UnknownTarget(_why_not(answer, kind, tenant, written), hint=f"{UnknownTarget.hint} {answer.hint}".strip())


async def _fallback(send: Send, kind: Kind, tenant: Tenant | None, written: str) -> Mapping[str, Any] | None:
    path = kind.fallback["read"].removeprefix("GET ")
    answer = read_answer(
        await send(Request("GET", path, {"tenantFilter": tenant.default_domain if tenant else ""}, repeat=Repeat.FREELY))
    )
    found = _matching(answer, kind, written)
    return found[0] if len(found) == 1 else None


def _matching(answer: Answer, kind: Kind, written: str) -> list[dict[str, Any]]:
    if answer.problem or answer.status >= 400:
        return []
    folded = written.casefold()
    return [r for r in answer.rows(kind.rows) if any(str(r.get(k) or "").casefold() == folded for k in kind.keys)]


def _why_not(answer: Answer, kind: Kind, tenant: Tenant | None, written: str) -> str:
    where = tenant.shown() if tenant else "This CIPP"
    if answer.problem:
        return f"The {kind.title} {written!r} of {where} could not be read: {answer.problem}"
    if answer.status >= 500 and not any("does not exist" in line.text or "not found" in line.text for line in answer.lines):
        return f"The {kind.title} {written!r} of {where} could not be read (CIPP answered {answer.status}); it may not exist."
    return f"{where} has no {kind.title} {written!r}."


def _target(kind_name: str, kind: Kind, written: str, row: Mapping[str, Any], note: str) -> Target:
    state = {path: path_value(row, path) for path in kind.state}
    identity = {"id": str(row.get(kind.id) or ""), "name": str(row.get(kind.name) or "")}
    if not identity["id"]:
        raise UnknownTarget(f"CIPP's answer for {written!r} has no id.")
    return Target(kind_name, written, identity["id"], identity["name"], str(row.get(kind.label) or ""), state, note, row)
