"""Plans on disk: waiting, approved, used. Single use across processes, restarts and crashes.

A plan is three files at most: the plan, the sealed yes, and the used-mark whose exclusive creation is the one atomic
step that lets a call go out. What a plan means is `plan.py`'s; who may say yes is `approve.py`'s.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cipp_mcp.call.guard.plan import APPLY_WITHIN, HELD_YES_WITHIN, Owner, Plan
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.errors import PlanRefused

PLAN_ID = re.compile(r"plan_[0-9a-f]{32}")
CLOCK_SLACK = 60.0
_KEEP = HELD_YES_WITHIN + 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Approved:
    """A stored yes: through which channel and when."""

    channel: str
    at: float


class PlanStore:
    """The plans of one state folder.

    Args:
        vault: the private folder.
        now: epoch seconds.
    """

    def __init__(self, vault: Vault, now: Callable[[], float]) -> None:
        self._vault = vault
        self._now = now

    def save(self, plan: Plan) -> None:
        """Keep a new plan. Old ones are swept."""
        self._sweep()
        record = plan.record()
        self._vault.create(
            f"plans/{plan.id}.json", json.dumps({"plan": record, "mac": self._vault.seal("plan", record)}).encode()
        )

    def get(self, plan_id: Any, owner: Owner) -> Plan:
        """A plan that may still run.

        Raises:
            PlanRefused: unknown, damaged, foreign, expired, used.
        """
        if not isinstance(plan_id, str) or not PLAN_ID.fullmatch(plan_id):
            raise PlanRefused("That is not the id of a plan.")
        plan = self._load(plan_id)
        if plan is None or plan.owner != owner:
            raise PlanRefused("There is no such plan here.")
        if self._vault.read(f"plans/{plan_id}.used") is not None:
            raise PlanRefused("This plan was used already; a plan runs once.")
        if self.expired(plan):
            raise PlanRefused("This plan has expired.")
        return plan

    def expired(self, plan: Plan) -> bool:
        """Too late for a yes or, after a yes, too late to apply. A clock set back makes a plan expire too."""
        now = self._now()
        if now < plan.created - CLOCK_SLACK:
            return True
        yes = self.approval(plan)
        if yes is None or yes.at > plan.expires:  # somebody may sit before an open question for hours
            return now > plan.expires
        return now > yes.at + APPLY_WITHIN

    def waiting(self, digest: str, owner: Owner) -> Plan | None:
        """The plan for exactly this operation that still waits or was approved and not yet run."""
        return next((p for p in self.all() if p.digest == digest and p.owner == owner), None)

    def all(self) -> list[Plan]:
        """Every plan that may still run, oldest first."""
        # Used plans lie here for two days: of those only the name is read, or each write would cost more than the one before.
        folder = self._vault.folder / "plans"
        names = {p.name for p in folder.glob("plan_*")} if folder.is_dir() else set()
        ids = [stem for n in names if (stem := n.removesuffix(".json")) != n and f"{stem}.used" not in names]
        live = [p for i in ids if (p := self._load(i)) is not None and not self.expired(p)]
        return sorted(live, key=lambda p: p.created)

    def approve(self, plan: Plan, channel: str) -> None:
        """Store a person's yes. Only the first counts."""
        yes = {"plan": plan.id, "digest": plan.digest, "channel": channel, "at": self._now()}
        self._vault.create(f"plans/{plan.id}.yes", json.dumps({"yes": yes, "mac": self._vault.seal("yes", yes)}).encode())

    def approval(self, plan: Plan) -> Approved | None:
        """The stored yes to exactly this plan, or None; a forged one is none."""
        raw = _parse(self._vault.read(f"plans/{plan.id}.yes"))
        yes = raw.get("yes")
        if not isinstance(yes, Mapping) or not self._vault.sealed("yes", yes, raw.get("mac")):
            return None
        if yes.get("plan") != plan.id or yes.get("digest") != plan.digest:
            return None
        return Approved(str(yes.get("channel")), float(yes.get("at") or 0))

    def is_used(self, plan: Plan) -> bool:
        """Whether the plan ran, was declined or went stale."""
        return self._vault.read(f"plans/{plan.id}.used") is not None

    def claim(self, plan: Plan, why: str = "applied") -> bool:
        """Use the plan up, atomically and for ever. False: somebody else did before."""
        return self._vault.create(f"plans/{plan.id}.used", json.dumps({"why": why, "at": self._now()}).encode())

    def _load(self, plan_id: str) -> Plan | None:
        raw = _parse(self._vault.read(f"plans/{plan_id}.json"))
        record = raw.get("plan")
        if not isinstance(record, Mapping) or not self._vault.sealed("plan", record, raw.get("mac")):
            return None
        try:
            plan = Plan.from_record(record)
        except (TypeError, KeyError):
            return None
        return plan if plan.id == plan_id else None

    def _sweep(self) -> None:
        folder = self._vault.folder / "plans"
        for file in folder.glob("plan_*") if folder.is_dir() else []:
            with contextlib.suppress(OSError):
                if self._now() - file.stat().st_mtime > _KEEP:
                    file.unlink()


def _parse(raw: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(raw) if raw else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
