"""What the listed tools need in CIPP, and what a role gives: pure comparison of permission names.

CIPP's rules for built-in and custom roles are facts of its source. No request is made here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.catalog.uses import OWN_READS, uses_of

BUILT_IN: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "readonly": (("*.Read",), ("CIPP.SuperAdmin.*", "CIPP.Admin.*", "CIPP.AppSettings.*")),
    "editor": (
        ("*.Read", "*.ReadWrite"),
        ("CIPP.SuperAdmin.*", "CIPP.Admin.*", "CIPP.AppSettings.*", "Tenant.Standards.ReadWrite"),
    ),
    "admin": (("*",), ("CIPP.SuperAdmin.*",)),
    "superadmin": (("*",), ()),
}
"""Built-in role -> what it has, and what it lacks all the same."""

ALMIGHTY = frozenset({"admin", "superadmin"})
_AREA = re.compile(r"[A-Za-z]+\.[A-Za-z]+\.(Read|ReadWrite)")


@dataclass(frozen=True)
class Role:
    """The role of an API client.

    Attributes:
        name: as CIPP calls it; empty when it is not known.
        held: a custom role's permissions; None for a built-in role.
    """

    name: str
    held: frozenset[str] | None = None

    def grants(self, permission: str) -> bool:
        if self.held is None:
            has, lacks = BUILT_IN.get(self.name, ((), ()))
            allowed = any(fnmatch.fnmatchcase(permission, p) for p in has)
            return allowed and not any(fnmatch.fnmatchcase(permission, p) for p in lacks)
        # CIPP looks for the asked permission inside the held one, so that ReadWrite holds Read.
        return any(h == "*" or permission.casefold() in h.casefold() for h in self.held)

    def beyond(self, wanted: Iterable[str]) -> list[str]:
        """What a custom role holds and no listed tool needs; ReadWrite where Read would do is one."""
        enough = {w.casefold() for w in wanted}
        held = {h for h in self.held or () if h == "*" or _AREA.fullmatch(h)}
        return sorted(h for h in held if h.casefold() not in enough and f"{h.casefold()}write" not in enough)


def needs(listed: Sequence[Action], catalog: Catalog, role_of: Callable[[str], str]) -> list[str]:
    """The permissions of a custom role for these tools: their own, and those of the reads that guard and proof make.

    Args:
        role_of: `GET /api/Endpoint` -> the permission that CIPP asks for; empty when it is not known.
    """
    roles = {a.role for a in listed if not a.own}
    reads = {u.endpoint for a in listed for u in uses_of(a)} | set(OWN_READS)
    kinds = [k for a in listed for f in a.fields if (k := catalog.kinds.get(f.kind or "")) is not None]
    reads |= {k.read for k in kinds} | {k.fallback["read"] for k in kinds if "read" in k.fallback}
    roles |= {role_of(r) for r in reads}
    return least(r for r in roles if _AREA.fullmatch(r))


def least(permissions: Iterable[str]) -> list[str]:
    """Without those that another one holds already."""
    given = set(permissions)
    return sorted(p for p in given if not (p.endswith(".Read") and f"{p}Write" in given))


def lost(listed: Sequence[Action], role: Role) -> list[Action]:
    """The tools that this role cannot use."""
    return [a for a in listed if not a.own and not role.grants(a.role)]
