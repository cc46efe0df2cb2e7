"""A document's facts: what is taken, what survives as written, and what a hostile document cannot do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cipp_mcp.catalog import openapi
from cipp_mcp.catalog.openapi import operations
from cipp_mcp.errors import SettingsError


def document(paths: dict[str, Any], **components: Any) -> str:
    return json.dumps({"openapi": "3.1.0", "paths": paths, "components": components})


def posting(schema: Any, **changes: Any) -> dict[str, Any]:
    return {"/api/X": {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}, **changes}}}


def query(*names: str, required: bool = False) -> list[dict[str, Any]]:
    return [{"name": n, "in": "query", "required": required, "schema": {"type": "string"}} for n in names]


def test_an_operation_has_its_method_role_names_types_and_what_is_required() -> None:
    body = {
        "type": "object",
        "required": ["ID"],
        "properties": {
            "ID": {"type": "string"},
            "Enable": {"type": "boolean"},
            "days": {"type": ["integer", "null"]},
            "Action": {"type": "string", "enum": ["a", "b"]},
            "Scheduled": {"type": "object", "properties": {"date": {"type": "string"}}},
            "rows": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            "licenses": {"type": "array", "items": {"$ref": "#/components/schemas/LabelValue"}},
            "copyFrom": {"allOf": [{"$ref": "#/components/schemas/LabelValue"}], "description": "whom"},
        },
    }
    option = {"type": "object", "properties": {"label": {"type": "string"}, "value": {"type": "string"}}, "required": ["value"]}
    parameters = [*query("ID"), {"$ref": "#/components/parameters/tenant"}]
    tenant = {"name": "tenantFilter", "in": "query", "required": True, "schema": {"type": "string"}}
    text = document(
        posting(body, parameters=parameters, **{"x-cipp-role": "A.B.Read", "summary": "Do it"}),
        schemas={"LabelValue": option},
        parameters={"tenant": tenant},
    )

    found = operations(text)["POST /api/X"]

    assert found.role == "A.B.Read"
    assert found.summary == "Do it"
    assert found.query == {"query.ID": "text", "query.tenantFilter": "text"}
    assert found.body == {
        "body.ID": "text",
        "body.Enable": "flag",
        "body.days": "number",
        "body.Action": "text",
        "body.Scheduled": "object",
        "body.Scheduled.date": "text",
        "body.rows": "object[]",
        "body.rows[].x": "text",
        "body.licenses": "option[]",
        "body.copyFrom": "option",
    }
    assert found.required == {"body.ID", "query.tenantFilter"}
    assert found.choices == {"body.Action": ("a", "b")}
    assert not found.open


def test_names_survive_exactly_as_written() -> None:
    body = {
        "type": "object",
        "properties": {"ID": {"type": "string"}, "id": {"type": "integer"}, "@odata.type": {"type": "string"}},
    }

    found = operations(document(posting(body, parameters=query("$filter", "Filter", "filter"))))["POST /api/X"]

    assert list(found.query) == ["query.$filter", "query.Filter", "query.filter"]
    assert found.body == {"body.ID": "text", "body.id": "number", "body.@odata.type": "text"}


def test_a_body_that_is_a_list_and_one_that_takes_anything_are_told() -> None:
    listed = {
        "type": "array",
        "items": {"type": "object", "properties": {"userIds": {"type": "array", "items": {"type": "string"}}}},
    }
    opened = {"type": "object", "properties": {}, "additionalProperties": True}

    assert operations(document(posting(listed)))["POST /api/X"].body == {"body[].userIds": "text[]"}
    assert operations(document(posting(opened)))["POST /api/X"].open


def test_every_method_of_a_path_is_an_operation_and_shares_the_paths_parameters() -> None:
    both = {"/api/X": {"parameters": query("a"), "get": {}, "post": {"parameters": query("b")}, "x-extra": 1, "head": {}}}

    found = operations(document(both))

    assert set(found) == {"GET /api/X", "POST /api/X"}
    assert list(found["POST /api/X"].query) == ["query.a", "query.b"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"paths": []}',
        '{"paths": {}}',
        '{"paths": {"/x": 1, "": {"get": {}}}}',
        "openapi: 3.1.0",
    ],
)
def test_what_is_no_document_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        operations(text)

    assert "openapi.json" in refused.value.hint


def test_a_document_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(SettingsError, match="larger than"):
        operations(b" " * (openapi.MOST_BYTES + 1))


def test_circles_of_references_end() -> None:
    schemas = {
        "Tree": {"type": "object", "properties": {"name": {"type": "string"}, "children": {"$ref": "#/components/schemas/Tree"}}},
        "List": {"type": "array", "items": {"$ref": "#/components/schemas/List"}},
        "Self": {"$ref": "#/components/schemas/Self"},
        "All": {"allOf": [{"$ref": "#/components/schemas/All"}]},
    }
    body = {"type": "object", "properties": {n: {"$ref": f"#/components/schemas/{n}"} for n in schemas}}

    found = operations(document(posting(body), schemas=schemas))["POST /api/X"]

    assert found.body["body.Tree.children.children.name"] == "text"
    assert found.body["body.List"] == "any[]"
    assert found.body["body.Self"] == "any"
    assert len(found.body) < 100


def test_a_few_lines_that_unfold_without_end_are_cut() -> None:
    schemas = {
        f"L{n}": {"type": "object", "properties": {f"p{i}": {"$ref": f"#/components/schemas/L{n + 1}"} for i in range(10)}}
        for n in range(12)
    }

    found = operations(document(posting({"$ref": "#/components/schemas/L0"}), schemas=schemas))["POST /api/X"]

    assert len(found.body) == openapi.MOST_NAMES


def test_many_operations_that_unfold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "MOST_NAMES_IN_ALL", 50)
    body = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(20)}}
    paths = {f"/api/X{n}": posting(body)["/api/X"] for n in range(5)}

    with pytest.raises(SettingsError, match="more than 50 names"):
        operations(document(paths))


@pytest.mark.parametrize(
    "junk",
    [
        {"parameters": 1},
        {
            "parameters": [
                None,
                1,
                {"in": "query"},
                {"in": "query", "name": 3},
                {"in": "query", "name": "a\nb"},
                {"$ref": "http://x/y"},
            ]
        },
        {"requestBody": []},
        {"requestBody": {"content": 1}},
        {"requestBody": {"content": {"application/json": 1}}},
        {"requestBody": {"content": {"application/json": {"schema": {"properties": [1], "required": 3, "type": {}}}}}},
        {"requestBody": {"$ref": "#/nowhere/at/all"}},
        {"x-cipp-role": 7, "summary": [], "description": {}},
        {
            "requestBody": {
                "content": {"application/json": {"schema": {"properties": {"a" * 201: {}, "b\u200b": {}}, "allOf": [1, []]}}}
            }
        },
    ],
)
def test_what_is_malformed_is_left_out(junk: dict[str, Any]) -> None:
    found = operations(document({"/api/X": {"post": junk}}))["POST /api/X"]

    assert dict(found.places) == {}
    assert found.role == ""
