"""Every example of every manifest is a test vector: these arguments give exactly this request."""

from __future__ import annotations

from typing import Any

import pytest

from cipp_mcp.catalog.action import Action, Example
from cipp_mcp.catalog.manifests import Catalog, load
from tests.catalog.requests import checked, request_of

VECTORS = [pytest.param(a, e, id=f"{a.name}-{n}") for a in load() if not a.own for n, e in enumerate(a.examples)]


@pytest.mark.parametrize(("action", "example"), VECTORS)
def test_an_example_becomes_exactly_the_request_it_states(action: Action, example: Example) -> None:
    request = request_of(action, checked(action, example.given), example.stored)
    sent: dict[str, Any] = {"query": dict(request.query)} if request.query else {}
    if request.body is not None:
        sent["body"] = request.body

    assert sent == dict(example.sends)


def test_every_action_has_an_example_and_no_word_is_left_to_decide(catalog: Catalog) -> None:
    assert [a.name for a in catalog if not a.examples] == []
    texts = {a.name: (a.title, a.summary, a.role, *a.words, *a.columns, *(v.claimed for v in a.verify)) for a in catalog}
    assert [name for name, said in texts.items() if "?" in said] == []


def test_every_write_says_how_it_is_proved_or_why_it_cannot_be(catalog: Catalog) -> None:
    assert [a.name for a in catalog if a.strongest.value not in {"read", "probe"} and not a.verify] == []


def test_every_argument_is_used_by_an_example_or_is_optional(catalog: Catalog) -> None:
    for action in catalog:
        given = {name for e in action.examples for name in e.given}
        assert {f.name for f in action.fields if f.required} <= given, action.name
