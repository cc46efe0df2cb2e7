"""Properties of the encoding: whatever goes in, a reader of plain standards gets it back."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.message import Repeat, Request
from cipp_mcp.wire import outgoing

texts = st.text(st.characters(exclude_categories=["Cs"]))
any_text = st.text(st.characters() | st.characters(categories=["Cs"]))  # lone surrogates included
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
    max_leaves=20,
)


@given(st.dictionaries(texts, texts, max_size=5))
def test_a_query_survives_our_encoding_and_httpx(query: dict[str, str]) -> None:
    url = outgoing.address("https://cipp.example", Request("GET", "/api/X", query=query))
    raw = httpx.URL(url).raw_path.decode("ascii")
    path, _, tail = raw.partition("?")
    assert path == "/api/X"
    assert re.fullmatch(r"[A-Za-z0-9._~=&%-]*", tail)
    if any(name or value for name, value in query.items()):
        assert parse_qsl(tail, keep_blank_values=True, encoding="utf-8", errors="strict") == list(query.items())


@given(any_text, any_text)
def test_no_text_makes_the_address_fail(name: str, value: str) -> None:
    httpx.URL(outgoing.address("https://cipp.example", Request("GET", "/api/X", query={name: value})))


@given(values)
def test_a_body_survives_the_way_through_bytes(body: Any) -> None:
    sent = outgoing.content(body)
    if body is None:
        assert sent is None
        return
    assert sent is not None
    # Standard readers accept a backslash form of a lone surrogate; a pair in two forms is the same text.
    back = json.loads(sent.decode("utf-8"))
    assert json.dumps(back) == json.dumps(body)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_cannot_carry_are_refused(number: float) -> None:
    from cipp_mcp.errors import InvalidArguments

    with pytest.raises(InvalidArguments):
        outgoing.content([number])


@pytest.mark.parametrize("repeat", list(Repeat))
def test_only_writes_ask_for_the_end_of_the_connection(repeat: Repeat) -> None:
    said = outgoing.headers(Request("GET", "/api/X", repeat=repeat), "t")
    assert ("Connection" in said) == (repeat is not Repeat.FREELY)
    assert "X-CIPP-Version" not in said
