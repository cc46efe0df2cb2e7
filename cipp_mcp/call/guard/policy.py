"""What is allowed, asked or refused, before a plan exists. Pure: a Case in, a verdict or a refusal out.

Read-only beats everything; an approval never overrides a refusal of this room. No file, clock or network may enter.
"""

from __future__ import annotations

from dataclasses import dataclass

from cipp_mcp.call.case import Case
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import PolicyRefused
from cipp_mcp.settings import Approval

FLAG_EFFECTS = frozenset({Effect.SET, Effect.CREATE, Effect.REMOVE})
"""What the operator may let the confirm flag alone run. Never destroy, reveal or govern."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force.

    Attributes:
        read_only: only `read` is listed and run.
        approval: who may say yes.
        all_tenants_writes: tools that may write on AllTenants.
        digest: of the policy file; stands in plans and audit records.
    """

    read_only: bool = False
    approval: Approval = Approval.PERSON
    all_tenants_writes: frozenset[str] = frozenset()
    digest: str = "defaults"

    def lists(self, action: Action) -> bool:
        """Whether a tool is shown at all."""
        return not self.read_only or action.effect is Effect.READ

    def admit(self, case: Case) -> None:
        """Refuse what no approval can allow.

        Raises:
            PolicyRefused: names the rule.
        """
        if self.read_only and case.effect is not Effect.READ:
            raise PolicyRefused("This server is in read-only mode (CIPP_MCP_READ_ONLY).")
        if case.everywhere and case.effect not in {Effect.READ, Effect.PROBE}:
            if case.effect.types_name:
                raise PolicyRefused(f"{case.action.title} never runs on AllTenants.")
            if case.action.name not in self.all_tenants_writes:
                raise PolicyRefused(
                    "Writes on AllTenants are off.",
                    hint=f"Nothing was sent. The operator can add {case.action.name} to all_tenants_writes in the policy file.",
                )

    def flag_may(self, case: Case) -> bool:
        """Whether `confirm` alone is a yes for this case: the operator chose it and nothing of weight is at stake."""
        return self.approval is Approval.FLAG and case.effect in FLAG_EFFECTS and not case.privileged
