"""What a call names without an argument for it: in a free object, or in a stored order that it makes run or takes away.

A scheduled task runs any of CIPP's commands with any parameters in any tenant. Whoever is protected by the policy is
protected there too, and the task's tenant counts like one that the caller wrote. What is found here is judged; it never
goes onto the wire.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.desk import Desk
from cipp_mcp.call.targets import Target, path_value
from cipp_mcp.call.tenants import EVERY_TENANT, Tenant
from cipp_mcp.call.text import marked
from cipp_mcp.catalog.action import API
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.kind import Kind
from cipp_mcp.errors import InvalidArguments, UnknownTarget, UnknownTenant

Read = Callable[[Desk, str, str, Tenant | None], Awaitable[Target]]
"""Reads the object of a kind and key. Raises UnknownTarget."""

MOST_NAMED = 10
_BETWEEN = re.compile(r"[\s,;|/'\"<>(){}\[\]]+")
DEEPEST = 32


async def with_owners(desk: Desk, case: Case) -> Case:
    """The case with the tenants of the stored orders that it is about.

    Raises:
        PolicyRefused: one of them is not the policy's.
    """
    for target in case.targets:
        kind = desk.catalog.kinds[target.kind]
        owners = await _owners(desk, target, kind)
        for owner in owners:
            desk.policy.admit_tenant(case, owner)
        # What is about many tenants at once is still one object: they are judged, and not counted as tenants of the call.
        if kind.orders or (len(owners) == 1 and not case.tenants and owners[0] is not EVERY_TENANT):
            case = replace(case, tenants={**case.tenants, **{o.default_domain: o for o in owners if o.customer_id}})
    if case.everywhere and not case.tenant_count:
        desk.policy.admit(case)
        case = replace(case, tenant_count=len(await desk.tenants.all(fresh=True)))
    return case


async def _owners(desk: Desk, target: Target, kind: Kind) -> list[Tenant]:
    """Whose it is: nobody's for an order of CIPP's own, for a tenant that CIPP does not list one with what is written."""
    found = path_value(target.row, kind.tenant) if kind.tenant else None
    owners = []
    for one in found if isinstance(found, list) else [found]:
        text = str((one.get("value") if isinstance(one, Mapping) else one) or "").strip()
        try:
            if text not in {"", "None"}:
                owners.append(await desk.tenants.resolve(text, all_tenants=True))
        except UnknownTenant:
            owners.append(Tenant("", text, "", ""))
    return owners


async def with_inside(desk: Desk, case: Case, read: Read) -> Case:
    """The case with every object that its free objects and stored orders name, and with all texts in them.

    Raises:
        UnknownTarget: the caller names one that is not there.
        InvalidArguments: the caller names one without saying in which tenant, or too many.
    """
    if case.effect is Effect.READ:
        return case
    found: dict[tuple[str, str], Target] = {}
    texts: list[str] = []
    if case.action.group == API:  # nobody knows what it does with a list of names in one text
        texts = [piece for t in _texts(dict(case.arguments)) for piece in {t, *_BETWEEN.split(t)}]
    keys = {key.casefold(): kind for f in case.action.fields for key, kind in f.inside.items()}
    for f in (f for f in case.action.fields if f.inside):
        given = case.arguments.get(f.name)
        texts += _texts(given)
        for kind, written in _named(given, keys):
            if case.tenant is None or case.everywhere:
                raise InvalidArguments([f"{f.name} names {marked(written)}, so the call must be about one tenant."])
            if len(found) >= MOST_NAMED:
                raise InvalidArguments([f"{f.name} names more than {MOST_NAMED} objects."])
            target = await read(desk, kind, written, case.tenant)
            found.setdefault((target.kind, target.id), target)
    for order in case.targets:
        how = desk.catalog.kinds[order.kind]
        stored = path_value(order.row, how.orders) if how.orders else None
        texts += _texts(stored)
        for owner in await _owners(desk, order, how) if stored else []:
            for kind, written in list(_named(stored, keys))[:MOST_NAMED]:
                with contextlib.suppress(UnknownTarget):  # an old order may name somebody who has gone
                    target = await read(desk, kind, written, owner)
                    found.setdefault((target.kind, target.id), target)
    return replace(case, inside=tuple(found.values()), texts=tuple(texts))


def _named(given: Any, keys: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(kind, what is written) of every text under a key that names something, as `{label, value}` or in a list too."""
    seen: dict[tuple[str, str], None] = {}
    for path, text in _leaves(given, ()):
        key = (path[:-1] if path[-1:] == ("value",) else path)[-1:]
        if text and key and key[0] in keys:
            seen[keys[key[0]], text] = None
    yield from seen


def _texts(given: Any) -> Iterator[str]:
    yield from (text for _, text in _leaves(given, ()))


def _leaves(given: Any, path: tuple[str, ...], depth: int = 0) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text, with the keys above it in small letters; a text that is JSON is read on, as CIPP does.

    Raises:
        InvalidArguments: it is nested too deeply to be looked through.
    """
    if depth > DEEPEST:
        raise InvalidArguments(["An object is nested too deeply to be checked."])
    if isinstance(given, str):
        yield path, given.strip()
        if given.lstrip().startswith(("{", "[")):
            yield from _leaves(_parsed(given), path, depth + 1)
    elif isinstance(given, Mapping):
        for key, value in given.items():
            yield from _leaves(value, (*path, str(key).casefold()), depth + 1)
    elif isinstance(given, list | tuple):
        for value in given:
            yield from _leaves(value, path, depth + 1)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise InvalidArguments(["An object is nested too deeply to be checked."]) from None
    except ValueError:
        return None
