"""Arguments -> a Case: every tenant and every object that they name, found before anything is decided about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard.privilege import names, read_roles, refuse_untouchable
from cipp_mcp.call.inside import with_inside, with_owners
from cipp_mcp.call.merge import read_stored
from cipp_mcp.call.operations import Operation
from cipp_mcp.call.targets import Target, read_target
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog.action import Action, ActionField
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.kind import Kind
from cipp_mcp.errors import InvalidArguments, UnknownTarget
from cipp_mcp.message import Repeat, Request

GROUPS_SHOWN = 100
"""CIPP shows one page of a user's groups and does not say that there are more: so many may be all, or not."""


async def resolve_tenants(desk: Desk, action: Action, arguments: Mapping[str, Any]) -> Mapping[str, Tenant]:
    """What was written -> tenant, for every tenant argument.

    Raises:
        UnknownTenant: one of them is not exactly one tenant.
    """
    found: dict[str, Tenant] = {}
    for f in _named(action, arguments):
        if f.kind == "tenant":
            for written in _keys(arguments[f.name]):
                found[written] = await desk.tenants.resolve(written, all_tenants=action.all_tenants)
    return found


async def read_case(desk: Desk, action: Action, arguments: Mapping[str, Any], tenants: Mapping[str, Tenant]) -> Case:
    """The case as far as a read needs it: guests are looked up, because their UPN cannot stand in an address."""
    case = Case(action, arguments, action.effect_of(arguments), tenants)
    if case.everywhere:
        case = replace(case, tenant_count=len(await desk.tenants.all(fresh=True)))
    guests = [await _find(desk, f, k, case) for f in _objects(action, arguments) for k in _keys(arguments[f.name]) if "#" in k]
    return replace(case, targets=tuple(guests)) if guests else case


async def case_of(desk: Desk, kept: Operation) -> Case:
    """The call that an operation was, its targets as they were."""
    action = await desk.action(kept.action)
    tenants = await resolve_tenants(desk, action, kept.arguments)
    case = Case(action, kept.arguments, Effect(kept.effect), tenants, kept.resolved(), kept.resolved_others())
    return replace(case, tenant_count=len(await desk.tenants.all())) if case.everywhere else case


async def resolve_targets(desk: Desk, case: Case) -> Case:
    """Every object that a write names, with its state and its privileged roles.

    Raises:
        UnknownTarget: one of them is not there.
        PolicyRefused: one of them is never touched.
        InvalidArguments: two arguments that must name the same object do not.
    """
    targets: dict[str, Target] = {}
    others: dict[str, Target] = {}
    named = [(f, written) for f in _objects(case.action, case.arguments) for written in _keys(case.arguments[f.name])]
    found = await case.pace.all([partial(_find, desk, f, written, case) for f, written in named], desk.wait)
    for (f, written), target in zip(named, found, strict=True):
        into = targets if case.action.target in {"", f.name} else others
        if any(t.id == target.id and t.kind == target.kind for t in targets.values()) and into is targets:
            raise InvalidArguments([f"{f.name} names {target.name} twice."])
        if f.sends == "name" and "#" in target.name:
            raise UnknownTarget(f"{target.name} is a guest; CIPP's {case.action.title} takes members only.")
        into[written] = target
    case = await with_owners(desk, replace(case, targets=tuple(targets.values()), others=tuple(others.values())))
    case = await with_inside(desk, case, _read)
    _check_echoes(case)
    case = replace(case, stored=await read_stored(desk.send, case), tainted=desk.session.tainted)
    memberships = await _memberships(desk, case)
    desk.policy.admit_targets(case, memberships)
    if not (case.tenant and desk.policy.must_ask(case) and any(t.kind == "user" for t in case.touched)):
        return case
    held = await read_roles(desk.send, case.tenant)
    await refuse_untouchable(desk.send, case, held, desk.owner.operator)
    roles = None if held is None else {t.id: names(held[t.id]) for t in case.touched if t.id in held}
    case = replace(case, roles=roles)
    desk.policy.admit_targets(case, memberships)
    return case


async def _memberships(desk: Desk, case: Case) -> Mapping[str, tuple[str, ...]] | None:
    """User id -> ids and names of its groups, where the policy protects groups; None when one cannot be read."""
    found: dict[str, tuple[str, ...]] = {}
    if not desk.policy.rules.protected.groups or case.tenant is None:
        return found
    for user in (t for t in case.touched if t.kind == "user"):
        query = {"tenantFilter": case.tenant.default_domain, "userId": user.id}
        answer = read_answer(await desk.send(Request("GET", "/api/ListUserGroups", query, repeat=Repeat.FREELY)))
        if answer.problem or answer.status >= 400 or not isinstance(answer.data, list):
            return None
        if len(answer.data) >= GROUPS_SHOWN:
            return None
        found[user.id] = tuple(str(row.get(k)) for row in answer.rows() for k in ("id", "DisplayName") if row.get(k))
    return found


async def _find(desk: Desk, f: ActionField, written: str, case: Case) -> Target:
    assert f.kind is not None
    return await _read(desk, f.kind, written, case.tenant, f.deleted)


async def _read(desk: Desk, named: str, written: str, tenant: Tenant | None, deleted: bool = False) -> Target:
    kind = desk.catalog.kinds[named]
    try:
        return await read_target(desk.send, named, kind, tenant, written, deleted=deleted)
    except UnknownTarget as error:
        if not kind.otherwise:
            raise _with_list(desk, kind, error) from None
        try:
            return await read_target(desk.send, kind.otherwise, desk.catalog.kinds[kind.otherwise], tenant, written)
        except UnknownTarget as other:
            raise _with_list(desk, kind, other) from None


def _with_list(desk: Desk, kind: Kind, error: UnknownTarget) -> UnknownTarget:
    """The error with the tool that lists what there is of the kind, where nothing else is to be done first."""
    if error.hint != UnknownTarget.hint or not (tool := listing_tool(desk, kind)):
        return error
    return UnknownTarget(error.message, hint=f"{error.hint} {tool} lists them with their ids.")


def listing_tool(desk: Desk, kind: Kind) -> str:
    """The tool that lists the objects of a kind with no more than their tenant; empty where none does."""
    reads = (a for a in desk.catalog if a.endpoint == kind.read and a.effect is Effect.READ)
    return next((a.name for a in reads if all(f.kind == "tenant" for f in a.fields if f.required)), "")


def _check_echoes(case: Case) -> None:
    """A name that CIPP only echoes must be the target's own, or the trail would tell another story than CIPP's log."""
    for f in case.action.fields:
        said = case.arguments.get(f.name)
        if f.same_as and said is not None:
            own = case.objects.get(str(case.arguments.get(f.same_as)))
            if own is not None and str(said).casefold() not in {own.name.casefold(), own.id.casefold()}:
                raise InvalidArguments([f"{f.name} is not the {f.same_as} that was given: that is {own.name}."])


def _named(action: Action, arguments: Mapping[str, Any]) -> list[ActionField]:
    return [f for f in action.fields if f.kind is not None and f.name in arguments]


def _objects(action: Action, arguments: Mapping[str, Any]) -> list[ActionField]:
    return [f for f in _named(action, arguments) if f.kind != "tenant"]


def _keys(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
