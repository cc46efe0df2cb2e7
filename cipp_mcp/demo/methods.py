"""A user's sign-in methods, passes and risk as Graph lists them: each with the id by which it can be named alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stable_id, stamp

# Graph gives these the same id for every user; the others have an id of their own.
KNOWN_IDS = {"password": "28c10230-6103-485e-b985-444c60001490", "phone": "3179e48a-750b-4051-897c-87b9720928f7"}
PASS = "temporaryAccessPass"


def method_id(user: Row, method: str) -> str:
    return KNOWN_IDS.get(method) or stable_id("method", user["id"], method)


def passes(user: Row, now: datetime) -> list[Row]:
    """The temporary access passes; the code itself is shown once, when the pass is made, and never again."""
    rows = []
    for held in user.get("_taps", []):
        begins, left = datetime.fromtimestamp(held["from"], UTC), held["until"] - now.timestamp()
        usable = begins <= now and left > 0
        rows.append(
            {"id": held["id"], PASS: None, "createdDateTime": held["created"], "startDateTime": stamp(begins),
             "lifetimeInMinutes": int(held["until"] - held["from"]) // 60, "isUsableOnce": held["once"], "isUsable": usable,
             "methodUsabilityReason": "EnabledByPolicy" if usable else "Expired" if left <= 0 else "NotYetValid"}
        )  # fmt: skip
    return rows


def shown(user: Row, now: datetime) -> list[Row]:
    """Every method: what `authentication/methods` answers. A member always has the password method, a guest none."""
    if not user:
        return []
    names = list(user["_methods"])
    if user["userType"] == "Member" and "password" not in names:
        names.insert(0, "password")
    rows = [
        {"@odata.type": _type(name), "id": method_id(user, name), "createdDateTime": user["createdDateTime"]} for name in names
    ]
    return rows + [{"@odata.type": _type(PASS), **held} for held in passes(user, now)]


def _type(method: str) -> str:
    return f"#microsoft.graph.{method}AuthenticationMethod"


def remove(world: World, tenant: Tenant, user: Row, only: str | None = None) -> tuple[list[str], list[str]]:
    """Take away every method but the password, or the one with this id. Gives the names removed and those that would not go."""
    held = [name for name in user["_methods"] if name != "password" and only in (None, method_id(user, name))]
    gone = [name for name in held if name not in user.get("_stuckMethods", [])]
    gone_passes = [held for held in user["_taps"] if only in (None, held["id"])]
    if gone or gone_passes:
        user["_taps"] = [held for held in user["_taps"] if held not in gone_passes]
        user["_methods"] = [name for name in user["_methods"] if name not in gone]
        world.record(tenant, "reset_mfa", "user", user, ", ".join(gone + [PASS] * len(gone_passes)))
    return gone + [PASS] * len(gone_passes), [name for name in held if name not in gone]


def risk(user: Row) -> Row | None:
    """The user among the risky ones: at risk, or dismissed and still listed. None for one that never was."""
    if not user or not (user["_risk"] or user.get("_riskDismissed")):
        return None
    level = user["_risk"] or "none"
    state: dict[str, Any] = {"riskState": "atRisk", "riskDetail": "none"}
    if not user["_risk"]:
        state = {"riskState": "dismissed", "riskDetail": "adminDismissedAllRiskForUser"}
    return {"id": user["id"], "userPrincipalName": user["userPrincipalName"], "userDisplayName": user["displayName"],
            "riskLevel": level, **state, "isDeleted": False}  # fmt: skip
