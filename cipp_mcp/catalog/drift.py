"""Our manifests against another document of CIPP's: what it breaks, and what it merely adds.

Drift is what makes a request of ours wrong or refused. What CIPP added, and what it changed in endpoints that we do
not use, is counted. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cipp_mcp.catalog.contract import Finding, amended, check, knows
from cipp_mcp.catalog.facts import Facts
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.catalog.uses import Use

_TITLES: Mapping[str, str] = {
    "endpoint": "removed endpoints",
    "method": "changed methods",
    "role": "changed roles",
    "renamed": "renamed fields",
    "removed": "removed fields",
    "required": "newly required fields",
    "type": "changed types",
}
"""Kind of change -> heading, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What a document changes for us.

    Attributes:
        changes: what breaks a request of ours.
        added: endpoints that the document has and we never saw.
        gone: endpoints that we do not use and the document lost.
        new_fields: endpoint that we use -> places that it gained.
        settled: known differences that the document no longer has.
    """

    changes: tuple[Finding, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]
    new_fields: Mapping[str, tuple[str, ...]]
    settled: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        changes = [
            {"kind": c.kind, "endpoint": c.endpoint, "by": c.by, "place": c.place, "says": c.says, "near": list(c.near)}
            for c in self.changes
        ]
        return {
            "drift": bool(self.changes),
            "changes": changes,
            "added": list(self.added),
            "gone": list(self.gone),
            "new_fields": {endpoint: list(places) for endpoint, places in self.new_fields.items()},
            "settled": list(self.settled),
        }

    def lines(self) -> list[str]:
        """For a person."""
        told: list[str] = []
        for kind, title in _TITLES.items():
            found = [c for c in self.changes if c.kind == kind]
            if found:
                told += [f"{title}:", *(f"  {_line(c)}" for c in found)]
        told.append("No drift that touches us." if not self.changes else f"{len(self.changes)} changes touch us.")
        if self.added:
            told.append(f"{len(self.added)} endpoints added.")
        if self.gone:
            told.append(f"{len(self.gone)} endpoints removed that we do not use.")
        if self.new_fields:
            told.append(f"{sum(map(len, self.new_fields.values()))} fields added to endpoints that we use.")
        told += [f"no longer a difference, take it out of differences.toml: {s}" for s in self.settled]
        return told


def _line(change: Finding) -> str:
    near = f"; perhaps now {' or '.join(change.near)}" if change.near else ""
    return f"{change.by}: {change.endpoint}: {change.says}{near}"


def compare(every: Sequence[Use], facts: Facts, newer: Mapping[str, Operation]) -> Drift:
    """What the newer document changes, against the uses and against what the document said before."""
    known = facts.differences
    before = amended(facts.operations, known)
    after = amended(newer, known)
    old = {f.key for f in check(every, before)}
    found = [*check(every, after), *_emptied(every, before, after)]
    changes = [_worded(f, before, after) for f in found if f.key not in old]
    told = {c.key for c in changes}
    changes += [c for c in _retyped(every, before, after) if c.key not in told]
    seen = set(facts.operations) | facts.others
    gained = {
        endpoint: places
        for endpoint, told in sorted(before.items())
        if endpoint in after and (places := tuple(p for p in after[endpoint].places if p not in told.places))
    }
    return Drift(
        tuple(sorted(changes, key=lambda c: (list(_TITLES).index(c.kind), c.endpoint, c.by, c.place))),
        tuple(sorted(set(newer) - seen)),
        tuple(sorted(facts.others - set(newer))),
        gained,
        tuple(_settled(facts, newer)),
    )


def _worded(found: Finding, before: Mapping[str, Operation], after: Mapping[str, Operation]) -> Finding:
    """A name that is gone: renamed when a near name is new, else removed."""
    if found.kind != "name":
        return found
    told = before.get(found.endpoint)
    fresh = tuple(n for n in found.near if told is None or n not in told.places)
    if fresh:
        return Finding("renamed", found.by, found.endpoint, found.place, f"{found.place} is gone", fresh)
    moved = _moved(found.place, told, after[found.endpoint])
    if moved:
        return Finding("renamed", found.by, found.endpoint, found.place, f"{found.place} is gone", moved)
    return Finding("removed", found.by, found.endpoint, found.place, f"{found.place} is gone")


def _moved(place: str, told: Operation | None, now: Operation) -> tuple[str, ...]:
    """When exactly one name went and one of the same type came, they are taken for the same."""
    if told is None or place not in told.places:
        return ()
    came = [p for p in now.places if p not in told.places and p.partition(".")[0] == place.partition(".")[0]]
    went = [p for p in told.places if p not in now.places]
    return (came[0],) if len(came) == 1 and went == [place] and now.places[came[0]] == told.places[place] else ()


def _emptied(every: Sequence[Use], before: Mapping[str, Operation], after: Mapping[str, Operation]) -> list[Finding]:
    """Names that were described and now only fall under an object whose inside is described no more."""
    return [
        Finding("name", use.by, use.endpoint, place, "")
        for use in every
        if use.endpoint in before and use.endpoint in after
        for place in use.sends
        if place in before[use.endpoint].places and place not in after[use.endpoint].places and knows(after[use.endpoint], place)
    ]


def _retyped(every: Sequence[Use], before: Mapping[str, Operation], after: Mapping[str, Operation]) -> list[Finding]:
    found = []
    for use in every:
        was, now = before.get(use.endpoint), after.get(use.endpoint)
        if was is None or now is None:
            continue
        for place in use.sends:
            one, other = was.body.get(place), now.body.get(place)  # in a query everything is text
            if one and other and one != other and "any" not in {one, other}:
                found.append(Finding("type", use.by, use.endpoint, place, f"{place} was {one} and is {other}"))
    return found


def _settled(facts: Facts, newer: Mapping[str, Operation]) -> list[str]:
    found = []
    for d in facts.differences:
        told = newer.get(d.endpoint)
        if told is not None:
            found += [f"{d.endpoint} has {p}" for p in d.names if knows(told, p)]
            found += [f"{d.endpoint} has this method"] if d.method else []
    return found
