"""For every tool: right arguments become a request that CIPP's contract knows, wrong ones are refused by name.

A sample runs always; `pytest -m slow` runs 10,000 cases for each group, half of them wrong.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cipp_mcp.catalog import facts
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.contract import amended, unknown_places
from cipp_mcp.catalog.manifests import load
from cipp_mcp.errors import InvalidArguments
from tests.catalog.arguments import right, wrong
from tests.catalog.requests import checked, request_of

CATALOG = load()
GROUPS = {g: [a for a in CATALOG if a.group == g and not a.own] for g in CATALOG.groups}
FILLED = [g for g, actions in GROUPS.items() if actions]
OPERATIONS = amended((held := facts.read()).operations, held.differences)
# What is inside an object that the caller gives is the caller's.
FREE = {a.name: tuple(p for f in a.fields if f.type == "object" for p in (f"{f.to}.", f"{f.to}[].")) for a in CATALOG}
SAMPLE = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
WHOLE = settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def encodes(action: Action, data: st.DataObject) -> None:
    arguments = checked(action, data.draw(right(action)))
    request = request_of(action, arguments)

    assert f"{request.method} {request.path}" == action.endpoint
    assert action.endpoint in OPERATIONS, "No facts. Run: python -m cipp_mcp facts OPENAPI.json"
    unknown = unknown_places(OPERATIONS[action.endpoint], request.query, request.body)
    assert [p for p in unknown if not p.startswith(FREE[action.name])] == []
    assert all(isinstance(text, str) for text in request.query.values())
    json.dumps(request.body, allow_nan=False)


def refuses(action: Action, data: st.DataObject) -> None:
    made = data.draw(wrong(action))

    with pytest.raises(InvalidArguments) as refused:
        checked(action, made.given)
    for name, fault in made.faults.items():
        assert any(name in problem for problem in refused.value.problems), (fault, name, refused.value.problems)


@pytest.mark.parametrize("name", [a.name for a in CATALOG if not a.own])
@SAMPLE
@given(data=st.data())
def test_some_right_and_wrong_arguments_of_each_tool(name: str, data: st.DataObject) -> None:
    (encodes if data.draw(st.booleans()) else refuses)(CATALOG.get(name), data)


@pytest.mark.slow
@pytest.mark.parametrize("group", FILLED)
@WHOLE
@given(data=st.data())
def test_right_arguments_become_a_request_that_the_contract_knows(group: str, data: st.DataObject) -> None:
    encodes(data.draw(st.sampled_from(GROUPS[group])), data)


@pytest.mark.slow
@pytest.mark.parametrize("group", FILLED)
@WHOLE
@given(data=st.data())
def test_wrong_arguments_are_refused_by_name(group: str, data: st.DataObject) -> None:
    refuses(data.draw(st.sampled_from(GROUPS[group])), data)
