"""What a tool's schema says, and what is said once for all, is what its check enforces; every problem is named at once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog
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
        ({"user_ids": ["a b"]}, "user_ids[0] has characters or a form that is not allowed here (UPN or object id)."),
        ({"user_ids": ["ana\n"]}, "user_ids[0] has characters or a form that is not allowed here (UPN or object id)."),
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
        ({"filter": {"a": 1}}, "'filter' is not an argument of this tool; it goes into request_options."),
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


def test_what_goes_elsewhere_is_said_and_of_very_many_problems_the_first_are_named() -> None:
    handed = {"name": "arguments", "type": "object", "optional": True, "to": "own.arguments"}
    assert problems({"note": "x"}, fields=[handed]) == [
        "'note' is not an argument of this tool; what the action takes goes into arguments."
    ]
    found = problems({**GOOD, "user_ids": ["a b"] * 300, **{f"{n}": n for n in range(90)}})
    assert len(found) == 21 and found[-1] == "There are 283 more."
    assert "There are 80 more." in found[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"user_ids": ["x" * 3_000_000], "operation": 1}, ["user_ids is longer than 100000 characters."]),
        ({"data": {"x" * 100_001: 1}}, ["data is longer than 100000 characters."]),
        ({"x" * 100_001: 1}, ["An argument is longer than 100000 characters."]),
        ({"user_ids": ["a"] * 200_000}, ["The arguments hold 10000 values or more."]),
        ({"data": {"k": [[]] * 10_000}}, ["The arguments hold 10000 values or more."]),
        ({f"{n}": 1 for n in range(100_000)}, ["The arguments hold 10000 values or more."]),
    ],
    ids=["text", "inner name", "name", "list", "nested", "names"],
)
def test_what_is_far_too_large_is_not_held_against_the_schema(given: dict[str, Any], says: list[str]) -> None:
    assert problems({**GOOD, **given}) == says


def test_no_text_keeps_a_pattern_busy(catalog: Catalog) -> None:
    patterns = {f.pattern: (action, f) for action in catalog for f in action.fields if f.pattern}
    hostile = ["@" * 100_000 + " ", "a@" * 50_000 + " ", "#EXT#" * 20_000 + " ", "a." * 50_000 + " ", "https://" + "a-" * 49_000]
    began = time.monotonic()
    for action, f in patterns.values():
        for text in hostile:
            with pytest.raises(InvalidArguments):
                inputs.check(action, {f.name: [text] if f.many else text}, bounds=BOUNDS)
    assert time.monotonic() - began < 20


def test_a_rule_is_checked_after_the_schema() -> None:
    rules = [{"needs": ["note"], "when": {"argument": "operation", "is": ["Remove"]}}]

    assert problems({**GOOD, "operation": "Remove"}, rules=rules) == ["note must be given when operation is Remove."]


ID = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01"
TENANT = {"tenant_filter": "fabrikam.example"}
APP = {**TENANT, "app_id": ID}
LEAVER = {**TENANT, "users": ["ana@fabrikam.example"], "disable_sign_in": True}
NEXT_WEEK = "2026-12-01T08:00:00Z"
STORE = {"tenants": ["fabrikam.example"], "package_name": "9WZDNCRFJ3PZ", "application_name": "Company Portal"}
IGNORED = [
    ("assign_app", APP | {"assign_to": "AllUsers", "group_ids": [ID]}, "CIPP ignores group_ids when assign_to is given."),
    ("assign_app", APP | {"group_ids": [ID], "group_names": ["Pilot"]}, "CIPP ignores group_names when group_ids is given."),
    ("add_store_app", STORE | {"custom_group": "Pilot"}, "CIPP looks at custom_group only with assign_to customGroup."),
    (
        "list_audit_logs",
        TENANT | {"end_date": "2026-11-24T08:00:00Z"},
        "CIPP ignores end_date without start_date, and gives all that it has.",
    ),
    (
        "set_security_incident",
        TENANT | {"incident_id": "7", "status": "resolved", "determination": "phishing"},
        "CIPP looks at determination only with classification.",
    ),
    ("list_teams", TENANT | {"team_id": ID}, "CIPP ignores team_id when type is List."),
    ("run_extension_sync", {"extension": "Hudu", "tenant_id": ID}, "CIPP ignores tenant_id when extension is Gradient or Hudu."),
]
OTHERWISE = [
    ("offboard_user", LEAVER | {"scheduled_time": NEXT_WEEK}, "scheduled_time needs schedule: without it CIPP begins at once."),
    (
        "add_user",
        TENANT | {"username": "ana", "domain": "fabrikam.example", "display_name": "Ana", "scheduled_time": NEXT_WEEK},
        "scheduled_time needs schedule: without it CIPP makes the user at once.",
    ),
    (
        "set_ca_exclusion",
        TENANT | {"policy_id": ID, "users": ["ana@fabrikam.example"], "exclusion_type": "Add", "end_date": NEXT_WEEK},
        "start_date and end_date need vacation: without it the exclusion has no end.",
    ),
    ("add_store_app", STORE | {"assign_to": "customGroup"}, "custom_group must be given when assign_to is customGroup."),
]


@pytest.mark.parametrize(("name", "given", "says"), IGNORED)
def test_what_cipp_ignores_is_taken_and_said(catalog: Catalog, name: str, given: dict[str, Any], says: str) -> None:
    action = catalog.get(name)
    arguments, _ = inputs.check(action, given, bounds=BOUNDS)
    assert action.remarks(arguments) == [says]


@pytest.mark.parametrize(("name", "given", "says"), OTHERWISE)
def test_what_would_do_something_else_is_refused(catalog: Catalog, name: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        inputs.check(catalog.get(name), given, bounds=BOUNDS)
    assert list(refused.value.problems) == [says]


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
