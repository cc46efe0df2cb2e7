"""Read-back: did it really happen?

A status and a sentence are claims; a read is evidence. Every expectation of the manifest must show for every target
before a write is called done. Only reads may leave this room, and a failed read never makes a failed write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.targets import Send, Target, path_value, place_queries
from cipp_mcp.catalog.action import Kind
from cipp_mcp.catalog.proof import Expect, Verify
from cipp_mcp.errors import WireError
from cipp_mcp.message import Repeat, Request

LOOKS = (0.0, 2.0, 5.0, 15.0)
"""Seconds after the answer at which the read-back looks: the directory needs a moment to agree with itself."""

_MISSING = object()


class Seen(StrEnum):
    """What the reads show of one target."""

    SHOWN = "shown"  # every expectation holds
    NOT_SHOWN = "not_shown"  # read, and it is not so (yet)
    UNREADABLE = "unreadable"  # the read itself failed


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the read-back found.

    Attributes:
        seen: per target id (or "" when there is no target).
        shows: the facts read, for the ticket.
        read: which read it was.
    """

    seen: Mapping[str, Seen] = field(default_factory=dict)
    shows: Mapping[str, Any] = field(default_factory=dict)
    read: str = ""

    @property
    def all_shown(self) -> bool:
        return bool(self.seen) and all(s is Seen.SHOWN for s in self.seen.values())

    @property
    def some_shown(self) -> bool:
        return any(s is Seen.SHOWN for s in self.seen.values())

    @property
    def unreadable(self) -> bool:
        return any(s is Seen.UNREADABLE for s in self.seen.values())


def can_verify(case: Case) -> bool:
    """Whether some read-back has an expectation that applies to these arguments."""
    return any(v.read and _applying(v, case) for v in case.action.verify)


def already_so(case: Case) -> bool:
    """Whether the targets' state before the call already meets everything that the read-back will look for."""
    for verify in case.action.verify:
        checks = _applying(verify, case)
        if verify.read != "target" or not checks or not case.targets:
            continue
        if all(not c.moved and not c.gone and _holds_state(c, t, case) for c in checks for t in case.targets):
            return True
    return False


async def note_before(send: Send, kinds: Mapping[str, Kind], case: Case) -> Mapping[str, frozenset[str]]:
    """The rows that exist before the call, for expectations that want a fresh one: place of the check -> keys."""
    before: dict[str, frozenset[str]] = {}
    for v, verify in enumerate(case.action.verify):
        for c, check in enumerate(_applying(verify, case)):
            if check.fresh:
                for target in case.targets:
                    rows = await _rows(send, kinds, verify, case, target)
                    keys = {str(r.get(check.fresh)) for r in rows or [] if _row_matches(r, check, target, case)}
                    before[f"{v}.{c}.{target.id}"] = frozenset(keys)
    return before


async def look(
    send: Send,
    kinds: Mapping[str, Kind],
    case: Case,
    before: Mapping[str, frozenset[str]],
    *,
    looks: tuple[float, ...] = LOOKS,
    wait: Callable[[float], Awaitable[None]],
) -> Evidence:
    """Look until everything shows or the looks are used up.

    Args:
        before: from `note_before`.
        looks: seconds after the answer.
        wait: sleeps that many (scaled) seconds.
    """
    evidence = Evidence()
    elapsed = 0.0
    for at in looks:
        if at > elapsed:
            await wait(at - elapsed)
            elapsed = at
        evidence = await _once(send, kinds, case, before)
        if evidence.all_shown:
            break
    return evidence


async def _once(send: Send, kinds: Mapping[str, Kind], case: Case, before: Mapping[str, frozenset[str]]) -> Evidence:
    """Each target against each alternative read; one that shows it is enough."""
    seen: dict[str, Seen] = {}
    shows: dict[str, Any] = {}
    used = ""
    for target in case.targets or (None,):
        key = target.id if target else ""
        for v, verify in enumerate(case.action.verify):
            checks = _applying(verify, case)
            if not verify.read or not checks:
                continue
            found, facts = await _compare(send, kinds, verify, checks, case, target, before, v)
            used = verify.read
            if found is Seen.SHOWN or key not in seen or seen[key] is Seen.UNREADABLE:
                seen[key] = found
                shows[key] = facts
            if found is Seen.SHOWN:
                break
    return Evidence(seen, shows if len(shows) > 1 else next(iter(shows.values()), {}), used)


async def _compare(
    send: Send,
    kinds: Mapping[str, Kind],
    verify: Verify,
    checks: list[Expect],
    case: Case,
    target: Target | None,
    before: Mapping[str, frozenset[str]],
    number: int,
) -> tuple[Seen, dict[str, Any]]:
    rows = await _rows(send, kinds, verify, case, target)
    if rows is None:
        return Seen.UNREADABLE, {}
    row = _own_row(rows, kinds, target) if verify.read == "target" else rows[0] if len(rows) == 1 else None
    facts: dict[str, Any] = {}
    held = True
    for c, check in enumerate(checks):
        if check.gone:
            held &= row is None
            facts["gone"] = row is None
        elif check.row is not None:
            known = before.get(f"{number}.{c}.{target.id if target else ''}", frozenset())
            hits = [r for r in rows if _row_matches(r, check, target, case)]
            hits = [r for r in hits if not check.fresh or str(r.get(check.fresh)) not in known]
            held &= bool(hits)
            facts["listed"] = bool(hits)
        elif row is None:
            return Seen.UNREADABLE, {}
        else:
            value = path_value(row, check.field)
            facts[check.field] = value
            held &= _holds(check, value, target.state.get(check.field, _MISSING) if target else _MISSING, case)
    return (Seen.SHOWN if held else Seen.NOT_SHOWN), facts


async def _rows(
    send: Send, kinds: Mapping[str, Kind], verify: Verify, case: Case, target: Target | None
) -> list[dict[str, Any]] | None:
    """The rows of the read-back, or None when it failed."""
    tenant = case.tenant.default_domain if case.tenant else ""
    if verify.read == "target":
        if target is None:
            return None
        kind = kinds[target.kind]
        path, query = kind.read, place_queries(kind.send, {"tenant": tenant, "key": target.id})
    else:
        facts = {"tenant": tenant, **({"id": target.id, "name": target.name} if target else {})}
        path, query = verify.read, place_queries(verify.send, facts | {k: str(v) for k, v in case.arguments.items()})
    try:
        answer = read_answer(await send(Request("GET", path.removeprefix("GET "), query, repeat=Repeat.FREELY)))
    except WireError:
        return None
    if not answer.problem and answer.status < 400 and not answer.queue_message:
        return answer.rows()
    says_gone = answer.status in {404, 500} and any(
        "does not exist" in n.text or "not found" in n.text.lower() for n in answer.lines
    )
    return [] if says_gone and not answer.problem else None


def _own_row(rows: list[dict[str, Any]], kinds: Mapping[str, Kind], target: Target | None) -> dict[str, Any] | None:
    if target is None:
        return None
    kind = kinds[target.kind]
    return next((r for r in rows if str(r.get(kind.id) or "").casefold() == target.id.casefold()), None)


def _applying(verify: Verify, case: Case) -> list[Expect]:
    return [e for e in verify.expect if (e.when is None or e.when.met(case.arguments)) and _wanted_given(e, case)]


def _wanted_given(check: Expect, case: Case) -> bool:
    wanted = next((w for w in (check.equals, check.holds, check.lacks, check.only) if w is not None), None)
    return not (isinstance(wanted, str) and wanted.startswith("$")) or case.arguments.get(wanted[1:]) is not None


def _value(wanted: Any, case: Case) -> Any:
    return case.arguments.get(wanted[1:]) if isinstance(wanted, str) and wanted.startswith("$") else wanted


def _holds_state(check: Expect, target: Target, case: Case) -> bool:
    return check.field in target.state and _holds(check, target.state[check.field], _MISSING, case)


def _holds(check: Expect, value: Any, was: Any, case: Case) -> bool:
    """One expectation against one value. `was` is the value before the call, `_MISSING` when nobody knows it."""
    if check.moved:
        return was is not _MISSING and value is not None and value != was
    if check.absent:
        return value in (None, "", [], {})
    if check.equals is not None:
        return _same(value, _value(check.equals, case))
    if check.among is not None:
        return any(_same(value, a) for a in check.among)
    have = {str(v).casefold() for v in (value if isinstance(value, list) else [value]) if v is not None}
    if check.holds is not None:
        return _texts(_value(check.holds, case)) <= have
    if check.lacks is not None:
        return not (_texts(_value(check.lacks, case)) & have)
    return have == _texts(_value(check.only, case))


def _texts(wanted: Any) -> set[str]:
    return {str(w).casefold() for w in (wanted if isinstance(wanted, list | tuple) else [wanted])}


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and isinstance(value, str):
        return value.casefold() == wanted.casefold()
    return type(value) is type(wanted) and bool(value == wanted)


def _row_matches(row: Mapping[str, Any], check: Expect, target: Target | None, case: Case) -> bool:
    for name, wanted in (check.row or {}).items():
        wanted = _value(wanted, case)
        if isinstance(wanted, str) and target is not None:
            wanted = wanted.replace("{id}", target.id).replace("{name}", target.name)
        if not _same(path_value(row, name), wanted):
            return False
    return True
