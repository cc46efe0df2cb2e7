"""What a tool's schema says, and what is said once for all, is what its check enforces; every problem is named at once."""

from __future__ import annotations

from typing import Any

import pytest

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.errors import InvalidArguments

BOUNDS = {"timeout": 120.0, "batch_size": 4.0, "batch_interval": 2.0}
GOOD: dict[str, Any] = {"tenant_filter": "fabrikam.example", "user_ids": ["ana@fabrikam.example"], "operation": "Add"}


def tool(**changes: Any) -> Action:
    fields: list[dict[str, Any]] = [
        {"name": "tenant_filter", "type": "text", "kind": "tenant", "to": "body.tenantFilter"},
        {"name": "user_ids", "type": "text", "kind": "user", "many": True, "to": "body.users", "pattern": "^[^\\s/]+$"},
        {"name": "operation", "type": "choice", "choices": ["Add", "Remove"], "to": "body.op"},
        {"name": "note", "type": "text", "optional": True, "to": "body.note", "summary": "Kept with the task"},
        {"name": "days", "type": "number", "optional": True, "least": 1, "most": 30, "to": "body.days"},
        {"name": "priority", "type": "choice", "choices": [1, 2], "optional": True, "to": "body.priority"},
        {"name": "enabled", "type": "flag", "default": True, "to": "body.Enabled"},
        {"name": "at", "type": "time", "optional": True, "to": "body.at"},
        {"name": "day", "type": "time", "optional": True, "to": "body.day", "as": "yyyymmdd"},
        {"name": "data", "type": "object", "optional": True, "to": "body.data"},
        {"name": "script", "type": "text", "optional": True, "template": True, "to": "body.script"},
        {"name": "owner", "type": "text", "many": True, "single": True, "optional": True, "to": "body.owner"},
    ]
    given = {"name": "change_it", "group": "user", "title": "Change", "summary": "Change it.", "role": "A.B", "effect": "remove"}
    return Action.model_validate({**given, "endpoint": "POST /api/X", "fields": fields, **changes})


def problems(given: Any, **changes: Any) -> list[str]:
    with pytest.raises(InvalidArguments) as refused:
        inputs.check(tool(**changes), given, bounds=BOUNDS)
    return refused.value.problems


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tenant_filter": 1}, "tenant_filter must be a text, not a number."),
        ({"tenant_filter": None}, "tenant_filter must be a text, not null."),
        ({"tenant_filter": ""}, "tenant_filter must not be empty."),
        ({"user_ids": "ana"}, "user_ids must be a list, not a text."),
        ({"user_ids": []}, "user_ids must not be empty."),
        ({"user_ids": ["ana", 2]}, "user_ids[1] must be a text, not a number."),
        ({"user_ids": ["a b"]}, "user_ids[0] has characters or a form that is not allowed here."),
        ({"user_ids": ["ana\n"]}, "user_ids[0] has characters or a form that is not allowed here."),
        ({"user_ids": ["ana", "ANA"]}, "user_ids names a target twice."),
        ({"user_ids": [f"u{n}" for n in range(26)]}, "user_ids names 26 targets; at most 25 go into one call."),
        ({"operation": "add"}, "operation must be one of: Add, Remove."),
        ({"priority": 3}, "priority must be one of: 1, 2."),
        ({"days": 0}, "days must be at least 1."),
        ({"days": 31}, "days must be at most 30."),
        ({"days": 1.5}, "days must be a whole number, not a number."),
        ({"days": True}, "days must be a whole number, not true or false."),
        ({"enabled": "true"}, "enabled must be true or false, not a text."),
        ({"enabled": None}, "enabled must be true or false, not null."),
        ({"at": "tomorrow"}, "at must be a time such as 2026-11-24T08:00:00Z."),
        ({"at": "2026-11-24T08:00:00"}, "at must be a time such as 2026-11-24T08:00:00Z."),
        ({"day": "24.11.2026"}, "day must be a date such as 2026-11-24."),
        ({"data": [1]}, "data must be an object, not a list."),
        ({"owner": 3}, "owner must be a text or a list, not a number."),
        ({"owner": []}, "owner must not be empty."),
        ({"owner": ["ana", 3]}, "owner[1] must be a text, not a number."),
        ({"note": "a\u200bb"}, "note has control or invisible characters."),
        ({"note": "a\x00b"}, "note has control or invisible characters."),
        ({"note": "\U000e0041"}, "note has control or invisible characters."),
        ({"note": "\ud800"}, "note has control or invisible characters."),
        ({"data": {"k": {"l": ["\u202e"]}}}, "data has control or invisible characters."),
        ({"data": {"\u2066": 1}}, "data has control or invisible characters."),
        ({"note": "hello %tenantname%"}, "note has a %name% that CIPP would replace with a variable."),
        ({"note": "x" * 100_001}, "note is longer than 100000 characters."),
        ({"noet": "x"}, "'noet' is not an argument of this tool; did you mean note?"),
        ({"zzzzzz": "x"}, "'zzzzzz' is not an argument of this tool."),
        ({"request_options": {"retries": 3}}, "request_options has no 'retries'; it takes timeout, batch_size, batch_interval."),
        ({"request_options": {"timeout": 500}}, "request_options.timeout must be above 0 and at most 120, the operator's value."),
        ({"request_options": {"timeout": 0}}, "request_options.timeout must be above 0 and at most 120, the operator's value."),
        ({"request_options": {"batch_size": 1.5}}, "request_options.batch_size must be a whole number."),
        (
            {"request_options": {"batch_interval": 1}},
            "request_options.batch_interval must be 2 (the operator's value) to 60 seconds.",
        ),
    ],
)
def test_a_wrong_argument_is_named_in_one_sentence(given: dict[str, Any], says: str) -> None:
    assert problems({**GOOD, **given}) == [says]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        (r"^[^\s/]+$", ""),
        (r"^[^\s/]+@[^\s/]+$", " (such as ana@fabrikam.example)"),
        (r"^https://[a-z]+\.example$", r" (it must match ^https://[a-z]+\.example$)"),
    ],
)
def test_a_form_that_the_listing_does_not_show_is_named_when_it_is_missed(pattern: str, hint: str) -> None:
    field = {"name": "key", "type": "text", "pattern": pattern, "to": "body.key"}

    assert problems({"key": "a/b"}, fields=[field]) == [f"key has characters or a form that is not allowed here{hint}."]


def test_all_problems_come_back_at_once() -> None:
    found = problems({"user_ids": [], "operation": "x", "note": "\u200b", "extra": 1})

    assert found == [
        "tenant_filter must be given.",
        "'extra' is not an argument of this tool.",
        "operation must be one of: Add, Remove.",
        "user_ids must not be empty.",
        "note has control or invisible characters.",
    ]


def test_arguments_that_are_no_object_are_refused() -> None:
    nothing: list[Any] = [None, [], "x", 3]
    for given in nothing:
        assert problems(given) == ["The arguments must be one JSON object."]


def test_a_rule_is_checked_after_the_schema() -> None:
    rules = [{"needs": ["note"], "when": {"argument": "operation", "is": ["Remove"]}}]

    assert problems({**GOOD, "operation": "Remove"}, rules=rules) == ["note must be given when operation is Remove."]


def test_a_denied_path_is_refused_wherever_it_stands() -> None:
    found = problems({**GOOD, "data": {"url": ["users/ana/Authentication"]}}, denies=["users/*/authentication"])

    assert found == ["This asks for users/*/authentication, which this tool never reads."]


def test_what_is_right_passes_unchanged_with_defaults_filled_in() -> None:
    given = {**GOOD, "script": "%cipp%", "owner": "ana", "at": "2026-11-24T08:00:00Z", "day": "2026-11-24", "confirm": "plan_1"}

    arguments, options = inputs.check(tool(), {**given, "request_options": {"timeout": 10}}, bounds=BOUNDS)

    assert dict(arguments) == {**{k: v for k, v in given.items() if k != "confirm"}, "enabled": True}
    assert dict(options) == {"timeout": 10}


def test_confirm_is_listed_only_where_a_yes_may_be_needed() -> None:
    assert "confirm" in inputs.schema(tool())["properties"]
    reading = tool(effect="read", fields=[], endpoint="GET /api/X")
    assert "confirm" not in inputs.schema(reading)["properties"]


def test_a_listed_schema_has_no_top_level_combinators_and_no_open_end(catalog: Any) -> None:
    for action in catalog:
        listed = inputs.schema(action)
        assert set(listed) <= {"type", "properties", "required", "additionalProperties"}, action.name
        assert listed["additionalProperties"] is inputs.enforced(action)["additionalProperties"] is False, action.name
