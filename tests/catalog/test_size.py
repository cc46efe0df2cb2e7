"""What a model carries every turn is counted, so that growth is a decision; and what the listing leaves out still holds.

Bytes, because the tokenizer is no part of this project; `python -m tests.comparison` counts the tokens of every surface where
npm is there, and fails above 17,000. Of these bytes one is 0.251 of a token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cipp_mcp.catalog import formats, inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog, load
from cipp_mcp.errors import InvalidArguments
from cipp_mcp.server.guide import instructions
from cipp_mcp.server.surface import to_tool
from tests.catalog.requests import BOUNDS

MOST_IN_ALL = 67_600
MOST = 850
"""For one tool, but for those that have many arguments or long closed lists."""
LARGER = {
    "add_user": 2_130,
    "offboard_user": 1_730,
    "edit_group": 1_650,
    "assign_intune_policy": 1_430,
    "add_scheduled_item": 1_490,
    "assign_app": 1_390,
    "add_intune_policy": 1_330,
    "add_defender_deployment": 1_340,
    "add_group": 1_280,
    "add_office_app": 1_320,
    "run_device_action": 1_240,
    "set_ca_exclusion": 1_170,
    "query_graph": 1_120,
    "add_alert_rule": 1_070,
    "add_chocolatey_app": 1_040,
    "set_out_of_office": 1_000,
    "edit_calendar_permissions": 970,
    "add_msp_app": 950,
    "set_site_member": 900,
    "set_security_incident": 890,
}
SAID_ONCE = (
    "no list and no needed text is empty",
    "ids, UPNs, mail addresses and file names have no blanks, quotes or / ? # & % \\ (but a guest's #EXT#)",
)

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

    assert listed["additionalProperties"] is False
    assert {k: v for k, v in listed.items() if k != "properties"} == {k: v for k, v in enforced.items() if k != "properties"}
    assert list(listed["properties"]) == list(enforced["properties"])
    unlisted = {f.name for f in action.fields if f.unlisted}
    for name, whole in enforced["properties"].items():
        for short, full in _pairs(listed["properties"][name], whole):
            left_out = {k for k in full if k not in short}
            may = {"minLength", "minItems", *(["pattern"] if "format" in short else []), *(["enum"] if name in unlisted else [])}
            assert left_out <= may, name
            same = {k: v for k, v in short.items() if k not in {"items", "anyOf", "pattern"}}
            assert same == {k: full.get(k) for k in same}, name


@pytest.mark.parametrize("pattern", sorted({f.pattern for a in load() for f in a.fields if f.pattern}))
@given(data=st.data())
@settings(max_examples=25)
def test_a_pattern_is_never_stricter_as_listed(pattern: str, data: st.DataObject) -> None:
    right = data.draw(st.from_regex(re.compile(pattern), fullmatch=True))

    assert re.search(formats.listed(pattern), right)


@pytest.mark.parametrize("key", ["../x", "a/b", "a b"])
def test_what_divides_an_address_breaks_the_listed_pattern_too(key: str, catalog: Catalog) -> None:
    users = [f for a in catalog for f in a.fields if f.kind == "user" and not f.format]

    assert len(users) > 30
    for f in users:
        assert not re.search(formats.listed(f.pattern or ""), key), f.name


def test_choices_that_are_not_listed_are_named_in_the_error(catalog: Catalog) -> None:
    unlisted = [(a, f) for a in catalog for f in a.fields if f.unlisted]

    assert {(a.name, f.name) for a, f in unlisted} == {
        ("assign_intune_policy", "type"),
        ("list_intune_policies", "url_name"),
        ("remove_intune_policy", "url_name"),
    }
    for action, f in unlisted:
        assert f"{f.name} must be one of: {', '.join(map(str, f.choices))}." in _problems(action, f.name, "users")


@pytest.mark.parametrize("action", ACTIONS)
def test_what_the_listing_leaves_out_is_refused_by_name(action: Action) -> None:
    for f in action.fields:
        listed, full = inputs.schema(action)["properties"][f.name], inputs.enforced(action)["properties"][f.name]
        for short, one in _pairs(listed, full):
            if "minItems" in one:
                assert f"{f.name} must not be empty." in _problems(action, f.name, [])
            if "minLength" in one and not f.many:
                assert f"{f.name} must not be empty." in _problems(action, f.name, "")
            if "pattern" in one and short.get("pattern") != one["pattern"]:
                bad = '" /#'
                said = _problems(action, f.name, [bad] if f.many else bad)
                assert any(p.startswith(f.name) and "not allowed here" in p for p in said), f.name


def test_what_the_listing_leaves_out_is_said_in_the_instructions() -> None:
    assert [fact for fact in SAID_ONCE if fact not in instructions([])] == []


def test_an_argument_that_is_not_listed_is_refused(catalog: Catalog) -> None:
    for action in catalog:
        assert any("'nobody' is not an argument of this tool" in p for p in _problems(action, "nobody", "x")), action.name


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
