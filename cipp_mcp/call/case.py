"""`Case`: one call, checked and resolved; what the rooms of the walk hand to each other.

Data only. Whoever needs more than this about a call is asking in the wrong room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.call.pace import Pace
from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import EVERY_TENANT, Tenant
from cipp_mcp.call.text import marked
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.proof import Follow, Verify


@dataclass(frozen=True, slots=True)
class Case:
    """One call.

    Attributes:
        arguments: checked, defaults filled in, as written.
        tenants: what was written -> tenant, for every tenant named.
        targets: the objects that the plan is about, in the caller's order.
        others: further objects that are named (delegates, members): resolved for the wire, not what the plan is about.
        inside: objects that a free object or a stored order names: judged like targets, though the plan is about the order.
        texts: what stands in these and in calls that nobody has reviewed: compared with the names that are protected.
        stored: what a merge fills in: place on the wire -> stored value.
        roles: object id -> names of its privileged directory roles; None when they could not be read.
        tainted: this session has read text that tries to give orders; approvals are one level stronger.
        done_before: the same call was done a short while ago, in words; empty when not.
        tenant_count: how many tenants AllTenants stands for.
        pace: how the requests are made of which it needs several.
        heeded: the arguments without those that CIPP does not look at beside the others: no read-back can show these.
    """

    action: Action
    arguments: Mapping[str, Any]
    effect: Effect
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    others: tuple[Target, ...] = ()
    inside: tuple[Target, ...] = ()
    texts: tuple[str, ...] = ()
    stored: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] | None = field(default_factory=dict)
    tenant_count: int = 0
    tainted: bool = False
    done_before: str = ""
    pace: Pace = Pace()
    heeded: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        idle = self.action.idle(self.arguments)  # once for all: a read-back asks for each row of a list
        object.__setattr__(self, "heeded", {k: v for k, v in self.arguments.items() if k not in idle})

    @property
    def tenant(self) -> Tenant | None:
        """The first tenant named; None for instance-wide actions."""
        return next(iter(self.tenants.values()), None)

    @property
    def everywhere(self) -> bool:
        return EVERY_TENANT in self.tenants.values()

    @property
    def count(self) -> int:
        """How many objects (else tenants) this call touches; at least one."""
        return max(len(self.targets), self.tenant_count if self.everywhere else len(self.tenants), 1)

    @property
    def privileged(self) -> bool:
        """Some target holds a privileged role, or it could not be read whether one does."""
        return self.roles is None or any(self.roles.get(t.id) for t in self.touched)

    @property
    def touched(self) -> tuple[Target, ...]:
        """Every object that something is done to: whoever is taken out of a group, or put under a policy, is one of them."""
        return (*self.targets, *self.inside, *(self.others if self.effect.asks else ()))

    @property
    def asks(self) -> bool:
        """Whether a person's yes is needed: by the effect, by number, by a secret in the answer, by a call just made."""
        if self.effect in {Effect.READ, Effect.PROBE}:
            return False
        if self.done_before and self.effect is not Effect.SET:
            return True
        return (
            self.effect.asks or self.count > 1 or self.everywhere or (self.effect is Effect.CREATE and self.action.returns_secret)
        )

    @property
    def remarks(self) -> list[str]:
        """What was given and CIPP does not look at, in sentences."""
        return self.action.remarks(self.arguments)

    @property
    def follow(self) -> Follow | None:
        """How the job that this call queues is followed; None where it queues none."""
        spec = self.action.follow
        return spec if spec is not None and (spec.when is None or spec.when.met(self.arguments)) else None

    @property
    def proofs(self) -> tuple[Verify, ...]:
        """What is looked for right after the call: the job of queued work, else the change itself."""
        return (self.follow.accepted,) if self.follow is not None else self.action.verify

    @property
    def objects(self) -> dict[str, Target]:
        """What was written -> object, for the wire."""
        return {t.written: t for t in (*self.targets, *self.others)}

    def kept_arguments(self) -> dict[str, Any]:
        """The arguments as they may be kept: secrets left out."""
        secret = {f.name for f in self.action.fields if f.secret}
        return {k: "(not kept)" if k in secret else v for k, v in self.arguments.items()}

    @property
    def shown_target(self) -> str:
        """The targets in one phrase, for our own sentences."""
        if len(self.targets) == 1:
            return marked(self.targets[0].name or self.targets[0].id)
        if self.targets:
            return f"{len(self.targets)} targets"
        return self.tenant.default_domain if self.tenant else "this CIPP"
