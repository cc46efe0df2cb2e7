"""The frozen, resolved description of one operation, and its digest.

A person says yes to exactly this; a change of anything in it is another digest and so another plan. No file and no
clock of its own may enter: times come in as arguments.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.seal import digest
from cipp_mcp.call.text import clean, gives_orders

YES_WITHIN = 15 * 60.0
HELD_YES_WITHIN = 24 * 3600.0
APPLY_WITHIN = 10 * 60.0
YES = "yes"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a plan belongs to: the OS user, the operator and CIPP's API client."""

    os_user: str
    operator: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One operation as it was shown to a person.

    Attributes:
        digest: over everything but the id and the times.
        phrase: what the person must type.
        arguments: as written, without secrets; the call that runs brings its own, and their digest must agree.
        preview: what is shown, in order: label -> text. Built from resolved facts and manifest words only.
        held: made to be approved later, by `call --hold`.
        created, expires: epoch seconds; a yes must come before `expires`.
    """

    id: str
    digest: str
    action: str
    effect: str
    tenant: str
    targets: tuple[Mapping[str, str], ...]
    phrase: str
    preview: Mapping[str, Any]
    owner: Owner
    arguments: Mapping[str, Any]
    held: bool = False
    created: float = 0.0
    expires: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The digest's first eight digits: what a person compares."""
        return self.digest[:8]

    def record(self) -> dict[str, Any]:
        """As JSON, for the disk."""
        return asdict(self)

    @classmethod
    def from_record(cls, raw: Mapping[str, Any]) -> Plan:
        """Back from the disk. Raises TypeError or KeyError on anything else."""
        known = dict(raw)
        known["owner"] = Owner(**known["owner"])
        known["targets"] = tuple(known["targets"])
        return cls(**known)


def draft(case: Case, preview: Mapping[str, Any], owner: Owner, policy: str, *, now: float, held: bool) -> Plan:
    """A new plan for a case."""
    facts = {
        "action": case.action.name,
        "endpoint": case.action.endpoint,
        "manifest": case.action.digest,
        "policy": policy,
        "arguments": digest(dict(case.arguments)),
        "tenants": sorted([t.customer_id, t.default_domain, t.name] for t in case.tenants.values()),
        "targets": [[t.kind, t.id, t.name] for t in case.targets],
        "state": digest([[t.id, t.name, t.label, dict(t.state)] for t in case.targets]),
        "others": [[t.kind, t.id, t.name] for t in (*case.others, *case.inside)],
        "stored": digest(dict(case.stored)),
        "roles": None if case.roles is None else {t.id: list(case.roles.get(t.id, ())) for t in case.touched},
        "effect": str(case.effect),
        "owner": asdict(owner),
    }
    return Plan(
        id=f"plan_{secrets.token_hex(16)}",
        digest=digest(facts),
        action=case.action.name,
        effect=str(case.effect),
        tenant=case.tenant.default_domain if case.tenant else "",
        targets=tuple(t.fact() for t in case.targets),
        phrase=phrase_of(case),
        preview=preview,
        owner=owner,
        arguments=case.kept_arguments(),
        held=held,
        created=now,
        expires=now + (HELD_YES_WITHIN if held else YES_WITHIN),
        facts=facts,
    )


def phrase_of(case: Case) -> str:
    """What the person types: the target's name for what has no way back, else `yes`."""
    if case.everywhere:
        return f"AllTenants ({case.tenant_count})"
    if not (case.effect.types_name or case.privileged or case.tainted):
        return YES
    domain = case.tenant.default_domain if case.tenant else ""
    if len(case.targets) > 1:
        return f"{len(case.targets)} in {domain}"
    if case.targets:
        return _typeable(case.targets[0].name) or _typeable(case.targets[0].label) or case.targets[0].id[-8:]
    if case.arguments and domain and len(case.tenants) == 1:
        return domain
    return f"{len(case.tenants)} tenants" if len(case.tenants) > 1 else case.action.name


def _typeable(name: str) -> str:
    """A name that a person can type as shown; empty for one that is long, odd or hides something."""
    fit = name.isprintable() and len(name) <= 80 and clean(name) == name and not gives_orders(name)
    return name.strip() if fit and name.strip().casefold() != YES else ""


def typed_right(plan: Plan, typed: Any) -> bool:
    """Whether that is the phrase. Letter case and outer blanks do not matter; anything else does."""
    if not isinstance(typed, str):
        return False
    return unicodedata.normalize("NFC", typed).strip().casefold() == unicodedata.normalize("NFC", plan.phrase).casefold()
