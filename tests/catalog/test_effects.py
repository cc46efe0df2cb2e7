"""The effect word of a call, the rules on arguments, and the words for both."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect, Raise, Rule, When

FIELDS: list[dict[str, Any]] = [
    {"name": "tenant_filter", "type": "text", "kind": "tenant", "to": "body.tenantFilter"},
    {"name": "action", "type": "choice", "choices": ["sync", "wipe"], "to": "body.Action"},
    {"name": "enabled", "type": "flag", "optional": True, "to": "body.Enable"},
    {"name": "users", "type": "text", "many": True, "optional": True, "kind": "user", "to": "body.users"},
]


def action(**changes: Any) -> Action:
    given = {"name": "run_it", "group": "user", "title": "Run", "summary": "Run it.", "role": "A.B", "effect": "set"}
    return Action.model_validate({**given, "endpoint": "POST /api/X", "fields": FIELDS, **changes})


def test_the_effects_stand_in_the_order_of_their_strength() -> None:
    assert [e.value for e in sorted(Effect, key=lambda e: e.strength)] == [
        "read", "probe", "set", "create", "reveal", "remove", "destroy", "govern",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("effect", "asks", "types_name"),
    [
        ("read", False, False),
        ("probe", False, False),
        ("set", False, False),
        ("create", False, False),
        ("reveal", True, False),
        ("remove", True, False),
        ("destroy", True, True),
        ("govern", True, True),
    ],
)
def test_who_is_asked_follows_from_the_effect_alone(effect: str, asks: bool, types_name: bool) -> None:
    assert (Effect(effect).asks, Effect(effect).types_name) == (asks, types_name)


def test_each_choice_has_its_own_word_and_the_strongest_wins() -> None:
    made = action(
        by={"action": {"sync": "set", "wipe": "destroy"}}, raises=[{"argument": "enabled", "is": [False], "to": "remove"}]
    )

    assert made.effect_of({"action": "sync", "enabled": True}) is Effect.SET
    assert made.effect_of({"action": "sync", "enabled": False}) is Effect.REMOVE
    assert made.effect_of({"action": "wipe", "enabled": False}) is Effect.DESTROY
    assert made.strongest is Effect.DESTROY


def test_a_word_for_only_some_of_the_choices_does_not_load() -> None:
    with pytest.raises(ValidationError, match="a word to each of its choices"):
        action(by={"action": {"sync": "set"}})


def test_a_raise_on_an_argument_that_does_not_exist_does_not_load() -> None:
    with pytest.raises(ValidationError, match="no field named colour"):
        action(raises=[{"argument": "colour", "given": True, "to": "remove"}])


@pytest.mark.parametrize(
    ("when", "arguments", "met"),
    [
        ({"is": [False]}, {}, True),  # a flag that is left out is false to CIPP
        ({"is": [False]}, {"enabled": False}, True),
        ({"is": [False]}, {"enabled": True}, False),
        ({"is": [True]}, {"enabled": 1}, False),
        ({"is": ["a", "b"]}, {"enabled": "b"}, True),
        ({"holds": ["x"]}, {"enabled": ["w", "x"]}, True),
        ({"holds": ["x"]}, {"enabled": "x"}, False),
        ({"has": "pa"}, {"enabled": "a path"}, True),
        ({"has": "pa"}, {}, False),
        ({"given": True}, {"enabled": ""}, False),
        ({"given": True}, {"enabled": []}, False),
        ({"given": True}, {"enabled": False}, False),
        ({"given": True}, {"enabled": 0}, True),
    ],
)
def test_a_condition_holds_for_exactly_its_values(when: dict[str, Any], arguments: dict[str, Any], met: bool) -> None:
    assert When.model_validate({"argument": "enabled", **when}).met(arguments) is met


def test_a_raise_says_when_it_applies() -> None:
    assert str(Raise.model_validate({"argument": "enabled", "is": [False], "to": "remove"})) == "enabled is false"
    assert str(Raise.model_validate({"argument": "x", "holds": ["a", "b"], "to": "remove"})) == "x has a or b"
    assert str(Raise.model_validate({"argument": "x", "has": "a", "to": "remove"})) == "x contains a"
    assert str(Raise.model_validate({"argument": "x", "given": True, "to": "remove"})) == "x is given"


def test_a_rule_of_one_of_may_hold_in_a_case_only() -> None:
    rule = Rule.model_validate({"one_of": ["a", "b"], "when": {"argument": "op", "is": ["Remove"]}})

    assert rule.problem({"op": "Add"}) is None and rule.problem({"op": "Remove", "b": "x"}) is None
    assert rule.problem({"op": "Remove", "a": False}) == "Give at least one of: a, b; op is Remove."


def test_what_is_ignored_is_said_and_refused_only_where_the_rule_says_so() -> None:
    when = {"argument": "op", "is": ["Add"]}
    told = Rule.model_validate({"ignored": ["a", "b"], "when": when})
    refused = Rule.model_validate({"ignored": ["a"], "when": when, "refused": True, "says": "a needs another op."})

    assert told.remark({"op": "Add", "b": "x"}) == "CIPP ignores b when op is Add."
    assert told.problem({"op": "Add", "b": "x"}) is told.remark({"op": "Remove", "b": "x"}) is None
    assert refused.problem({"op": "Add", "a": "x"}) == "a needs another op."
    assert refused.problem({"op": "Remove", "a": "x"}) is refused.problem({"op": "Add", "a": False}) is None


def test_a_rule_of_one_of_takes_any_that_says_something() -> None:
    rule = Rule.model_validate({"one_of": ["a", "b"]})

    assert rule.problem({"b": True}) is None
    assert rule.problem({"a": False, "b": ""}) == "Give at least one of: a, b."
    assert str(rule) == "Needs one of: a, b."


def test_a_rule_of_needs_speaks_only_when_its_condition_holds() -> None:
    rule = Rule.model_validate({"needs": ["at"], "when": {"argument": "later", "is": [True]}})

    assert rule.problem({"later": False}) is None
    assert rule.problem({"later": True, "at": "x"}) is None
    assert rule.problem({"later": True}) == "at must be given when later is true."
    assert str(rule) == "Needs at when later is true."


@pytest.mark.parametrize("raw", [{}, {"needs": ["a"], "one_of": ["b"]}, {"ignored": ["a"]}])
def test_a_rule_is_of_one_kind(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="a rule has"):
        Rule.model_validate(raw)
