"""Which privileged directory roles the targets hold, and the few objects that no approval may touch.

The last enabled Global Administrator and the account that synchronises the directory are refused; a role list that
cannot be read counts as privileged, because the opposite guess locks a customer out.
"""

from __future__ import annotations

from collections.abc import Mapping

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.targets import Send
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import PolicyRefused
from cipp_mcp.message import Repeat, Request

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
DIRECTORY_SYNCHRONIZATION = "d29b2b05-8046-44ba-8758-1e26182fcf32"
PRIVILEGED: Mapping[str, str] = {
    GLOBAL_ADMINISTRATOR: "Global Administrator",
    DIRECTORY_SYNCHRONIZATION: "Directory Synchronization Accounts",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    "7be44c8a-adaf-4e2a-84d6-ab2649e08a13": "Privileged Authentication Administrator",
    "194ae4cb-b126-40b2-bd5b-6091b380977d": "Security Administrator",
    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c": "SharePoint Administrator",
    "29232cdf-9323-42fd-ade2-1d097af3e4de": "Exchange Administrator",
    "fe930be7-5e62-47db-91af-98c3a49a38b1": "User Administrator",
    "729827e3-9c14-49f7-bb1b-9608f156bbb8": "Helpdesk Administrator",
    "c4e39bd9-1100-46d3-8c65-fb160da0071f": "Authentication Administrator",
    "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9": "Conditional Access Administrator",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2": "Hybrid Identity Administrator",
    "3a2c62db-5318-420d-8d74-23affee5d9d5": "Intune Administrator",
    "b0f54661-2d74-4c50-afa3-1ec803f12efe": "Billing Administrator",
    "e3973bdf-4987-49ae-837a-ba8e231c7286": "Azure DevOps Administrator",
}
"""Role template ids (the same in every tenant) -> Microsoft's names."""


async def read_roles(send: Send, tenant: Tenant) -> Mapping[str, tuple[str, ...]] | None:
    """Object id -> template ids of its privileged roles, over the whole tenant; None when they cannot be read."""
    query = {"tenantFilter": tenant.default_domain}
    answer = read_answer(await send(Request("GET", "/api/ListRoles", query, repeat=Repeat.FREELY)))
    if answer.problem or answer.status >= 400 or not isinstance(answer.data, list):
        return None
    held: dict[str, tuple[str, ...]] = {}
    for role in answer.rows():
        template = str(role.get("roleTemplateId") or role.get("Id") or "").lower()
        members = role.get("Members")
        if template not in PRIVILEGED or not isinstance(members, list | dict):
            continue
        for member in members if isinstance(members, list) else [members]:
            if isinstance(member, dict) and member.get("id"):
                held[str(member["id"])] = (*held.get(str(member["id"]), ()), template)
    return held


def names(held: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(PRIVILEGED[t] for t in held)


async def refuse_untouchable(send: Send, case: Case, held: Mapping[str, tuple[str, ...]] | None, operator: str) -> None:
    """Refuse the operator's own account, the synchronisation account, and the last enabled Global Administrator.

    Raises:
        PolicyRefused: names the target and why.
    """
    # A stored order can be any command, an offboarding too; what a call may schedule anew is a closed list that locks nobody out.
    about = case.touched if case.effect is Effect.DESTROY else case.targets
    users = [t for t in about if t.kind == "user"]
    if not users or not case.effect.asks:
        return
    own = operator.casefold()
    if mine := next((u.name for u in users if own in {u.name.casefold(), u.id.casefold()}), ""):
        raise PolicyRefused(f"{mine} is the operator's own account (CIPP_MCP_OPERATOR).")
    if held is None:
        return
    for user in users:
        if DIRECTORY_SYNCHRONIZATION in held.get(user.id, ()):
            raise PolicyRefused(f"{user.name} synchronises this tenant's directory and is never touched.")
    admins = {i for i, roles in held.items() if GLOBAL_ADMINISTRATOR in roles}
    hit = admins & {u.id for u in users}
    if hit and case.tenant is not None and not await _another_enabled(send, case.tenant, admins - hit):
        named = next(u.name for u in users if u.id in hit)
        raise PolicyRefused(f"{named} is the last enabled Global Administrator of {case.tenant.shown()} that can be seen.")


async def _another_enabled(send: Send, tenant: Tenant, others: set[str]) -> bool:
    for other in sorted(others):
        query = {"tenantFilter": tenant.default_domain, "UserID": other}
        answer = read_answer(await send(Request("GET", "/api/ListUsers", query, repeat=Repeat.FREELY)))
        if any(row.get("accountEnabled") is True and row.get("id") == other for row in answer.rows()):
            return True
    return False
