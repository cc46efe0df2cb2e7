"""A plan's preview taken apart again, and the words that go with an effect. No HTML may enter.

Preview lines are texts in which every foreign value stands in double quotes that it cannot close. Whatever is split
here is split outside those quotes only, so that no name can pass for a label of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cipp_mcp.call.guard.plan import Plan

EFFECTS = {
    "destroy": ("Destroy", "No way back, or it locks people out"),
    "govern": ("Govern", "Changes who may do what in CIPP itself"),
    "remove": ("Remove", "Takes something away or opens something up; there is a way back"),
    "reveal": ("Reveal", "Shows a live secret"),
    "create": ("Create", "Makes something new"),
    "set": ("Set", "Sets a value"),
}
"""Effect -> its word and what it means for the person who decides."""

LOUD = frozenset({"destroy", "govern"})

_PIECES = re.compile(r'"[^"]*"|[^"]+|"')


@dataclass(frozen=True, slots=True)
class Shown:
    """One target: its own name first, then what is known about it, then what makes it dangerous."""

    name: str
    details: tuple[str, ...]
    privileged: str


@dataclass(frozen=True, slots=True)
class Change:
    """One field, now and then; only `whole` when the line does not say that much."""

    whole: str
    field: str = ""
    now: str = ""
    then: str = ""


def effect_words(plan: Plan) -> tuple[str, str]:
    """The word and its meaning; an effect that this page does not know is shown as it is, and looks like the worst."""
    return EFFECTS.get(plan.effect, (plan.effect, "Unknown to this page: treat it as having no way back"))


def look(plan: Plan) -> str:
    """Which of the looks a plan gets."""
    return plan.effect if plan.effect in EFFECTS else "destroy"


def pieces(text: str) -> list[str]:
    """The text cut into quoted values and what stands between them."""
    return _PIECES.findall(text)


def split_outside(text: str, separator: str, most: int = 0) -> list[str]:
    """Split at a separator that stands outside quotes, `most` times at most when that is given."""
    parts, found = [""], 0
    for piece in pieces(text):
        if piece.startswith('"'):
            parts[-1] += piece
            continue
        first, *more = piece.split(separator, most - found if most else -1)
        parts[-1] += first
        parts += more
        found += len(more)
    return parts


def lines(plan: Plan, label: str) -> list[str]:
    """What the preview says under a label, one line or several."""
    value: Any = plan.preview.get(label)
    if value in (None, "", [], ()):
        return []
    return [str(v) for v in value] if isinstance(value, Sequence) and not isinstance(value, str) else [str(value)]


def shown_targets(plan: Plan) -> list[Shown]:
    """The targets that the preview describes."""
    found = []
    for n, line in enumerate(lines(plan, "targets")):
        name, *rest = split_outside(line, " | ")
        said = next((p for p in rest if p.startswith("PRIVILEGED: ")), "").removeprefix("PRIVILEGED: ")
        if any(p.startswith("privileged roles could not be read") for p in rest):
            said = "roles could not be read"
        details = tuple(p for p in rest if not p.startswith(("PRIVILEGED: ", "privileged roles could not")))
        found.append(Shown(name, details, said or roles_of(plan, n)))
    return found


def roles_of(plan: Plan, index: int) -> str:
    """The privileged roles of one target by the plan's sealed facts, which no name can imitate."""
    if "roles" not in plan.facts or index >= len(plan.targets):
        return ""
    roles = plan.facts["roles"]
    if roles is None:
        return "roles could not be read"
    return ", ".join(str(r) for r in roles.get(plan.targets[index].get("id"), ()))


def privileged_count(plan: Plan) -> int:
    """How many targets hold a privileged role or may hold one, those included that are not described."""
    shown = shown_targets(plan)
    return sum(bool(t.privileged) for t in shown) + sum(
        bool(roles_of(plan, n)) for n in range(len(shown), max(len(plan.targets), len(shown)))
    )


def changes(plan: Plan) -> list[Change]:
    """Current -> intended."""
    found = []
    for line in lines(plan, "changes"):
        field, *rest = split_outside(line, ": ", 1)
        both = split_outside(rest[0], " -> ", 1) if rest else []
        found.append(Change(line, field, *both) if len(both) == 2 else Change(line))
    return found


def count(plan: Plan) -> str:
    """How many objects."""
    many = plan.preview.get("how_many", len(plan.targets) or 1)
    return f"{many} object" if many == 1 else f"{many} objects"


def queued(plan: Plan) -> bool:
    """Whether CIPP only queues the work."""
    return "queues a job" in str(plan.preview.get("sends", ""))


def until(ends: float, now: float) -> str:
    """Until when, by the clock on the wall; no minutes left, because a page stands still."""
    end = datetime.fromtimestamp(ends)
    return end.strftime("today %H:%M" if end.date() == datetime.fromtimestamp(now).date() else "%Y-%m-%d %H:%M")
