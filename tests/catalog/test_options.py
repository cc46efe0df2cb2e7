"""What a call may ask beside its arguments: each thing that is wrong has its own sentence, and nothing is dropped in silence."""

from __future__ import annotations

from typing import Any

import pytest

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.errors import InvalidArguments
from tests.catalog.requests import BOUNDS

T = {"tenant_filter": "fabrikam.example"}
FIELDS = "request_options.fields must be a list of 1 to 50 columns or dotted paths."
FILTER = "request_options.filter must be an object: column or dotted path -> value."
LIMIT = "request_options.limit must be a whole number from 1 to 1000."
VALUE = "request_options.filter: 'mail' must be null, true, false, a number, a short text or a list of these."

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"fields": "mail"}, FIELDS),
    ({"fields": []}, FIELDS),
    ({"fields": [""]}, FIELDS),
    ({"fields": ["mail", 3]}, FIELDS),
    ({"fields": ["m\u200bail"]}, FIELDS),
    ({"fields": ["x"] * 51}, FIELDS),
    ({"fields": ["x" * 201]}, FIELDS),
    ({"filter": []}, FILTER),
    ({"filter": {}}, FILTER),
    ({"filter": {"": 1}}, FILTER),
    ({"filter": {"mail": {"a": 1}}}, VALUE),
    ({"filter": {"mail": []}}, VALUE),
    ({"filter": {"mail": [["a"]]}}, VALUE),
    ({"filter": {"mail": "x" * 201}}, VALUE),
    ({"limit": 0}, LIMIT),
    ({"limit": 1001}, LIMIT),
    ({"limit": 2.5}, LIMIT),
    ({"limit": True}, LIMIT),
    ({"limit": None}, LIMIT),
    (
        {"columns": ["a"]},
        "request_options has no 'columns'; it takes timeout, batch_size, batch_interval, fields, filter, limit.",
    ),
]


def problems(catalog: Catalog, tool: str, options: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidArguments) as refused:
        inputs.check(catalog.get(tool), {**T, "request_options": options}, bounds=BOUNDS)
    return refused.value.problems


@pytest.mark.parametrize(("options", "says"), WRONG)
def test_a_wrong_option_is_named_in_one_sentence(catalog: Catalog, options: dict[str, Any], says: str) -> None:
    assert problems(catalog, "list_users", options) == [says]


def test_several_wrong_options_come_back_at_once(catalog: Catalog) -> None:
    assert problems(catalog, "list_users", {"fields": [], "limit": 0, "timeout": 0})[:2] == [FIELDS, LIMIT]


@pytest.mark.parametrize("option", [{"limit": 3}, {"fields": ["id"]}, {"filter": {"id": None}}])
def test_what_shapes_a_list_is_refused_where_there_is_none(catalog: Catalog, option: dict[str, Any]) -> None:
    (name,) = option
    assert problems(catalog, "find_action", option)[-1] == f"request_options.{name} shapes lists; this tool gives none."
    assert problems(catalog, "remove_user", option)[-1] == f"request_options.{name} shapes lists; this tool gives none."


def test_what_is_right_passes_unchanged(catalog: Catalog) -> None:
    options = {
        "fields": ["displayName", "manager.displayName"],
        "filter": {"mail": "a*", "city": None, "age": [1, 2.5], "on": True},
        "limit": 1000,
    }
    assert inputs.check(catalog.get("list_users"), {**T, "request_options": options}, bounds=BOUNDS)[1] == options
