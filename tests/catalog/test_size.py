"""What a model carries every turn is counted, so that growth is a decision; and what the listing leaves out still holds.

Bytes, because the tokenizer is no part of this project: 76 kB is the mark for what a host gives to the model. 68,383 bytes of
131 tools (without the patterns of ids) were 16,839 tokens on 2026-11-24, which is 0.2462 tokens a byte. Counted in an empty
folder with

    npm install @anthropic-ai/tokenizer@0.0.4
    python -m cipp_mcp tools --json > tools.json
    node -e "const {countTokens: n} = require('@anthropic-ai/tokenizer'); console.log(require('./tools.json').reduce(
        (sum, t) => sum + n(t.name + t.description + JSON.stringify(t.input_schema)), 0))"
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog, load
from cipp_mcp.errors import InvalidArguments
from cipp_mcp.server.surface import INSTRUCTIONS, to_tool
from tests.catalog.requests import BOUNDS

MOST_IN_ALL = 72_000
MOST = 850
"""For one tool, but for those that have many arguments or long closed lists."""
LARGER = {
    "add_user": 2_300,
    "assign_intune_policy": 2_050,
    "offboard_user": 1_950,
    "edit_group": 1_850,
    "add_scheduled_item": 1_500,
    "assign_app": 1_450,
    "add_defender_deployment": 1_400,
    "add_intune_policy": 1_400,
    "add_office_app": 1_350,
    "run_device_action": 1_350,
    "add_group": 1_350,
    "list_intune_policies": 1_200,
    "set_ca_exclusion": 1_250,
    "add_alert_rule": 1_150,
    "add_chocolatey_app": 1_150,
    "query_graph": 1_150,
    "add_msp_app": 1_000,
    "edit_calendar_permissions": 1_050,
    "set_out_of_office": 1_050,
    "add_winget_app": 900,
    "set_site_member": 1_000,
    "set_security_incident": 950,
    "remove_intune_policy": 900,
}
SAID_ONCE = "no list and no needed text is empty, and ids, UPNs and file names have no blanks, quotes or / ? # & % \\"

ACTIONS = [pytest.param(a, id=a.name) for a in load()]


def size(action: Action) -> int:
    """Bytes of what a host gives to the model for this tool."""
    tool = to_tool(action)
    schema = json.dumps(tool.input_schema, ensure_ascii=False, separators=(",", ":"))
    return len(f"{tool.name}{tool.description}{schema}".encode())


@pytest.mark.parametrize("action", ACTIONS)
def test_a_tool_costs_no_more_than_it_may(action: Action) -> None:
    assert size(action) <= LARGER.get(action.name, MOST)


def test_all_tools_together_cost_no_more_than_they_may(catalog: Catalog) -> None:
    sizes = {a.name: size(a) for a in catalog if not a.lean}
    largest = ", ".join(f"{name} {bytes_}" for name, bytes_ in sorted(sizes.items(), key=lambda s: -s[1])[:10])

    assert sum(sizes.values()) <= MOST_IN_ALL, f"{sum(sizes.values())} bytes for {len(sizes)} tools. Largest: {largest}"


def test_what_is_allowed_to_be_larger_is(catalog: Catalog) -> None:
    assert [name for name in LARGER if size(catalog.get(name)) <= MOST] == []


@pytest.mark.parametrize("action", ACTIONS)
def test_every_listed_property_has_a_type_and_every_list_has_items(action: Action) -> None:
    for name, schema in inputs.schema(action)["properties"].items():
        for one in schema.get("anyOf", [schema]):
            assert one["type"] != "array" or one["items"]["type"], name


@pytest.mark.parametrize("action", ACTIONS)
def test_the_listing_leaves_out_only_what_holds_for_every_tool(action: Action) -> None:
    listed, enforced = inputs.schema(action), inputs.enforced(action)

    assert {k: v for k, v in listed.items() if k != "properties"} == {k: v for k, v in enforced.items() if k != "properties"}
    assert list(listed["properties"]) == list(enforced["properties"])
    for name, whole in enforced["properties"].items():
        for short, full in _pairs(listed["properties"][name], whole):
            left_out = {k for k in full if k not in short}
            assert left_out <= {"minLength", "minItems"}, name
            assert {k: v for k, v in short.items() if k not in {"items", "anyOf"} and full.get(k) != v} == {}, name


@pytest.mark.parametrize("action", ACTIONS)
def test_what_the_listing_leaves_out_is_refused_by_name(action: Action) -> None:
    for f in action.fields:
        listed, full = inputs.schema(action)["properties"][f.name], inputs.enforced(action)["properties"][f.name]
        for short, one in _pairs(listed, full):
            if "minItems" in one:
                assert f"{f.name} must not be empty." in _problems(action, f.name, [])
            if "minLength" in one and not f.many:
                assert f"{f.name} must not be empty." in _problems(action, f.name, "")
            if "pattern" in one and "pattern" not in short:
                bad = 'a" b'
                said = _problems(action, f.name, [bad] if f.many else bad)
                assert any(p.startswith(f.name) and "not allowed here" in p for p in said), f.name


def test_what_the_listing_leaves_out_is_said_in_the_instructions() -> None:
    assert SAID_ONCE in INSTRUCTIONS


def _pairs(listed: Mapping[str, Any], full: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """A property as listed and as enforced, and what is inside it."""
    yield listed, full
    if "items" in full:
        yield from _pairs(listed["items"], full["items"])
    for short, one in zip(listed.get("anyOf", ()), full.get("anyOf", ()), strict=True):
        yield from _pairs(short, one)


def _problems(action: Action, name: str, value: Any) -> list[str]:
    with pytest.raises(InvalidArguments) as refused:
        inputs.check(action, {name: value}, bounds=BOUNDS)
    return refused.value.problems
