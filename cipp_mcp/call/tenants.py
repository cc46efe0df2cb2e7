"""What the caller wrote -> exactly one known tenant, or an error with the nearest candidates.

An empty tenant means the MSP itself to CIPP, and an unknown one makes its helpers report success without effect.
So nothing that is not one row of CIPP's own list may leave this room.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from cipp_mcp.call.decode import Answer, Shape, read_answer
from cipp_mcp.call.text import clean
from cipp_mcp.catalog.action import ALL_TENANTS
from cipp_mcp.errors import NotSent, UnknownTenant
from cipp_mcp.message import Repeat, Request, Response

FRESH_FOR = 300.0


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant of CIPP's list. `AllTenants` is a tenant whose every key is that word."""

    customer_id: str
    default_domain: str
    initial_domain: str
    name: str

    @property
    def keys(self) -> set[str]:
        return {k.casefold() for k in (self.customer_id, self.default_domain, self.initial_domain, self.name) if k}

    def shown(self) -> str:
        return f"{self.name} ({self.default_domain})" if self.name else self.default_domain


EVERY_TENANT = Tenant(ALL_TENANTS, ALL_TENANTS, ALL_TENANTS, ALL_TENANTS)


class TenantBook:
    """CIPP's tenant list, kept for five minutes.

    Args:
        send: the wire.
        clock: seconds, monotonic.

    Attributes:
        gone: tenants that AllTenants leaves out although this process has seen them, and why: domain -> reason.
    """

    def __init__(self, send: Callable[[Request], Awaitable[Response]], clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._lock = anyio.Lock()
        self._tenants: tuple[Tenant, ...] = ()
        self._read_at = float("-inf")
        self.gone: Mapping[str, str] = {}

    async def all(self, *, fresh: bool = False) -> tuple[Tenant, ...]:
        """Every tenant that CIPP lists and has not excluded.

        Raises:
            UnknownTenant: CIPP lists none.
            WireError: CIPP could not be reached, or gave no list.
        """
        async with self._lock:
            if fresh or self._clock() - self._read_at >= FRESH_FOR:
                answer = read_answer(await self._send(Request("GET", "/api/ListTenants", repeat=Repeat.FREELY, timeout=60)))
                self._keep(answer)
            return self._tenants

    def _keep(self, answer: Answer) -> None:
        tenants = tuple(_tenants(answer))
        left = dict.fromkeys((t.default_domain for t in self._tenants), "CIPP does not list this tenant any more")
        out = {str(r.get("defaultDomainName")): "excluded in CIPP" for r in answer.rows() if r.get("Excluded") is True}
        here = {t.default_domain for t in tenants}
        self.gone = {k: why for k, why in {**self.gone, **left, **out}.items() if k not in here}
        self._tenants, self._read_at = tenants, self._clock()

    async def resolve(self, written: Any, *, all_tenants: bool = False, fresh: bool = False) -> Tenant:
        """The one tenant of that customer id, default domain, initial domain or exact display name, in any letter case.

        Raises:
            UnknownTenant: none or several; carries the nearest candidates.
        """
        text = str(written).strip()
        if not text:
            raise UnknownTenant("The tenant is empty.", [])
        if text.casefold() == ALL_TENANTS.casefold():
            if not all_tenants:
                raise UnknownTenant(f"This tool works on one tenant at a time; {ALL_TENANTS} is not allowed here.", [])
            return EVERY_TENANT
        known = await self.all(fresh=fresh)
        found = [t for t in known if text.casefold() in t.keys]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownTenant(f"{len(found)} tenants are called that; write the domain.", [t.shown() for t in found[:5]])
        raise UnknownTenant("No tenant of CIPP's list has that id, domain or exact name.", _nearest(text, known))


def _tenants(answer: Answer) -> list[Tenant]:
    if answer.problem:
        raise NotSent(f"CIPP's tenant list could not be read: {answer.problem}", hint=answer.hint)
    tenants = [t for row in answer.rows() if (t := _tenant(row)) is not None]
    if answer.status >= 400 or answer.shape is not Shape.JSON or (not tenants and answer.lines):
        # CIPP also answers 200 with one nameless tenant whose Results say what failed.
        raise NotSent(
            f"CIPP's tenant list could not be read: CIPP answered {answer.status} with something else.",
            hint="Look into CIPP's log book, and run its permission check.",
        )
    if not tenants:
        raise UnknownTenant("CIPP lists no tenant for this API client.", [])
    return tenants


def _tenant(row: Mapping[str, Any]) -> Tenant | None:
    texts = {k: str(row.get(k) or "").strip() for k in ("customerId", "defaultDomainName", "initialDomainName", "displayName")}
    if row.get("Excluded") is True or not texts["defaultDomainName"] or not texts["customerId"]:
        return None
    if texts["customerId"] == ALL_TENANTS:
        return None
    name = " ".join(clean(texts["displayName"]).split())
    return Tenant(texts["customerId"], texts["defaultDomainName"], texts["initialDomainName"], name)


def _nearest(text: str, known: tuple[Tenant, ...]) -> list[str]:
    """Up to three tenants that the caller may have meant: by a shared part first, then by likeness."""
    folded = unicodedata.normalize("NFKC", text).casefold()[:200]
    holding = [t for t in known if any(folded in k or (len(k) > 3 and k in folded) for k in t.keys)]
    keys = {k: t for t in known for k in t.keys}
    like = [keys[k] for k in difflib.get_close_matches(folded, keys, n=3, cutoff=0.5)]
    return [t.shown() for t in dict.fromkeys([*holding, *like])][:3]
