"""What is allowed, asked or refused, before a plan exists. Pure: a Case in, a verdict or a refusal out.

The rules come from one TOML file, checked strictly. The strictest rule wins, so no file can widen a right by
contradicting itself; an approval never overrides a refusal of this room. Only `read_policy` touches a file.
"""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.seal import digest
from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.call.text import marked
from cipp_mcp.catalog.action import API, Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.errors import PolicyRefused, SettingsError, UnknownAction
from cipp_mcp.settings import GROUPS, Approval, Settings

FLAG_EFFECTS = frozenset({Effect.SET, Effect.CREATE, Effect.REMOVE})
"""What the operator may let the confirm flag alone run. Never destroy, reveal or govern."""

Strictness = Literal["ask", "refuse"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Ceilings(_Table):
    """Most targets per OS user in a time, counted on disk; and most targets in one plan."""

    destroy_per_hour: int = Field(default=15, ge=0)
    destroy_per_day: int = Field(default=50, ge=0)
    remove_per_hour: int = Field(default=60, ge=0)
    remove_per_day: int = Field(default=300, ge=0)
    reveal_per_hour: int = Field(default=30, ge=0)
    targets_per_plan: int = Field(default=25, ge=1, le=25)
    flag_remove_per_10_minutes: int = Field(default=5, ge=0)
    flag_remove_per_day: int = Field(default=20, ge=0)
    probe_per_hour_and_target: int = Field(default=10, ge=0)


class Protected(_Table):
    """Objects that no approval may touch.

    Attributes:
        objects: ids, or name patterns with `*`, compared without letter case.
        groups: ids or exact names of groups whose direct members are protected.
        privileged_roles: `ask` wants the typed name from whoever touches a holder, `refuse` protects them altogether.
    """

    objects: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    privileged_roles: Strictness = "ask"

    @field_validator("objects", "groups", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Rules(_Table):
    """The policy file, whole. A key that is not here ends the start."""

    read_only: bool = False
    approval: Literal["person", "flag"] = "flag"
    all_tenants_writes: tuple[str, ...] = ()
    dangerously_inline_secrets: bool = False
    tenants: tuple[str, ...] | None = None
    effects: Mapping[Literal["probe", "reveal", "set", "create", "remove", "destroy", "govern"], Strictness] = {}
    groups: Mapping[str, Strictness] = {}
    tools: Mapping[str, Strictness] = {}
    tenant_rules: Mapping[str, Strictness] = {}
    protected: Protected = Protected()
    ceilings: Ceilings = Ceilings()

    @field_validator("all_tenants_writes", "tenants", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Policy:
    """The rules in force: the file's, narrowed by the settings.

    Args:
        rules: the checked file, or the defaults.
        read_only, approval: from the settings; the stricter of the two counts.
    """

    def __init__(self, rules: Rules | None = None, *, read_only: bool = False, approval: Approval = Approval.PERSON) -> None:
        self.rules = rules or Rules()
        self.read_only = read_only or self.rules.read_only
        flag = approval is Approval.FLAG and self.rules.approval == "flag"
        self.approval = Approval.FLAG if flag else Approval.PERSON
        self.digest = digest([self.rules.model_dump(mode="json"), self.read_only, str(self.approval)])

    def lists(self, action: Action) -> bool:
        """Whether a tool is shown at all: not when no call of it could ever be allowed."""
        if self.read_only and action.effect is not Effect.READ:
            return False
        return self._rule(action, action.effect) != "refuse"

    def admit(self, case: Case) -> None:
        """Refuse what no approval can allow.

        Raises:
            PolicyRefused: names the rule.
        """
        if self.read_only and case.effect is not Effect.READ:
            raise PolicyRefused("This server is in read-only mode (CIPP_MCP_READ_ONLY or read_only in the policy).")
        if self._rule(case.action, case.effect) == "refuse":
            raise PolicyRefused(f"The policy refuses {self._because(case.action, case.effect)}.")
        for tenant in case.tenants.values():
            self._admit_tenant(case, tenant.keys, tenant.default_domain)
        if case.everywhere and case.effect not in {Effect.READ, Effect.PROBE}:
            if case.effect.types_name:
                raise PolicyRefused(f"{case.action.title} never runs on AllTenants.")
            if case.action.name not in self.rules.all_tenants_writes:
                raise PolicyRefused(
                    "Writes on AllTenants are off.",
                    hint=f"Nothing was sent. The operator can add {case.action.name} to all_tenants_writes in the policy file.",
                )

    def admit_tenant(self, case: Case, tenant: Tenant) -> None:
        """Refuse a tenant that the call did not name but is about.

        Raises:
            PolicyRefused: names the rule.
        """
        self._admit_tenant(case, tenant.keys, tenant.default_domain)

    def admit_targets(self, case: Case, memberships: Mapping[str, tuple[str, ...]] | None) -> None:
        """Refuse protected objects and too many of them.

        Args:
            memberships: object id -> ids and names of its groups; None when they could not be read.

        Raises:
            PolicyRefused: names the object and the rule.
        """
        if len(case.targets) > self.rules.ceilings.targets_per_plan:
            raise PolicyRefused(f"One plan touches at most {self.rules.ceilings.targets_per_plan} targets (targets_per_plan).")
        if text := next((t for t in case.texts if self._protects({t.casefold()})), ""):
            raise PolicyRefused(f"{marked(text)} is protected by the policy.")
        for target in case.touched:
            if self._is_protected(target):
                raise PolicyRefused(f"{target.name or target.id} is protected by the policy.")
            if self.rules.protected.groups and target.kind == "user":
                if memberships is None:
                    raise PolicyRefused(f"The groups of {target.name} could not all be read, so it counts as protected.")
                wanted = {g.casefold() for g in self.rules.protected.groups}
                if wanted & {g.casefold() for g in memberships.get(target.id, ())}:
                    raise PolicyRefused(f"{target.name} is in a group that the policy protects.")
        if self.rules.protected.privileged_roles == "refuse" and case.privileged:
            raise PolicyRefused("A target holds a privileged role (or it could not be read), and the policy protects those.")

    def must_ask(self, case: Case) -> bool:
        """Whether a person is asked: by the case itself, or because a rule says so."""
        if case.effect is Effect.READ:
            return False
        tenant_rules = [self.rules.tenant_rules.get(k) for t in case.tenants.values() for k in self._tenant_keys(t.keys)]
        return case.asks or self._rule(case.action, case.effect) == "ask" or "ask" in tenant_rules

    def flag_may(self, case: Case) -> bool:
        """Whether `confirm` alone is a yes for this case: the operator chose it and nothing of weight is at stake."""
        return self.approval is Approval.FLAG and case.effect in FLAG_EFFECTS and not case.privileged and not case.tainted

    def _rule(self, action: Action, effect: Effect) -> Strictness | None:
        found = {self.rules.effects.get(effect.value), *self._rules_by_name(action)}  # type: ignore[call-overload]
        return "refuse" if "refuse" in found else "ask" if "ask" in found else None

    def _rules_by_name(self, action: Action) -> set[Strictness | None]:
        return {self.rules.groups.get(action.group), self.rules.tools.get(action.name)}

    def _because(self, action: Action, effect: Effect) -> str:
        if self.rules.tools.get(action.name) == "refuse":
            return f"{action.name} (tools)"
        if self.rules.groups.get(action.group) == "refuse":
            return f"the group {action.group} (groups)"
        return f"every call with the effect {effect} (effects)"

    def _tenant_keys(self, keys: set[str]) -> list[str]:
        return [k for k in self.rules.tenant_rules if k.casefold() in keys]

    def _admit_tenant(self, case: Case, keys: set[str], domain: str) -> None:
        allowed = self.rules.tenants
        if allowed is not None and not keys & {t.casefold() for t in allowed}:
            raise PolicyRefused(f"{domain} is not among the tenants that the policy allows (tenants).")
        if any(self.rules.tenant_rules[k] == "refuse" for k in self._tenant_keys(keys)) and case.effect is not Effect.READ:
            raise PolicyRefused(f"The policy refuses changes in {domain} (tenant_rules).")

    def _is_protected(self, target: Target) -> bool:
        return self._protects({n.casefold() for n in (target.id, target.name, target.label) if n})

    def _protects(self, names: set[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern.casefold()) for pattern in self.rules.protected.objects for name in names)


def read_policy(settings: Settings, catalog: Catalog | None = None) -> Policy:
    """The policy in force.

    Raises:
        SettingsError: the file is broken, or names a group or an action that does not exist. A missing file means the
            defaults, but not where CIPP_MCP_POLICY names one.
    """
    place = settings.policy
    rules = Rules()
    if place != settings.home / "policy.toml" and not place.is_file():
        raise SettingsError(
            "CIPP_MCP_POLICY names a file that is not there.", hint="Correct the path: without its rules nothing runs."
        )
    if place.exists():
        rules = parse_policy(_text(place), place.name, catalog, settings.openapi)
    return Policy(rules, read_only=settings.read_only, approval=settings.approval)


def parse_policy(text: str, name: str = "policy.toml", catalog: Catalog | None = None, openapi: str = "") -> Rules:
    """The rules of a policy text.

    Args:
        catalog: its names are checked against this and against all other operations of CIPP's API.
        openapi: where the operator's document of that API is; empty for the shipped catalogue.

    Raises:
        SettingsError: the first thing wrong with it, and where.
    """
    fix = "Correct the policy file; the server does not start with a broken one."
    try:
        rules = Rules.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The policy file {name} is not TOML: {error}.", hint=fix) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"The policy file {name}: {where}: {first['msg']}.", hint=fix) from None
    if wrong := sorted(set(rules.groups) - {*GROUPS, API}):
        raise SettingsError(f"The policy file {name} names no such group: {', '.join(wrong)}.", hint=fix)
    if catalog is not None:
        known = {t: _named(t, name, catalog, openapi) for t in sorted({*rules.tools, *rules.all_tenants_writes})}
        if wrong := [t for t in rules.all_tenants_writes if not known[t].all_tenants]:
            raise SettingsError(f"The policy file {name}: {wrong[0]} never takes AllTenants (all_tenants_writes).", hint=fix)
    return rules


def _named(tool: str, name: str, catalog: Catalog, openapi: str) -> Action:
    """The action that a rule is for; a rule for a name that no call carries would protect nothing."""
    if tool in catalog.actions:
        return catalog.actions[tool]
    from cipp_mcp.catalog.given import at_hand

    try:
        found = at_hand(openapi).get(tool)
    except UnknownAction as error:
        why = error.message if error.hint == "Nothing was sent." else str(error)
        raise SettingsError(f"The policy file {name} names {tool}. {why}", hint="Correct the policy file.") from None
    if found.name != tool:
        raise SettingsError(f"The policy file {name} names {tool}.", hint=f"Write {found.name}.")
    return found


def _text(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(
            "The policy file cannot be read.", hint="Check CIPP_MCP_POLICY, the file's rights and that it is UTF-8."
        ) from None
