"""Who may call what: CIPP's built-in roles and custom roles, and the sentences with which it refuses.

A client recognises a refusal by how its text begins, so the beginnings are kept word for word as protocol.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from dataclasses import dataclass, field

from cipp_mcp.demo.dialect import Call, Endpoint, first, pick

NOT_ALLOWED = "Access to this CIPP API endpoint is not allowed"

# Built-in role -> (patterns of permissions it has, patterns it lacks all the same).
BUILT_IN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "readonly": (("*.Read",), ("CIPP.SuperAdmin.*", "CIPP.Admin.*", "CIPP.AppSettings.*")),
    "editor": (
        ("*.Read", "*.ReadWrite"),
        ("CIPP.SuperAdmin.*", "CIPP.Admin.*", "CIPP.AppSettings.*", "Tenant.Standards.ReadWrite"),
    ),
    "admin": (("*",), ("CIPP.SuperAdmin.*",)),
    "superadmin": (("*",), ()),
}


@dataclass(frozen=True)
class CustomRole:
    """A role an administrator made: permissions by name, tenants by customer id, endpoints taken away."""

    name: str
    permissions: frozenset[str] = frozenset({"*"})
    tenants: frozenset[str] | None = None  # None: every tenant
    blocked_tenants: frozenset[str] = frozenset()
    blocked_endpoints: frozenset[str] = field(default_factory=frozenset)

    def grants(self, role: str) -> bool:
        # CIPP looks for the asked permission inside the held one: ReadWrite holds Read.
        return any(held == "*" or re.search(re.escape(role), held, re.IGNORECASE) for held in self.permissions)

    @property
    def limited(self) -> bool:
        return self.tenants is not None or bool(self.blocked_tenants)


Role = str | CustomRole


def scope(role: Role, known: list[str]) -> frozenset[str] | None:
    """The customer ids a role may see; None where nothing is limited."""
    if not isinstance(role, CustomRole) or not role.limited:
        return None
    return frozenset(key for key in (known if role.tenants is None else role.tenants) if key not in role.blocked_tenants)


def refusal(role: Role, call: Call, endpoint: Endpoint) -> str | None:
    """Why CIPP would not run this function for this client, or None where it would."""
    if endpoint.role == "Public":
        return None
    if not _address_allowed(call):
        return f"{NOT_ALLOWED}, the API Client does not have the required permission"
    if isinstance(role, str):
        if role not in BUILT_IN:
            # A role CIPP does not know falls to the custom role `cipp-api`, which nobody made here.
            return f"{NOT_ALLOWED}, the user does not have the required permission"
        has, lacks = BUILT_IN[role]
        allowed = any(fnmatch.fnmatchcase(endpoint.role, pattern) for pattern in has)
        if not allowed or any(fnmatch.fnmatchcase(endpoint.role, pattern) for pattern in lacks):
            return f"{NOT_ALLOWED}, the '{role}' base role does not have the required permission: {endpoint.role}"
        return None
    if not role.grants(endpoint.role):
        return f"{NOT_ALLOWED}, you do not have the required permission: {endpoint.role}"
    if call.endpoint.lower() in {name.lower() for name in role.blocked_endpoints}:
        return f"{NOT_ALLOWED}, the custom role '{role.name}' has blocked this endpoint: {call.endpoint}"
    if endpoint.any_tenant or _tenant_allowed(role, call, endpoint.role):
        return None
    return "Access to this tenant is not allowed"


def _address_allowed(call: Call) -> bool:
    """The client's own list of addresses and ranges; the refusal does not mention addresses."""
    row = call.world.table("api_clients").get(call.client_id, {"IPRange": ["Any"]})
    if "Any" in row["IPRange"]:
        return True
    try:
        address = ipaddress.ip_address(call.address)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(text, strict=False) for text in row["IPRange"])


def _tenant_allowed(role: CustomRole, call: Call, needed: str) -> bool:
    if not role.limited:
        return True
    wanted = first(
        call.asked("tenantFilter"), pick(call.body, "tenantFilter.value"), call.sent("tenantFilter"), call.asked("tenantId"),
        pick(call.body, "tenantId.value"), call.sent("tenantId"), call.world.partner.customer_id,
    )  # fmt: skip
    if wanted == "AllTenants":
        return needed.endswith("Read")
    allowed = scope(role, [tenant.customer_id for tenant in call.world.known()]) or frozenset()
    for tenant in call.world.known():
        # The initial domain is not looked at here, although the helpers accept it later.
        if str(wanted).lower() in (tenant.customer_id.lower(), tenant.default_domain.lower()):
            return tenant.customer_id in allowed
    return True


def me(role: Role, client_id: str) -> dict[str, object]:
    """`/api/me`: built from custom roles alone, so a built-in role shows nothing."""
    custom = [role.name] if isinstance(role, CustomRole) else [] if role in BUILT_IN else ["cipp-api"]
    permissions = sorted(role.permissions) if isinstance(role, CustomRole) else []
    return {"clientPrincipal": {"appId": client_id, "appRole": custom}, "permissions": permissions}
