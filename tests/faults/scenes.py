"""One call for each effect class: which tool, on whom, what its effect is in the ledger, and whether a read can show it.

The seed chooses tool, target and how the tenant is written.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cipp_mcp.demo.serve import Box
from tests.faults.stage import FABRIKAM, Stage

CLASSES = ("R", "A", "RE", "S", "W1", "W2", "D", "Q")
WRITTEN = ("fabrikam.example", "Fabrikam", "11111111-aaaa-4aaa-8aaa-000000000001", "fabrikamdemo.onmicrosoft.com")
PLAIN = ("ana.ruiz2", "ben", "carla", "hana")
SKU = "3b555118-da6a-4418-894f-7df1e2096870"


def _nothing(box: Box) -> None:
    return None


@dataclass(frozen=True)
class Scene:
    """One call.

    Attributes:
        endpoint: where it is sent, and where the fault strikes.
        effects: the endpoints under which its effect stands in the ledger.
        readable: some read of ours shows the effect.
        prepare: puts the world into the state that the call changes.
    """

    tool: str
    arguments: Mapping[str, Any]
    endpoint: str
    readable: bool = True
    prepare: Callable[[Box], None] = _nothing
    asks: bool = False

    @property
    def reads(self) -> bool:
        return self.tool.startswith(("get_", "list_", "query_"))

    def count(self, stage: Stage) -> int:
        """How often it has happened."""
        return sum(e.endpoint == self.endpoint for e in stage.effects)


def user(box: Box, upn: str, **changes: Any) -> dict[str, Any]:
    """A user of the first tenant, changed behind everybody's back."""
    found = box.world.tenant(FABRIKAM).user(f"{upn}@{FABRIKAM}")
    assert found is not None
    found.update(changes)
    return found


def device(box: Box, name: str) -> str:
    rows = box.world.tenant(FABRIKAM).rows("managed_devices")
    return str(next(r["azureADDeviceId"] for r in rows if r["deviceName"] == name))


def scene(kind: str, dice: random.Random, box: Box, *, several: bool = False) -> Scene:
    """A call of that class.

    Args:
        several: on two targets, for faults that leave one of them out.
    """
    made = _MAKERS[kind](dice, box, several)
    return replace(made, arguments={"tenant_filter": dice.choice(WRITTEN), **made.arguments})


def _read(dice: random.Random, box: Box, several: bool) -> Scene:
    who = f"{dice.choice(PLAIN)}@{FABRIKAM}"
    return dice.choice(
        [
            Scene("get_user", {"user_id": who}, "ListUsers"),
            Scene("list_users", {}, "ListUsers"),
            Scene("list_groups", {}, "ListGroups"),
            Scene("query_graph", {"endpoint": "users"}, "ListGraphRequest"),
        ]
    )


def _everywhere(dice: random.Random, box: Box, several: bool) -> Scene:
    everywhere = {"tenant_filter": "AllTenants"}
    return dice.choice(
        [
            Scene("list_conditional_access_policies", everywhere, "ListConditionalAccessPolicies"),
            Scene("query_graph", {**everywhere, "endpoint": "users", "select": "id,displayName"}, "ListGraphRequest"),
        ]
    )


def _probe(dice: random.Random, box: Box, several: bool) -> Scene:
    return Scene("send_mfa_push", {"user_email": f"{dice.choice(PLAIN)}@{FABRIKAM}"}, "ExecSendPush", readable=False)


def _reveal(dice: random.Random, box: Box, several: bool) -> Scene:
    key = device(box, dice.choice(["FAB-LT-01", "FAB-LT-02"]))
    return dice.choice(
        [
            Scene("reveal_local_admin_password", {"device_id": key}, "ExecGetLocalAdminPassword", readable=False, asks=True),
            Scene("reveal_device_recovery_key", {"device_id": key}, "ExecGetRecoveryKey", readable=False, asks=True),
        ]
    )


def _set(dice: random.Random, box: Box, several: bool) -> Scene:
    upn = dice.choice(PLAIN)
    if several or dice.random() < 0.5:
        names = ["ivo", upn] if several else ["ivo"]
        arguments = {"user_ids": [f"{n}@{FABRIKAM}" for n in names], "operation": "Add", "licenses": [SKU]}

        def without(box: Box) -> None:
            for name in names:
                user(box, name, assignedLicenses=[], usageLocation="ES")

        return Scene("set_user_licenses", arguments, "ExecBulkLicense", prepare=without, asks=several)
    return Scene(
        "set_user_sign_in",
        {"user_id": f"{upn}@{FABRIKAM}", "enabled": True},
        "ExecDisableUser",
        prepare=lambda box: _do(user(box, upn, accountEnabled=False)),
    )


def _do(_: Any) -> None:
    return None


def _create(dice: random.Random, box: Box, several: bool) -> Scene:
    who = f"{dice.choice(PLAIN)}@{FABRIKAM}"
    number = dice.randrange(10**6)
    return dice.choice(
        [
            Scene("create_temporary_access_pass", {"user_id": who}, "ExecCreateTAP", asks=True),
            Scene("add_group", {"display_name": f"Project {number}", "group_type": "generic"}, "AddGroup"),
        ]
    )


def _destroy(dice: random.Random, box: Box, several: bool) -> Scene:
    upn = dice.choice(PLAIN)
    who = {"user_id": f"{upn}@{FABRIKAM}"}
    return dice.choice(
        [
            Scene("set_user_sign_in", {**who, "enabled": False}, "ExecDisableUser", asks=True),
            Scene("remove_user", who, "RemoveUser", asks=True),
            Scene(
                "clear_user_immutable_id",
                who,
                "ExecClrImmId",
                prepare=lambda box: _do(user(box, upn, onPremisesImmutableId="QUJDREVGRw==")),
                asks=True,
            ),
        ]
    )


def _queue(dice: random.Random, box: Box, several: bool) -> Scene:
    names = dice.sample(PLAIN, 2 if several else 1)
    arguments = {"users": [f"{n}@{FABRIKAM}" for n in names], "disable_sign_in": True, "remove_groups": dice.random() < 0.5}
    return Scene("offboard_user", arguments, "ExecOffboardUser", asks=True)


_MAKERS: Mapping[str, Callable[[random.Random, Box, bool], Scene]] = {
    "R": _read,
    "A": _everywhere,
    "RE": _probe,
    "S": _reveal,
    "W1": _set,
    "W2": _create,
    "D": _destroy,
    "Q": _queue,
}
