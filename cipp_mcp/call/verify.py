"""Read-back: did it really happen?

A status and a sentence are claims; a read is evidence. Every expectation of the manifest must show for every target
before a write is called done. Only reads may leave this room, and a failed read never makes a failed write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.compare import MISSING, applying, has_entries, holds, holds_state, row_matches
from cipp_mcp.call.decode import Answer, Shape, read_answer
from cipp_mcp.call.targets import Send, Target, path_value, place_queries
from cipp_mcp.catalog.effect import is_given
from cipp_mcp.catalog.kind import Kind
from cipp_mcp.catalog.proof import Expect, Verify
from cipp_mcp.errors import WireError
from cipp_mcp.message import Repeat, Request

LOOKS = (0.0, 2.0, 5.0, 15.0)
"""Seconds after the answer at which the read-back looks: the directory needs a moment to agree with itself."""


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
        was_so: the same read already showed all of it before the call.
        news: it shows some target that was not so before.
        fresh: it looked for an entry that was not there before.
        of_job: it looked for the entry of a queued job, not for what the job does.
        partly: these arguments ask for more than it can show.
    """

    seen: Mapping[str, Seen] = field(default_factory=dict)
    shows: Mapping[str, Any] = field(default_factory=dict)
    was_so: bool = False
    news: bool = True
    of_job: bool = False
    fresh: bool = False
    partly: bool = False

    @property
    def all_shown(self) -> bool:
        return bool(self.seen) and all(s is Seen.SHOWN for s in self.seen.values())

    @property
    def some_shown(self) -> bool:
        return any(s is Seen.SHOWN for s in self.seen.values())

    @property
    def unreadable(self) -> bool:
        return any(s is Seen.UNREADABLE for s in self.seen.values())


def can_verify(case: Case, proofs: tuple[Verify, ...] | None = None) -> bool:
    """Whether some read-back has an expectation that applies to these arguments.

    A read of one tenant says nothing about the others that a call without objects names.
    """
    if not case.targets and (case.everywhere or len(set(case.tenants.values())) > 1):
        return False
    return any(v.read and applying(v, case) for v in (case.action.verify if proofs is None else proofs))


def already_so(case: Case) -> bool:
    """Whether the targets' state before the call already meets everything that the read-back will look for."""
    return bool(case.targets) and _were_so(case) >= {t.id for t in case.targets}


def _were_so(case: Case) -> frozenset[str]:
    """The targets whose own state already met it. What lies in the recycle bin is brought back first, and that is a change."""
    wanted = [c for v in case.action.verify if v.read == "target" and (c := applying(v, case))]
    return frozenset(
        t.id
        for t in case.targets
        if not t.note and any(all(not c.moved and not c.gone and holds_state(c, t, case) for c in checks) for checks in wanted)
    )


async def note_before(send: Send, kinds: Mapping[str, Kind], case: Case) -> Mapping[str, frozenset[str]]:
    """The rows that exist before the call, for expectations that want a fresh one: place of the check -> keys.

    A place that could not be read is left out, and nothing counts as fresh there. Under `so` stand the targets for which a
    read already shows everything, or could not tell: then a call that fails has not brought it about.
    """
    before: dict[str, frozenset[str]] = {}
    so: set[str] = set()
    for v, verify in enumerate(case.proofs):
        checks = applying(verify, case)
        if not verify.read or not checks:
            continue
        for target in case.targets or (None,):
            patchy = target is not None and kinds[target.kind].patchy and any(c.gone for c in checks)
            if verify.read == "target" and not patchy and not any(c.fresh for c in checks):  # its row was read a moment ago
                rows = [dict(target.row)] if target and target.row and not target.note else None
            else:
                rows = await _rows(send, kinds, verify, case, target)
            if patchy and target:
                before[place_of(v, -1, target, None)] = others = _others(rows, kinds, target)
                so |= set() if others else {target.id}
            if rows is None:
                continue
            for c, check in enumerate(checks):
                for about in _about(check, target, case) if check.fresh else ():
                    keys = {str(r.get(check.fresh)) for r in rows if row_matches(r, check, about, case)}
                    before[place_of(v, c, target, about)] = frozenset(keys)
            if not any(c.fresh or c.moved for c in checks):
                found, _ = _judge_rows(rows, kinds, verify, checks, case, target, before, v)
                so |= {target.id if target else ""} if found is Seen.SHOWN else set()
    return before | {"so": frozenset(so)}


def _others(rows: list[dict[str, Any]] | None, kinds: Mapping[str, Kind], target: Target) -> frozenset[str]:
    """The ids beside the target in its part of a patchy list: one of them must still be there when the target is called gone."""
    kind = kinds[target.kind]
    same = (r for r in rows or () if path_value(r, kind.part) == path_value(target.row, kind.part))
    return frozenset(str(r[kind.id]) for r in same if r.get(kind.id)) - {target.id}


def place_of(number: int, check: int, target: Target | None, about: Target | None) -> str:
    """Where `note_before` keeps the rows of one check; of check -1 what a patchy list showed beside the target."""
    return ".".join((str(number), str(check), target.id if target else "", about.id if about else ""))


async def look(
    send: Send,
    kinds: Mapping[str, Kind],
    case: Case,
    before: Mapping[str, frozenset[str]],
    *,
    proofs: tuple[Verify, ...] | None = None,
    looks: tuple[float, ...] = LOOKS,
    wait: Callable[[float], Awaitable[None]],
) -> Evidence:
    """Look until everything shows or the looks are used up.

    Args:
        before: from `note_before`.
        proofs: which reads; the action's own by default.
        looks: seconds after the answer.
        wait: sleeps that many (scaled) seconds.
    """
    evidence = Evidence()
    elapsed = 0.0
    for at in looks:
        if at > elapsed:
            await wait(at - elapsed)
            elapsed = at
        evidence = await _once(send, kinds, case, before, case.action.verify if proofs is None else proofs)
        if evidence.all_shown:
            break
    so, shown = before.get("so", frozenset()), {k for k, s in evidence.seen.items() if s is Seen.SHOWN}
    news = bool(shown - so - _were_so(case))
    return replace(evidence, was_so=bool(evidence.seen) and set(evidence.seen) <= so, news=news)


async def _once(
    send: Send, kinds: Mapping[str, Kind], case: Case, before: Mapping[str, frozenset[str]], proofs: tuple[Verify, ...]
) -> Evidence:
    """Each target against each alternative read; one that shows it is enough."""
    seen: dict[str, Seen] = {}
    shows: dict[str, Any] = {}
    of_job = fresh = partly = False
    for target in case.targets or (None,):
        key = target.id if target else ""
        for v, verify in enumerate(proofs):
            checks = applying(verify, case)
            if not verify.read or not checks:
                continue
            rows = await _rows(send, kinds, verify, case, target)
            found, facts = Seen.UNREADABLE, dict[str, Any]()
            if rows is not None:
                found, facts = _judge_rows(rows, kinds, verify, checks, case, target, before, v)
            fresh = any(c.fresh for c in checks)
            of_job = verify.job
            partly = any(is_given(case.heeded.get(name)) for name in verify.beyond)
            if found is Seen.SHOWN or key not in seen or seen[key] is Seen.UNREADABLE:
                seen[key] = found
                shows[key] = facts
            if found is Seen.SHOWN:
                break
    return Evidence(seen, shows if len(shows) > 1 else next(iter(shows.values()), {}), of_job=of_job, fresh=fresh, partly=partly)


def _judge_rows(
    rows: list[dict[str, Any]],
    kinds: Mapping[str, Kind],
    verify: Verify,
    checks: list[Expect],
    case: Case,
    target: Target | None,
    before: Mapping[str, frozenset[str]],
    number: int,
) -> tuple[Seen, dict[str, Any]]:
    row = _own_row(rows, kinds, target) if verify.read == "target" else rows[0] if len(rows) == 1 else None
    facts: dict[str, Any] = {}
    held = True
    for c, check in enumerate(checks):
        if check.gone:
            beside = before.get(place_of(number, -1, target, None))
            gone = row is None and (not beside or bool(target and beside & _others(rows, kinds, target)))
            held &= gone
            facts["gone"] = gone
        elif check.row is not None:
            objects = _about(check, target, case)
            shown = [_shows(rows, check, o, case, before.get(place_of(number, c, target, o))) for o in objects]
            held &= bool(shown) and all(shown)
            name = "nothing else listed" if check.alone else "listed" if check.listed else "no longer listed"
            facts[name] = bool(shown) and all(shown)
        elif row is None:
            return Seen.UNREADABLE, {}
        elif check.entry is not None:
            found = has_entries(check.entry, path_value(row, check.field), case)
            held &= found
            facts[check.field] = found and facts.get(check.field, True)
        else:
            value = path_value(row, check.field)
            facts[check.field] = value
            held &= holds(check, value, target.state.get(check.field, MISSING) if target else MISSING, case)
    return (Seen.SHOWN if held else Seen.NOT_SHOWN), facts


def _about(check: Expect, target: Target | None, case: Case) -> list[Target | None]:
    """The objects that a row check is made for: the target, or each one that its `each` argument names."""
    if not check.each:
        return [target]
    keys = case.heeded.get(check.each) or ()
    named = [case.objects.get(str(k)) for k in (keys if isinstance(keys, list | tuple) else [keys])]
    return [] if None in named else list(named)


def _shows(rows: list[dict[str, Any]], check: Expect, about: Target | None, case: Case, known: frozenset[str] | None) -> bool:
    """Whether the rows are what one row check wants. `known` is what was there before, None when nobody could look."""
    hits = [r for r in rows if row_matches(r, check, about, case)]
    if check.alone:
        return len(hits) == len(rows)
    if not check.fresh:
        return bool(hits) == check.listed
    if known is None:
        return False
    return any(str(r.get(check.fresh)) not in known for r in hits) if check.listed else bool(known) and not hits


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
        facts = {"tenant": tenant}
        if target is not None:
            facts |= {k: str(v or "") for k, v in target.state.items()} | {"id": target.id, "name": target.name}
        path, query = verify.read, place_queries(verify.send, facts | {k: str(v) for k, v in case.arguments.items()})
    try:
        answer = read_answer(await send(Request("GET", path.removeprefix("GET "), query, repeat=Repeat.FREELY)))
    except WireError:
        return None
    if not answer.problem and answer.status < 400 and not answer.queue_message:
        where = kinds[target.kind].rows if verify.read == "target" and target else ""
        rows = answer.rows(where)
        return rows if _is_list(answer, rows, where) else None
    asked = [v.casefold() for k, v in query.items() if k != "tenantFilter" and v]
    texts = [n.text.casefold() for n in answer.lines] if answer.status in {404, 500} and not answer.problem else []
    # A tenant that is not found is no word about the object: the answer has to name what was asked for.
    return [] if any(("does not exist" in t or "not found" in t) and any(a in t for a in asked) for t in texts) else None


def _is_list(answer: Answer, rows: list[dict[str, Any]], where: str) -> bool:
    """Whether this is a list at all: an empty body or a sentence in its place must not show that somebody is gone."""
    if rows:
        return not all({"error", "errors"} & (keys := {k.lower() for k in r}) and "id" not in keys for r in rows)
    return answer.shape is Shape.JSON and not answer.lines and isinstance(answer.at(where), list)


def _own_row(rows: list[dict[str, Any]], kinds: Mapping[str, Kind], target: Target | None) -> dict[str, Any] | None:
    if target is None:
        return None
    kind = kinds[target.kind]
    return next((r for r in rows if str(r.get(kind.id) or "").casefold() == target.id.casefold()), None)
