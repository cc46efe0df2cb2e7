"""JSON from a file through a window is what the whole text would be: the same values, the same refusals."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.stream import LongList, outline, strict
from tests.call.making import many

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4), max_leaves=12
)
ROWS = st.lists(st.dictionaries(st.text(max_size=6), VALUES, max_size=5) | SCALARS, max_size=12)
BODIES = (
    ROWS | st.fixed_dictionaries({"Results": ROWS, "Metadata": VALUES}) | st.dictionaries(st.text(max_size=8), VALUES) | VALUES
)
LOOK = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}])
WINDOWS = st.sampled_from([1, 2, 3, 7, 64, 2**16])


def whole(found: Any, again: int = 2) -> Any:
    """The value with every list in it read from the file, twice."""
    if isinstance(found, LongList):
        (first, *others) = [list(found) for _ in range(again)]
        assert all(first == other for other in others)
        return first
    return {k: whole(v) for k, v in found.items()} if isinstance(found, dict) else found


def rows_only(value: Any) -> Any:
    """What is expected: of the list that stays in the file, the rows."""
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, dict)]
    if isinstance(value, dict) and isinstance(value.get("Results"), list):
        return value | {"Results": rows_only(value["Results"])}
    return value


def read(body: bytes, window: int) -> Any:
    try:
        return whole(outline(io.BytesIO(body), "Results", window=window))
    except (ValueError, RecursionError):
        return ValueError


def expected(body: bytes) -> Any:
    try:
        return rows_only(strict(body.decode("utf-8-sig").strip(" \t\r\n")))
    except (ValueError, RecursionError):
        return ValueError


@many
@given(BODIES, LOOK, WINDOWS, st.sampled_from([b"", b"\xef\xbb\xbf", b" \r\n"]))
def test_a_body_read_through_any_window_is_the_same_value(value: Any, look: Any, window: int, before: bytes) -> None:
    body = before + json.dumps(value, **look).encode("utf-8", "surrogatepass") + b"\n"
    assert read(body, window) == expected(body)


@many
@given(BODIES, WINDOWS, st.integers(0, 400), st.binary(max_size=3), st.booleans())
def test_a_damaged_body_is_refused_where_the_whole_text_would_be(value: Any, window: int, at: int, new: bytes, cut: bool) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    damaged = body[: at % (len(body) + 1)] + new + (b"" if cut else body[at % (len(body) + 1) + 1 :])
    names = [name for name, _ in _pairs(damaged)]
    if len(names) == len(set(names)):  # two lists of one name are refused here, and are the last of them there
        assert read(damaged, window) == expected(damaged)


def _pairs(body: bytes) -> list[tuple[str, Any]]:
    try:
        found = json.loads(body, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError):
        return []
    return [p for p in found if isinstance(p, tuple)] if isinstance(found, list) else []


REFUSED = [
    b"[NaN]",
    b'[{"a": Infinity}]',
    b'[{"a": 1e999}]',
    b'[{"a": 1}] x',
    b'[{"a": 1},]',
    b'[{"a": 1}',
    b'{"Results": [{"a": 1}], "Metadata": {}',
    b'{"Results": [], "Results": [{}]}',
    b"{'Results': []}",
    b'[{"a": "\xff"}]',
    b'[{"a": "\xc3',
    b"[" + b"[" * 5_000 + b"]" * 5_000 + b"]",
    b'[{"a": ' + b"[" * 250 + b"]" * 250 + b"}]",
    b'{"Results": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


@pytest.mark.parametrize("body", REFUSED, ids=lambda b: repr(b[:24]))
def test_what_is_no_json_that_we_take_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        whole(outline(io.BytesIO(body), "Results"))


def test_brackets_in_texts_are_no_depth() -> None:
    rows = [{"a": "[" * 5_000}, {"a": "]}{[" * 300}]
    assert whole(outline(io.BytesIO(json.dumps(rows).encode()), "Results")) == rows


def test_the_first_entries_stay_at_hand_also_those_that_are_no_rows() -> None:
    found = outline(io.BytesIO(b'["Failed to read", 3, {"a": 1}]'), "Results")
    assert isinstance(found, LongList)
    assert (found.first, found.rows, list(found)) == (["Failed to read", 3, {"a": 1}], 1, [{"a": 1}])


def test_only_a_small_part_of_a_long_list_is_ever_read_ahead() -> None:
    body = io.BytesIO(json.dumps([{"n": n, "text": "x" * 200} for n in range(20_000)]).encode())
    rows = iter(outline(body, "Results"))
    assert next(rows)["n"] == 0
    assert body.tell() <= 2**17


def test_whoever_reads_may_be_stopped() -> None:
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) > 3:
            raise KeyboardInterrupt

    body = io.BytesIO(json.dumps([{"text": "x" * 2**16}] * 50).encode())
    with pytest.raises(KeyboardInterrupt):
        outline(body, "Results", beat)
