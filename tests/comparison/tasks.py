"""Eight things that a technician asks, as the calls that answer them; nothing here knows which surface makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

F = "fabrikam.example"
ANA = f"ana@{F}"
WHO = {"tenant_filter": F, "user_id": ANA}


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes:
        words: what would be searched for, where tools have to be found first.
        ends: the outcome that it must have, or the figure means nothing.
    """

    tool: str
    arguments: Mapping[str, Any]
    words: str
    ends: str = "done"


@dataclass(frozen=True)
class Task:
    """One question, in the order of its calls."""

    title: str
    steps: tuple[Step, ...]


def _list(tool: str, words: str, **shape: Any) -> Step:
    return Step(tool, {"tenant_filter": F, **({"request_options": shape} if shape else {})}, words)


TASKS = (
    Task(
        "Find a user by name",
        (Step("list_users", {"tenant_filter": F, "graph_filter": "startswith(displayName,'Ana')"}, "find a user by name"),),
    ),
    Task(
        "Who lacks MFA",
        (_list("list_mfa_users", "who lacks MFA", filter={"MFARegistration": False, "AccountEnabled": True}, fields=["UPN"]),),
    ),
    Task("Disable a user", (Step("set_user_sign_in", {**WHO, "enabled": False}, "block sign-in of a user", "needs_approval"),)),
    Task(
        "Offboard a leaver",
        (
            Step(
                "offboard_user",
                {"tenant_filter": F, "users": [ANA], "convert_to_shared": True, "revoke_sessions": True, "remove_licenses": True},
                "offboard a leaver",
                "needs_approval",
            ),
        ),
    ),
    Task("Which licences are free", (_list("list_licenses", "free licences", fields=["License", "CountAvailable"]),)),
    Task("Who has rights on a calendar", (Step("list_calendar_permissions", WHO, "who can see the boss's calendar"),)),
    Task(
        "Look around a compromised account",
        (
            Step("get_user", WHO, "details of a user"),
            Step("list_sign_ins", {"tenant_filter": F, "filter": f"userPrincipalName eq '{ANA}'"}, "sign-ins of a user"),
            Step("list_user_devices", WHO, "devices of a user"),
            Step("list_user_groups", WHO, "groups of a user"),
        ),
    ),
    Task("List the tenants", (Step("list_tenants", {}, "list tenants"),)),
)
