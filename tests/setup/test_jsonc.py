"""Text surgery on JSON and JSONC: the value lands where it should, and no other character changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.clients import jsonc

OURS = {"command": "/bin/cipp-mcp", "args": ["serve"]}
PATH = ("servers", "cipp")

COMMENTED = """\
{
    // my servers
    "inputs": [],
    "servers": {
        "other": { "command": "x" }, // keep me
        /* and me */
    },
}
"""


def test_a_member_is_put_behind_the_others_and_comments_stay() -> None:
    after = jsonc.with_member(COMMENTED, PATH, OURS, comments=True)

    assert "// my servers" in after and "// keep me" in after and "/* and me */" in after
    assert jsonc.member_of(after, PATH, comments=True) == OURS
    assert jsonc.member_of(after, ("servers", "other"), comments=True) == {"command": "x"}
    assert '        "cipp": {\n            "command"' in after, "indented as its neighbours"


def test_taking_it_away_again_leaves_the_text_as_it_was() -> None:
    after = jsonc.with_member(COMMENTED, PATH, OURS, comments=True)

    assert jsonc.without_member(after, PATH, comments=True) == COMMENTED


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_file_becomes_a_whole_one(text: str) -> None:
    assert json.loads(jsonc.with_member(text, PATH, OURS, comments=False)) == {"servers": {"cipp": OURS}}


def test_the_ends_of_lines_stay_what_they_were() -> None:
    after = jsonc.with_member('{\r\n\t"a": 1\r\n}\r\n', PATH, OURS, comments=False)

    assert after.count("\n") == after.count("\r\n")
    assert '\r\n\t"servers": {\r\n\t\t"cipp"' in after


@pytest.mark.parametrize(
    ("text", "says"),
    {
        '{"a": 1,}': "line 1",
        "{\n// x\n}": "line 2",
        '{"servers": []}': "servers is no object",
        "[1]": "the whole is no object",
        '{"servers": {}, "servers": {}}': "servers is there twice",
        '{"a": tru}': "line 1",
        '{"a": "x\ny"}': "line 1",
        '{"a": 1} {}': "line 1",
        "{" * 300: "line 1",
        '{"a" 1}': "line 1",
        '{"a": [1 2]}': "line 1",
        '{"a": 1 "b": 2}': "line 1",
    }.items(),
)
def test_what_is_not_understood_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(jsonc.NotJson, match=says):
        jsonc.with_member(text, PATH, OURS, comments=False)


names = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=4)


@given(root=objects, servers=objects, indent=st.sampled_from([None, 2, 4, "\t"]))
def test_any_object_keeps_all_that_it_had(root: dict[str, Any], servers: dict[str, Any], indent: int | str | None) -> None:
    whole = {**root, "servers": {k: v for k, v in servers.items() if k != "cipp"}}
    text = json.dumps(whole, indent=indent)
    put = jsonc.with_member(text, PATH, OURS, comments=False)

    assert json.loads(put) == {**whole, "servers": {**whole["servers"], "cipp": OURS}}
    assert json.loads(jsonc.without_member(put, PATH, comments=False)) == whole
    assert jsonc.with_member(put, PATH, OURS, comments=True) == put or indent != 2


@given(root=objects)
def test_our_reading_agrees_with_the_standard_library(root: dict[str, Any]) -> None:
    text = json.dumps(root, indent=1)

    assert jsonc.parse(text, comments=False).value == root
    assert jsonc.parse(text, comments=True).value == root
