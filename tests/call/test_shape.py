"""Rows become what a model should read: chosen columns, nothing empty, nothing hidden, and never cut in silence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.rows import MOST_SHOWN, SHOWN, Choice, Page, Wanted, as_json
from cipp_mcp.call.secrets import MASK, Found, find_secrets
from cipp_mcp.call.shape import MOST_MISSING, Coverage, now_text
from cipp_mcp.catalog.action import Action
from tests.call.making import catalog, many, texts_in

USERS = catalog().get("list_users")
POLICIES = catalog().get("list_conditional_access_policies")

ROWS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=200) | st.integers() | st.none(), max_size=5), max_size=60)


def shown(action: Action, rows: list[dict[str, Any]], found: Found, **wanted: Any) -> tuple[list[dict[str, Any]], int]:
    choice = Choice(action, Wanted(**wanted), found, [k for r in rows for k in r], whole=False)
    return [choice.shown(row)[0] for row in rows if choice.wants(row)], choice.taken


def page_of(rows: list[Any], limit: int | None) -> Page:
    page = Page(limit)
    for row in rows:
        page.take(row, as_json(row))
    return page


@many
@given(ROWS, st.none() | st.integers(1, 100))
def test_as_many_rows_from_the_front_as_fit_and_at_least_one(rows: list[Any], limit: int | None) -> None:
    page = page_of(rows, limit)
    most = SHOWN if limit is None else MOST_SHOWN
    assert page.rows == rows[: len(page.rows)]
    assert bool(page.rows) == bool(rows)
    assert len(as_json(page.rows)) <= most
    assert page.full is (len(page.rows) < len(rows))
    if page.full and len(page.rows) != limit:
        assert len(as_json(rows[: len(page.rows) + 1])) > most


def test_a_row_that_alone_is_too_long_is_narrowed_and_says_which_columns_are_not_there() -> None:
    page = page_of([{"id": "1", "big": "x" * 9_000, "name": "n"}, {"id": "2"}], None)
    assert (page.rows, page.left_out, page.full) == ([{"id": "1", "name": "n"}, {"id": "2"}], ["big"], False)


def test_a_list_shows_its_columns_without_what_is_empty() -> None:
    row = {"displayName": "Ana", "userPrincipalName": "ana@fabrikam.example", "accountEnabled": False, "mail": "x"}
    row |= {"id": "1", "LicJoined": "", "userType": None, "onPremisesSyncEnabled": False, "secretExtra": "y"}
    (seen,), taken = shown(USERS, [row], find_secrets(row))
    wanted = {"displayName": "Ana", "userPrincipalName": "ana@fabrikam.example", "id": "1"}
    assert seen == wanted | {"accountEnabled": False, "onPremisesSyncEnabled": False}
    assert taken == 0


def test_bulky_parts_stay_away() -> None:
    (seen,), _ = shown(POLICIES, [{"displayName": "P", "rawjson": "{}" * 999}], find_secrets(None))
    assert "rawjson" not in seen


def test_hidden_characters_are_counted_and_secrets_are_masked() -> None:
    row = {"displayName": "Printer\u200b\u202e", "id": "1", "userPrincipalName": "canary-Zq81"}
    (seen,), taken = shown(USERS, [row], find_secrets({"copyField": "canary-Zq81"}))
    assert seen == {"displayName": "Printer", "id": "1", "userPrincipalName": MASK}
    assert taken == 2


@many
@given(st.lists(st.fixed_dictionaries({c: st.text(max_size=40) for c in ("displayName", "id", "mail", "x")}), max_size=8))
def test_shown_rows_are_json_without_anything_hidden(rows: list[dict[str, Any]]) -> None:
    seen, _ = shown(USERS, rows, find_secrets(rows))
    assert len(seen) == len(rows)
    for text in texts_in(seen):
        text.encode("utf-8")
    assert {k for row in seen for k in row} <= set(USERS.columns)


def covered(rows: list[Any], tenants: int) -> Coverage:
    coverage = Coverage(tenants)
    for row in rows:
        coverage.add(row)
    return coverage


COVERAGE = [
    ([], 0, {}, True),
    ([{"Tenant": "a"}, {"Tenant": "b", "CippStatus": "Good"}], 2, {}, True),
    ([{"Tenant": "a"}, {"Tenant": "b", "CippStatus": "Could not connect"}], 1, {"b": "Could not connect"}, False),
    ([{"Tenant": "a", "CippStatus": "Good"}, {"Tenant": "a", "CippStatus": "AADSTS65001"}], 0, {"a": "AADSTS65001"}, False),
]


@pytest.mark.parametrize(("rows", "with_rows", "missing", "every"), COVERAGE)
def test_tenants_that_did_not_answer_are_named(rows: list[Any], with_rows: int, missing: dict[str, str], every: bool) -> None:
    coverage = covered(rows, 6)
    facts = coverage.facts()
    assert (facts["tenants"], facts["with_rows"], facts.get("missing", {}), coverage.every) == (6, with_rows, missing, every)


def test_a_tenants_own_error_text_is_cleaned() -> None:
    facts = covered([{"Tenant": "a\u202e", "CippStatus": "Could not\u200b connect"}], 1).facts()
    assert not any(c in t for t in texts_in(facts) for c in "\u200b\u202e")


def test_many_missing_tenants_are_counted_and_some_named() -> None:
    facts = covered([{"Tenant": f"t{n}", "CippStatus": "No"} for n in range(50)], 60).facts()
    assert (facts["answered"], len(facts["missing"]), facts["missing_not_named"]) == (10, MOST_MISSING, 50 - MOST_MISSING)


def test_times_are_universal_and_say_so() -> None:
    assert now_text(0) == "1970-01-01T00:00:00Z"
