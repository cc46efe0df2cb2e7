"""A person says yes to exactly one digest: whatever matters changes it, and only the exact phrase is a yes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.plan import HELD_YES_WITHIN, YES_WITHIN, Owner, Plan, draft, phrase_of, typed_right
from cipp_mcp.call.targets import Target
from cipp_mcp.call.tenants import EVERY_TENANT, Tenant
from tests.call.making import ANA_ID, FABRIKAM, ME, case, catalog, many, user

ANA, BEN = user(), user("ben@fabrikam.example", 2)
ARGUMENTS = {"user_id": ANA.name}
CLEAR = case("clear_user_immutable_id", ARGUMENTS, ANA)


def plan(one: Case = CLEAR, owner: Owner = ME, policy: str = "p", now: float = 1_000.0, held: bool = False) -> Plan:
    return draft(one, {"what_if": "x"}, owner, policy, now=now, held=held)


def with_action(**changes: Any) -> Case:
    return replace(CLEAR, action=CLEAR.action.model_copy(update=changes))


OTHERS = {
    "tool": lambda: plan(with_action(name="clear_something")),
    "endpoint": lambda: plan(with_action(endpoint="POST /api/RemoveUser")),
    "manifest": lambda: plan(with_action(digest="other")),
    "effect": lambda: plan(replace(CLEAR, effect=catalog().get("remove_user").effect)),
    "an argument's value": lambda: plan(case("clear_user_immutable_id", {"user_id": ANA.name.upper()}, ANA)),
    "one more argument": lambda: plan(case("clear_user_immutable_id", ARGUMENTS | {"x": 1}, ANA)),
    "the tenant's id": lambda: plan(replace(CLEAR, tenants={"fabrikam.example": replace(FABRIKAM, customer_id="2")})),
    "the tenant's domain": lambda: plan(replace(CLEAR, tenants={"fabrikam.example": replace(FABRIKAM, default_domain="x.y")})),
    "the tenant's name": lambda: plan(replace(CLEAR, tenants={"fabrikam.example": replace(FABRIKAM, name="Fabrlkam")})),
    "a second tenant": lambda: plan(replace(CLEAR, tenants={"a": FABRIKAM, "b": Tenant("2", "b.example", "", "B")})),
    "the target's id": lambda: plan(replace(CLEAR, targets=(replace(ANA, id="other"),))),
    "the target's name": lambda: plan(replace(CLEAR, targets=(replace(ANA, name="ana2@fabrikam.example"),))),
    "the target's display name": lambda: plan(replace(CLEAR, targets=(replace(ANA, label="Other"),))),
    "the target's kind": lambda: plan(replace(CLEAR, targets=(replace(ANA, kind="group"),))),
    "a value of its state": lambda: plan(replace(CLEAR, targets=(user(accountEnabled=False),))),
    "one more fact of its state": lambda: plan(replace(CLEAR, targets=(user(extra=None),))),
    "a second target": lambda: plan(replace(CLEAR, targets=(ANA, BEN))),
    "a helper": lambda: plan(replace(CLEAR, others=(BEN,))),
    "a stored value": lambda: plan(replace(CLEAR, stored={"body.x": 1})),
    "a privileged role": lambda: plan(replace(CLEAR, roles={ANA.id: ("Global Administrator",)})),
    "roles that cannot be read": lambda: plan(replace(CLEAR, roles=None)),
    "the OS user": lambda: plan(owner=replace(ME, os_user="other")),
    "the operator": lambda: plan(owner=replace(ME, operator="other")),
    "CIPP's client": lambda: plan(owner=replace(ME, client_id="other")),
    "the policy": lambda: plan(policy="other"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_matters_makes_another_digest(what: str) -> None:
    assert OTHERS[what]().digest != plan().digest


def test_all_these_digests_differ_from_each_other() -> None:
    digests = [made().digest for made in OTHERS.values()]
    assert len(set(digests)) == len(digests)


def test_the_order_of_targets_is_part_of_the_plan() -> None:
    one, other = replace(CLEAR, targets=(ANA, BEN)), replace(CLEAR, targets=(BEN, ANA))
    assert plan(one).digest != plan(other).digest


def test_the_same_operation_has_the_same_digest_and_another_id() -> None:
    first, second = plan(now=1.0), plan(now=2.0, held=True)
    assert (first.digest, first.id != second.id) == (second.digest, True)


def test_a_yes_must_come_in_15_minutes_and_in_24_hours_for_a_held_plan() -> None:
    assert plan(now=10.0).expires == 10.0 + YES_WITHIN == 910.0
    assert plan(now=10.0, held=True).expires == 10.0 + HELD_YES_WITHIN == 86_410.0


def test_a_plan_comes_back_from_its_record_as_it_was() -> None:
    made = plan()
    assert Plan.from_record(made.record()) == made


def test_two_plans_never_share_an_id_of_128_bits() -> None:
    ids = {plan().id for _ in range(50)}
    assert len(ids) == 50
    assert all(len(i) == len("plan_") + 32 for i in ids)


ADMIN = {ANA.id: ("Global Administrator",)}
ONE_USER = {"user_id": ANA.name}
PHRASES = [
    (CLEAR, ANA.name),
    (case("set_user_sign_in", ONE_USER | {"enabled": False}, ANA), "yes"),
    (case("set_user_sign_in", ONE_USER | {"enabled": False}, ANA, roles=ADMIN), ANA.name),
    (case("set_user_sign_in", ONE_USER | {"enabled": False}, ANA, roles=None), ANA.name),
    (case("reset_user_password", ONE_USER, ANA), "yes"),
    (case("remove_user", ONE_USER, ANA), "yes"),
    (case("offboard_user", {"users": [ANA.name, BEN.name], "delete_user": True}, ANA, BEN), "2 in fabrikam.example"),
    (case("set_user_licenses", {"user_ids": ["a", "b"], "operation": "Add"}, ANA, BEN), "yes"),
    (case("run_standards", {"template_id": ANA_ID}), "yes"),
    (
        case("run_standards", {"tenant_filter": "AllTenants"}, tenants={"AllTenants": EVERY_TENANT}, tenant_count=6),
        "AllTenants (6)",
    ),
]


@pytest.mark.parametrize(("one", "phrase"), PHRASES)
def test_what_has_no_way_back_wants_a_name_and_the_rest_a_yes(one: Case, phrase: str) -> None:
    assert phrase_of(one) == phrase


@many
@given(st.text(max_size=30))
def test_the_phrase_can_be_typed_as_shown_and_is_never_a_bare_yes(name: str) -> None:
    target = Target("user", "x", "6f1c1a52-54a3-4ac6-9a0f-00000000beef", name, name)
    one = case("clear_user_immutable_id", {"user_id": "x"}, target)
    phrase = phrase_of(one)
    assert phrase
    assert phrase.isprintable()
    assert phrase.casefold() != "yes"
    assert typed_right(plan(one), phrase)


RIGHT = ["ana@fabrikam.example", " ANA@Fabrikam.Example\n"]
WRONG: list[Any] = [
    "",
    "yes",
    "ana",
    "ana@fabrlkam.example",
    "ana@fabrikam.example.",
    '"ana@fabrikam.example"',
    "аna@fabrikam.example",
]
WRONG += [
    True,
    1,
    None,
    ["ana@fabrikam.example"],
    {"phrase": "ana@fabrikam.example"},
    b"ana@fabrikam.example",
    "ana@fabrikam\u200b.example",
]


@pytest.mark.parametrize("typed", RIGHT)
def test_letter_case_and_outer_blanks_do_not_matter(typed: str) -> None:
    assert typed_right(plan(), typed)


@pytest.mark.parametrize("typed", WRONG)
def test_anything_else_is_a_no(typed: Any) -> None:
    assert not typed_right(plan(), typed)


def test_composed_and_decomposed_letters_are_the_same_name() -> None:
    one = case("clear_user_immutable_id", {"user_id": "x"}, user("zoë@fabrikam.example"))
    assert typed_right(plan(one), "zoe\u0308@fabrikam.example")
