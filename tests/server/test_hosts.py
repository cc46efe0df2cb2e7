"""What hosts and model providers are known to demand of a tool list (2026); a list that breaks one of these is cut or dropped.

Names: VS Code and Claude Code put the server's name before the tool's. Schemas: VS Code refuses an array without items,
model providers refuse combinators at the top, references and property names with other characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import mcp_types as t
import pytest

from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.clients import CLIENTS
from cipp_mcp.server.surface import listed
from cipp_mcp.settings import Surface

NAME = re.compile(r"[a-z0-9_-]{1,48}")
PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
PREFIXES = ("mcp_cipp_", "mcp__cipp-demo__", "mcp__plugin_cipp-mcp_cipp__")
MOST_OF_A_NAME = 128
CUT_AFTER = 2_048
TYPES = {"string", "integer", "boolean", "array", "object"}
KEYWORDS = {"type", "description", "enum", "format", "pattern", "items", "anyOf", "default", "minimum", "maximum"}
VALUES: dict[str, type] = {"string": str, "integer": int, "boolean": bool}


@pytest.fixture(params=list(Surface))
def tools(request: pytest.FixtureRequest, catalog: Catalog) -> list[t.Tool]:
    return listed(catalog, Policy(), request.param)


def inside(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A property's schema and those in it."""
    yield schema
    for inner in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from inside(inner)


def test_names_are_short_and_plain_and_no_two_are_alike(tools: list[t.Tool]) -> None:
    names = [tool.name for tool in tools]

    assert [n for n in names if not NAME.fullmatch(n)] == []
    assert max(len(p + n) for p in PREFIXES for n in names) <= MOST_OF_A_NAME
    assert max(len(PREFIXES[0] + n) for n in names) <= 64
    assert len({n.replace("-", "_") for n in names}) == len(names)


def test_descriptions_are_there_and_are_not_cut_off(tools: list[t.Tool]) -> None:
    for tool in tools:
        assert 3 < len(tool.description or "") <= CUT_AFTER, tool.name
        assert tool.title and len(tool.title) <= 64, tool.name


def test_schemas_are_plain_objects(tools: list[t.Tool]) -> None:
    for tool in tools:
        schema = tool.input_schema
        assert set(schema) - {"required"} == {"type", "properties", "additionalProperties"}, tool.name
        assert schema["type"] == "object" and schema["additionalProperties"] is False, tool.name
        assert set(schema.get("required", [])) <= set(schema["properties"]), tool.name
        assert [p for p in schema["properties"] if not PROPERTY.fullmatch(p)] == [], tool.name


def test_each_property_has_one_type_lists_have_items_and_choices_are_of_the_type(tools: list[t.Tool]) -> None:
    for tool in tools:
        for name, whole in tool.input_schema["properties"].items():
            for one in inside(whole):
                where = f"{tool.name}.{name}"
                assert set(one) <= KEYWORDS and ("anyOf" in one or one["type"] in TYPES), where
                assert ("items" in one) is (one.get("type") == "array"), where
                kind = VALUES.get(one.get("type", ""), object)
                given = [*one.get("enum", ()), *([one["default"]] if "default" in one and "items" not in one else ())]
                assert all(type(value) is kind or kind is object for value in given), where
                assert one.get("enum") != [], where


def test_patterns_are_read_alike_by_python_and_by_javascript(tools: list[t.Tool]) -> None:
    """No group names, look-behinds, possessives or anchors that only one of them has."""
    patterns = {
        one["pattern"]
        for tool in tools
        for p in tool.input_schema["properties"].values()
        for one in inside(p)
        if "pattern" in one
    }

    assert [p for p in patterns if re.search(r"\\[AZz]|\(\?|[*+?}]\+", p)] == []


def test_what_vscode_is_given_is_fewer_tools_than_it_takes_and_the_whole_list_is_not(catalog: Catalog) -> None:
    most = CLIENTS["vscode"].most

    assert len(listed(catalog, Policy(), Surface.LEAN)) <= most < len(listed(catalog, Policy()))


def test_the_listing_is_one_page_of_a_size_that_hosts_take(tools: list[t.Tool]) -> None:
    sent = json.dumps([tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in tools], ensure_ascii=False)

    assert len(sent.encode()) <= 120_000
