"""What an examination found: one finding a check, for people and for machines.

Findings hold our words, never an answer of CIPP's, a token or a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cipp_mcp.doctor.faults import FAULTS

State = Literal["ok", "note", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The end of one check.

    Attributes:
        step: what was looked at: settings, network, sign-in, access, version, tenants, role, clock.
        fault: the row of the table; empty when all is well.
        facts: more for machines.
    """

    step: str
    state: State
    says: str
    fix: str = ""
    fault: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"step": self.step, "state": self.state, "message": self.says}
        if self.fault:
            shown |= {"fault": self.fault, "fix": self.fix}
        return shown | ({"facts": dict(self.facts)} if self.facts else {})


def well(step: str, says: str, **facts: Any) -> Finding:
    """A check that found nothing."""
    return Finding(step, "ok", says, facts=facts)


def found(step: str, fault: str, facts: Mapping[str, Any] | None = None, /, **words: str) -> Finding:
    """A row of the table, with what was found filled in."""
    row = FAULTS[fault]
    return Finding(step, row.level, row.says.format_map(words), row.fix.format_map(words), fault, facts or {})


@dataclass
class Report:
    """All findings, in the order of the checks."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """The rows that make the examination fail."""
        return [f.fault for f in self.findings if f.state == "fault"]

    @property
    def rows(self) -> list[str]:
        """Every row that was met, warnings and notes included."""
        return [f.fault for f in self.findings if f.fault]

    def as_json(self) -> dict[str, Any]:
        return {"ok": not self.faults, "checks": [f.as_json() for f in self.findings]}
