"""What is refused whatever anybody approves, and what the flag alone may run."""

from __future__ import annotations

import pytest

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.call.tenants import EVERY_TENANT
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import PolicyRefused
from cipp_mcp.settings import Approval
from tests.call.making import ANA_ID, case, catalog, user

ANA, BEN = user(), user("ben@fabrikam.example", 2)
ONE = {"user_id": ANA.name}
EVERYWHERE = {"tenants": {"AllTenants": EVERY_TENANT}, "tenant_count": 6}
ALL = {"tenant_filter": "AllTenants"}

READ = case("list_users", {})
PROBE = case("list_tenants", {"trigger_refresh": True})
ALLOW = case("set_user_sign_in", ONE | {"enabled": True}, ANA)
BLOCK = case("set_user_sign_in", ONE | {"enabled": False}, ANA)
REMOVE = case("remove_user", ONE, ANA)
RESET = case("reset_user_password", ONE, ANA)
CLEAR = case("clear_user_immutable_id", ONE, ANA)
OFFBOARD = case("offboard_user", {"users": [ANA.name], "disable_sign_in": True}, ANA)
ADD_ONE = case("set_user_licenses", {"user_ids": ["a"], "operation": "Add"}, ANA)
ADD_TWO = case("set_user_licenses", {"user_ids": ["a", "b"], "operation": "Add"}, ANA, BEN)
STANDARDS = case("run_standards", {"template_id": ANA_ID})
STANDARDS_ALL = case("run_standards", ALL | {"template_id": ANA_ID}, **EVERYWHERE)
CLEAR_ALL = case("clear_user_immutable_id", ALL | ONE, **EVERYWHERE)
READ_ALL = case("list_conditional_access_policies", ALL, **EVERYWHERE)

# The word, whether a person is asked, and whether the operator may let the flag alone decide.
CASES = [
    (READ, Effect.READ, False, False),
    (PROBE, Effect.PROBE, False, False),
    (ALLOW, Effect.SET, False, True),
    (ADD_ONE, Effect.SET, False, True),
    (ADD_TWO, Effect.SET, True, True),
    (BLOCK, Effect.REMOVE, True, True),
    (REMOVE, Effect.REMOVE, True, True),
    (RESET, Effect.REMOVE, True, True),
    (STANDARDS, Effect.REMOVE, True, True),
    (CLEAR, Effect.DESTROY, True, False),
    (OFFBOARD, Effect.DESTROY, True, False),
]


def refused(policy: Policy, one: Case) -> bool:
    try:
        policy.admit(one)
    except PolicyRefused:
        return True
    return False


@pytest.mark.parametrize(("one", "effect", "asks", "flag"), CASES)
def test_the_effect_decides_who_must_say_yes(one: Case, effect: Effect, asks: bool, flag: bool) -> None:
    assert (one.effect, one.asks) == (effect, asks)
    assert Policy(approval=Approval.FLAG).flag_may(one) is flag
    assert not Policy().flag_may(one)


@pytest.mark.parametrize("roles", [{ANA.id: ("Global Administrator",)}, None])
def test_the_flag_never_decides_about_a_privileged_target(roles: dict[str, tuple[str, ...]] | None) -> None:
    one = case("set_user_sign_in", ONE | {"enabled": False}, ANA, roles=roles)
    assert not Policy(approval=Approval.FLAG).flag_may(one)


@pytest.mark.parametrize(("one", "effect", "asks", "flag"), CASES)
def test_read_only_runs_reads_and_nothing_else(one: Case, effect: Effect, asks: bool, flag: bool) -> None:
    assert refused(Policy(read_only=True), one) is (effect is not Effect.READ)
    assert refused(Policy(read_only=True, approval=Approval.FLAG), one) is (effect is not Effect.READ)
    assert not refused(Policy(), one)


def test_read_only_lists_what_can_only_read() -> None:
    listed = {a.name for a in catalog() if Policy(read_only=True).lists(a)}
    assert {"list_users", "get_user", "list_tenants"} <= listed
    assert {a.effect for a in catalog() if a.name in listed} == {Effect.READ}
    assert all(Policy().lists(a) for a in catalog())


@pytest.mark.parametrize("one", [STANDARDS_ALL, CLEAR_ALL])
@pytest.mark.parametrize("approval", list(Approval))
def test_no_write_goes_to_all_tenants_by_default(one: Case, approval: Approval) -> None:
    assert refused(Policy(approval=approval), one)


def test_all_tenants_may_be_read() -> None:
    assert not refused(Policy(), READ_ALL)
    assert not refused(Policy(read_only=True), READ_ALL)


def test_a_refusal_names_the_setting() -> None:
    with pytest.raises(PolicyRefused, match="CIPP_MCP_READ_ONLY"):
        Policy(read_only=True).admit(BLOCK)
    with pytest.raises(PolicyRefused) as off:
        Policy().admit(STANDARDS_ALL)
    assert "all_tenants_writes" in str(off.value)
