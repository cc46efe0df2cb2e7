"""The guarded calls of the first twelve tools on the demo's world, with what each one really does there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

F = "fabrikam.example"
BUSINESS_PREMIUM = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"
BUSINESS_BASIC = "3b555118-da6a-4418-894f-7df1e2096870"
ANA, BEN, CARLA, JUN, HANA, GIL = (f"{name}@{F}" for name in ("ana", "ben", "carla", "jun", "hana", "gil"))


@dataclass(frozen=True)
class Guarded:
    """One call that needs a yes.

    Attributes:
        endpoint: what it sends, once.
        word: how it ends with a yes.
        phrase: what the person types.
        flag: the operator may let `confirm` alone run it.
    """

    tool: str
    arguments: dict[str, Any]
    endpoint: str
    word: str
    phrase: str
    flag: bool


GUARDED = {
    "clear": Guarded("clear_user_immutable_id", {"user_id": ANA}, "ExecClrImmId", "done", ANA, False),
    "block": Guarded("set_user_sign_in", {"user_id": BEN, "enabled": False}, "ExecDisableUser", "done", "yes", True),
    "reset": Guarded("reset_user_password", {"user_id": CARLA}, "ExecResetPass", "done", "yes", True),
    "remove": Guarded("remove_user", {"user_id": JUN}, "RemoveUser", "done", "yes", True),
    "offboard": Guarded(
        "offboard_user", {"users": [GIL, HANA], "remove_groups": True}, "ExecOffboardUser", "accepted", f"2 in {F}", False
    ),
    "unlicense": Guarded(
        "set_user_licenses",
        {"user_ids": [BEN], "operation": "Remove", "licenses_to_remove": [BUSINESS_PREMIUM]},
        "ExecBulkLicense",
        "done",
        "yes",
        True,
    ),
    "license two": Guarded(
        "set_user_licenses",
        {"user_ids": [ANA, JUN], "operation": "Add", "licenses": [BUSINESS_BASIC]},
        "ExecBulkLicense",
        "done",
        "yes",
        True,
    ),
    "standards": Guarded("run_standards", {}, "ExecStandardsRun", "accepted", "yes", True),
}


def arguments_of(one: Guarded, **more: Any) -> dict[str, Any]:
    return {"tenant_filter": F, **one.arguments, **more}
