"""Which role the API client has, which tools that costs, and whether less would do.

By what CIPP shows: the client's own record where it may be read (and the refusal names the role where not), `/api/me`
for custom roles, and a few harmless reads where neither tells.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cipp_mcp.catalog import shipped
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.doctor import rights
from cipp_mcp.doctor.answers import data, rows, sign_of
from cipp_mcp.doctor.report import Finding, found, well
from cipp_mcp.doctor.rights import ALMIGHTY, BUILT_IN, Role
from cipp_mcp.errors import WireError
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.settings import Settings

Ask = Callable[[Request], Awaitable[Response | WireError]]

SHOWN_TOOLS = 12
PROBES: Mapping[str, str] = {
    "CIPP.Core.Read": "ListTenants",
    "CIPP.Alert.Read": "ListAlertsQueue",
    "CIPP.Scheduler.Read": "ListScheduledItems",
    "CIPP.Extension.Read": "ListExtensionSync",
    "CIPP.Backup.Read": "ExecListBackup",
}
"""Reads of CIPP's own tables, which touch no tenant, by the permission that they need."""


@dataclass(frozen=True)
class _Seen:
    """What CIPP lets this client see of itself."""

    role: Role | None = None
    for_mcp: bool = False
    lacks: frozenset[str] = frozenset()


async def examine_role(settings: Settings, catalog: Catalog, listed: Sequence[Action], ask: Ask) -> list[Finding]:
    """The findings about the role."""
    seen = await _look(settings, ask)
    needs = needed(listed, catalog)
    findings = []
    if seen.for_mcp:
        # It works as long as CIPP's host takes its tokens, so it is no fault yet.
        shared = found("role", "client_for_mcp", how=" (MCPAllowed); saving that to Azure again may lock us out")
        findings.append(replace(shared, state="warning"))
    if seen.role is None:
        findings += _from_probes(listed, await _probed(ask) | seen.lacks)
    else:
        findings += _compared(seen.role, listed, needs)
    return findings


def needed(listed: Sequence[Action], catalog: Catalog) -> list[str]:
    """The permissions that a custom role for these tools has."""
    return rights.needs(listed, catalog, _role_of)


async def _look(settings: Settings, ask: Ask) -> _Seen:
    own = await ask(_get("ExecApiClient", {"Action": "List"}))
    lacks: frozenset[str] = frozenset()
    if isinstance(own, Response):
        if (sign := sign_of(own, "")) is not None:
            if sign.role in BUILT_IN:
                return _Seen(Role(sign.role))
            lacks = frozenset({sign.lacks} - {""})
        else:
            mine = settings.client_id.casefold()
            record = next((r for r in rows(own) or [] if str(r.get("ClientId", "")).casefold() == mine), {})
            for_mcp = record.get("MCPAllowed") is True
            names = record.get("Role")
            name = str((names[0] if isinstance(names, list) and names else names) or "cipp-api")
            if name in BUILT_IN:
                return _Seen(Role(name), for_mcp)
            return _Seen(await _custom(name, ask), for_mcp)
    return _Seen(await _custom("", ask), lacks=lacks)


async def _custom(name: str, ask: Ask) -> Role | None:
    answer = await ask(_get("me"))
    said = data(answer) if isinstance(answer, Response) and answer.status == 200 else None
    if not isinstance(said, dict) or not isinstance(held := said.get("permissions"), list) or not held:
        return None
    principal = said.get("clientPrincipal")
    told = principal.get("appRole") if isinstance(principal, dict) else None
    first = told[0] if isinstance(told, list) and told else told
    return Role(name or str(first or "custom"), frozenset(str(h) for h in held))


async def _probed(ask: Ask) -> frozenset[str]:
    """The permissions that a few harmless reads were refused for."""
    missing = set()
    for permission, endpoint in PROBES.items():
        answer = await ask(_get(endpoint))
        sign = sign_of(answer, "") if isinstance(answer, Response) else None
        if sign is not None and sign.fault == "role_too_low":
            missing.add(sign.lacks or permission)
    return frozenset(missing)


def _from_probes(listed: Sequence[Action], lacks: frozenset[str]) -> Iterator[Finding]:
    dead = [a for a in listed if a.role in lacks]
    if dead:
        yield _too_low("of the API client", dead, listed, sorted(lacks))
    else:
        yield well("role", "CIPP does not show the role; the reads that were tried are allowed.", known=False)


def _compared(role: Role, listed: Sequence[Action], needs: list[str]) -> Iterator[Finding]:
    dead = rights.lost(listed, role)
    missing = [n for n in needs if not role.grants(n)]
    if dead:
        yield _too_low(f"'{role.name}'", dead, listed, missing)
    beyond = role.beyond(needs)
    if role.name in ALMIGHTY and role.held is None:
        yield found("role", "more_rights", {"role": role.name, "needs": needs}, role=role.name, needs=", ".join(needs))
    elif beyond and not dead:
        shown = f"'{role.name}' also holds {', '.join(beyond[:6])}{' …' if len(beyond) > 6 else ''}"
        yield found("role", "more_rights", {"role": role.name, "needs": needs}, role=shown, needs=", ".join(needs))
    elif not dead:
        yield well("role", f"The role '{role.name}' can use all {len(listed)} listed tools.", role=role.name)


def _too_low(role: str, dead: Sequence[Action], listed: Sequence[Action], lacks: Sequence[str]) -> Finding:
    names = [a.name for a in dead]
    shown = ", ".join(names[:SHOWN_TOOLS]) + (f" and {len(names) - SHOWN_TOOLS} more" if len(names) > SHOWN_TOOLS else "")
    words = {"role": role, "count": str(len(dead)), "total": str(len(listed)), "tools": shown, "lacks": ", ".join(lacks)}
    return found("role", "role_too_low", {"tools": names, "lacks": list(lacks)}, **words)


def _get(endpoint: str, query: Mapping[str, str] | None = None) -> Request:
    return Request("GET", f"/api/{endpoint}", query or {}, repeat=Repeat.FREELY, timeout=60.0)


def _role_of(endpoint: str) -> str:
    """The permission of `GET /api/Endpoint`, by the shipped catalogue."""
    known = shipped.read().get(endpoint.rpartition("/")[2].casefold())
    return known.role if known is not None else ""
