"""What a client may offer while a tenant or a user is typed: in prompts and in resource addresses.

Values are shown to the person who types, not to a model. They come from the tenant list and from one read of the
tenant's users that is kept for a minute. An offer that cannot be made is an empty one, never an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import anyio
import mcp_types as t
from mcp.shared.exceptions import MCPError

from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller, Desk, Session
from cipp_mcp.call.stored import Shelf
from cipp_mcp.call.text import clean, hidden_in
from cipp_mcp.catalog.options import MOST_LIMIT
from cipp_mcp.errors import CippMcpError
from cipp_mcp.message import Word
from cipp_mcp.server.ask import Context
from cipp_mcp.server.prompts import Prompts
from cipp_mcp.server.resources import Resources

log = logging.getLogger("cipp_mcp.server")

MOST = 100
LONGEST = 200
FRESH_FOR = 60.0
KEPT = 16
WITHIN = 10.0
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_@ ")
"""What may stand in the filter that asks CIPP for the users whose names begin so."""

Offer = tuple[str, tuple[str, ...]]
"""A value, and the lower-case words that lead to it: itself first."""


class Completions:
    """The offers of one server."""

    def __init__(self, desk: Desk, prompts: Prompts, resources: Resources) -> None:
        self._desk = desk
        self._prompts = prompts
        self._resources = resources
        self._users: dict[tuple[str, str], tuple[float, list[Offer], bool]] = {}
        self._one_read = anyio.Lock()

    async def complete(self, _: Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        """The offer for one argument."""
        completes = await self._completes(params.ref)
        if params.argument.name not in completes:
            known = ", ".join(completes) or "none"
            raise MCPError(t.INVALID_PARAMS, f"It has no argument of that name. Its arguments: {known}.")
        what = completes[params.argument.name]
        given = dict(params.context.arguments or {}) if params.context else {}
        tenant = next((given[name] for name, kind in completes.items() if kind == "tenant" and given.get(name)), "")
        typed = clean(params.argument.value).strip().casefold()
        offers: list[Offer] = []
        if what and len(typed) <= LONGEST:
            with anyio.move_on_after(WITHIN):
                offers = await self._offers(what, tenant, typed)
        found = ranked(offers, typed)
        return t.CompleteResult(completion=t.Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST))

    async def _completes(self, ref: t.PromptReference | t.ResourceTemplateReference) -> Mapping[str, str]:
        """Argument -> what it completes to, of the prompt or the template."""
        if isinstance(ref, t.PromptReference):
            runbook = await self._prompts.get(ref.name)
            return {name: a.completes for name, a in runbook.arguments.items()}
        family = self._resources.family(ref.uri)
        if family is None:
            raise MCPError(t.INVALID_PARAMS, "There is no resource template of that address.", {"uri": ref.uri[:LONGEST]})
        return family.completes

    async def _offers(self, what: str, tenant: str, typed: str) -> list[Offer]:
        try:
            if what == "tenant":
                return [_offer(x.default_domain, x.keys) for x in await self._desk.tenants.all()]
            if what == "user" and tenant:
                return await self._users_of(tenant, typed)
        except CippMcpError as error:
            log.info("no offer: %s", type(error).__name__)
        return []

    async def _users_of(self, tenant: str, typed: str) -> list[Offer]:
        """The tenant's users; in a tenant too large for one answer, those whose name begins as typed."""
        domain = (await self._desk.tenants.resolve(tenant)).default_domain
        async with self._one_read:
            users, whole = await self._kept(domain, "")
            if whole or not typed or not set(typed) <= _LETTERS:
                return users
            begins, _ = await self._kept(domain, typed)
        return list(dict.fromkeys([*begins, *users]))

    async def _kept(self, domain: str, typed: str) -> tuple[list[Offer], bool]:
        now = self._desk.clock()
        found = self._users.get((domain, typed))
        if found is None or now - found[0] >= FRESH_FOR:
            answer = await self._read(domain, typed)
            if answer is None:
                return [], False
            found = (now, *answer)
            self._users[(domain, typed)] = found
            while len(self._users) > KEPT:
                del self._users[min(self._users, key=lambda k: self._users[k][0])]
        return found[1], found[2]

    async def _read(self, domain: str, typed: str) -> tuple[list[Offer], bool] | None:
        """Users, and whether they are all; None when CIPP did not say."""
        shape = {"fields": ["userPrincipalName", "displayName"], "limit": MOST_LIMIT}
        wanted: dict[str, Any] = {"tenant_filter": domain, "request_options": shape}
        if typed:
            wanted["graph_filter"] = f"startswith(userPrincipalName,'{typed}') or startswith(displayName,'{typed}')"
        # A session of its own: what is read here reaches no model, so it must not count as seen by one.
        unseen = replace(self._desk, session=Session(), shelf=Shelf(self._desk.clock, most=0))
        outcome = await perform(unseen, "list_users", wanted, Caller(client="MCP completion"))
        rows: list[Mapping[str, Any]] = outcome.facts.get("items") or []
        whole = bool(outcome.facts.get("complete"))
        if outcome.word is not Word.DONE or not (rows or whole):
            return None
        names = [(str(r.get("userPrincipalName") or ""), str(r.get("displayName") or "")) for r in rows]
        offers = [_offer(upn, (upn, name)) for upn, name in names if upn and not hidden_in(upn)]
        return offers, whole


def _offer(value: str, words: Iterable[str]) -> Offer:
    return value, tuple(dict.fromkeys([value.casefold(), *(w.casefold() for w in words)]))


def ranked(offers: Iterable[Offer], typed: str) -> list[str]:
    """The values that fit: those that begin so, then those of which another name does, then those that hold it."""
    places: dict[str, tuple[int, str]] = {}
    for value, words in offers:
        if words[0].startswith(typed):
            place = 0
        elif any(w.startswith(typed) for w in words):
            place = 1
        elif any(typed in w for w in words):
            place = 2
        else:
            continue
        places.setdefault(value, (place, value.casefold()))
    return sorted(places, key=places.__getitem__)
