"""Rows become what a model should read: chosen columns, nothing empty, nothing hidden, and never cut in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.secrets import MASK, find_secrets
from cipp_mcp.call.shape import coverage, fit, now_text, shape_rows
from tests.call.making import catalog, many, texts_in

USERS = catalog().get("list_users")
POLICIES = catalog().get("list_conditional_access_policies")

ROWS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=200) | st.integers() | st.none(), max_size=5), max_size=60)


@many
@given(ROWS, st.integers(2, 5_000))
def test_as_many_rows_from_the_front_as_fit_and_at_least_one(rows: list[Any], most: int) -> None:
    kept = fit(rows, most)
    assert kept == rows[: len(kept)]
    assert bool(kept) == bool(rows)
    if len(kept) > 1:
        assert len(json.dumps(kept, ensure_ascii=False, separators=(",", ":"))) <= most
    if len(kept) < len(rows):
        assert len(json.dumps(rows[: len(kept) + 1], ensure_ascii=False, separators=(",", ":"))) >= most


def test_a_list_shows_its_columns_without_what_is_empty() -> None:
    row = {"displayName": "Ana", "userPrincipalName": "ana@fabrikam.example", "accountEnabled": False, "mail": "x"}
    row |= {"id": "1", "LicJoined": "", "userType": None, "onPremisesSyncEnabled": False, "secretExtra": "y"}
    (shown,), taken = shape_rows(USERS, [row], find_secrets(row))
    wanted = {"displayName": "Ana", "userPrincipalName": "ana@fabrikam.example", "id": "1"}
    assert shown == wanted | {"accountEnabled": False, "onPremisesSyncEnabled": False}
    assert taken == 0


def test_bulky_parts_stay_away() -> None:
    (shown,), _ = shape_rows(POLICIES, [{"displayName": "P", "rawjson": "{}" * 999}], find_secrets(None))
    assert "rawjson" not in shown


def test_hidden_characters_are_counted_and_secrets_are_masked() -> None:
    row = {"displayName": "Printer\u200b\u202e", "id": "1", "userPrincipalName": "canary-Zq81"}
    (shown,), taken = shape_rows(USERS, [row], find_secrets({"copyField": "canary-Zq81"}))
    assert shown == {"displayName": "Printer", "id": "1", "userPrincipalName": MASK}
    assert taken == 2


@many
@given(st.lists(st.fixed_dictionaries({c: st.text(max_size=40) for c in ("displayName", "id", "mail", "x")}), max_size=8))
def test_shown_rows_are_json_without_anything_hidden(rows: list[dict[str, Any]]) -> None:
    shown, _ = shape_rows(USERS, rows, find_secrets(rows))
    assert len(shown) == len(rows)
    for text in texts_in(shown):
        text.encode("utf-8")
    assert {k for row in shown for k in row} <= set(USERS.columns)


COVERAGE = [
    ([], 0, {}, True),
    ([{"Tenant": "a"}, {"Tenant": "b", "CippStatus": "Good"}], 2, {}, True),
    ([{"Tenant": "a"}, {"Tenant": "b", "CippStatus": "Could not connect"}], 1, {"b": "Could not connect"}, False),
    ([{"Tenant": "a", "CippStatus": "Good"}, {"Tenant": "a", "CippStatus": "AADSTS65001"}], 0, {"a": "AADSTS65001"}, False),
]


@pytest.mark.parametrize(("rows", "with_rows", "missing", "every"), COVERAGE)
def test_tenants_that_did_not_answer_are_named(rows: list[Any], with_rows: int, missing: dict[str, str], every: bool) -> None:
    facts, whole = coverage(rows, 6)
    assert (facts["tenants"], facts["with_rows"], facts.get("missing", {}), whole) == (6, with_rows, missing, every)


def test_a_tenants_own_error_text_is_cleaned() -> None:
    facts, _ = coverage([{"Tenant": "a\u202e", "CippStatus": "Could not\u200b connect"}], 1)
    assert not any(c in t for t in texts_in(facts) for c in "\u200b\u202e")


def test_times_are_universal_and_say_so() -> None:
    assert now_text(0) == "1970-01-01T00:00:00Z"
