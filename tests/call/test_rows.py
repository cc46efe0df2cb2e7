"""Which rows and columns are shown: chosen before anything is cut, never by a secret, and alike for long and short answers."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.listing import Asked, read_outcome
from cipp_mcp.call.rows import LONGEST_CELL, Choice, Wanted, as_json
from cipp_mcp.call.secrets import MASK, find_secrets
from cipp_mcp.call.stored import KEPT_FOR, MOST_KEPT, Sheet, Shelf, parsed
from cipp_mcp.call.stream import FIRST
from cipp_mcp.call.tenants import EVERY_TENANT
from cipp_mcp.call.text import clean_all
from cipp_mcp.errors import InvalidArguments
from cipp_mcp.message import Outcome, Response, Word
from tests.call.making import case, catalog, many, response, some

USERS = catalog().get("list_users")
GRAPH = catalog().get("query_graph")
NOW = 1_790_000_000.0
ROW = {
    "displayName": "Ana Ruiz",
    "accountEnabled": False,
    "logins": 3,
    "department": None,
    "city": "",
    "groups": ["Sales", "All Staff"],
    "none": [],
    "manager": {"displayName": "Ben"},
    "details": '{"state": "on", "password": "canary-Zq81"}',
    "note": "the canary-Zq81",
    "owner": "Zoe\u0308",
}


def outcome(body: Any, wanted: Mapping[str, Any] | None = None, tool: str = "list_users", **changes: Any) -> Outcome:
    answer = read_answer(response(body), catalog().get(tool).rows)
    arguments = {"endpoint": "users"} if tool == "query_graph" else {}
    return read_outcome(case(tool, arguments, **changes), answer, Asked(NOW, wanted=Wanted.of(wanted)))


def keeps(filter_: Mapping[str, Any], row: Mapping[str, Any] = ROW) -> bool:
    choice = Choice(USERS, Wanted.of({"filter": filter_}), find_secrets([dict(row)]), row, whole=False)
    assert choice.unknown_filter == []
    return choice.wants(row)


HOLDS: list[tuple[str, Any, bool]] = [
    ("displayName", "ana ruiz", True),
    ("DISPLAYNAME", "Ana*", True),
    ("displayName", "*r?iz", False),
    ("displayName", "Ana", False),
    ("displayName", "*", True),
    ("displayName", ["x", "*ruiz"], True),
    ("displayName", None, False),
    ("accountEnabled", False, True),
    ("accountEnabled", True, False),
    ("accountEnabled", "false", True),
    ("accountEnabled", None, False),
    ("accountEnabled", 0, False),
    ("logins", 3, True),
    ("logins", 3.0, True),
    ("logins", "3", True),
    ("logins", [1, 2], False),
    ("department", None, True),
    ("department", "*", False),
    ("city", None, True),
    ("city", [None, "Vigo"], True),
    ("groups", "sales", True),
    ("groups", "sal", False),
    ("groups", None, False),
    ("none", None, True),
    ("none", "*", False),
    ("manager.displayName", "ben", True),
    ("manager.mail", None, True),
    ("details.state", "on", True),
    ("manager", "*Ben*", True),
    ("owner", "zo\u00eb", True),
]


@pytest.mark.parametrize(("column", "value", "holds"), HOLDS)
def test_a_filter_keeps_the_rows_that_are_so(column: str, value: Any, holds: bool) -> None:
    assert keeps({column: value}) is holds


STARS = [
    ("*a*b*", "xaybz", True), ("*a*b*", "xbyaz", False), ("a*a", "a", False), ("a*a", "aa", True), ("*ab*b", "xabb", True),
    ("*ab*ab", "xab", False), ("**", "x", True), ("a**c", "abc", True), ("*aab*b", "aaabab", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "holds"), STARS)
def test_stars_stand_for_anything(pattern: str, text: str, holds: bool) -> None:
    assert keeps({"displayName": pattern}, {"displayName": text}) is holds


def test_no_filter_keeps_the_server_busy() -> None:
    began = time.monotonic()
    for pattern, holds in (("*" + "a*" * 99 + "b", False), ("*" * 200, True), ("*a" * 100, True), ("*a" * 99 + "*ab", False)):
        assert keeps({"displayName": pattern}, {"displayName": "a" * 4_000}) is holds
    assert time.monotonic() - began < 10


def test_all_conditions_of_a_filter_hold_together() -> None:
    assert keeps({"displayName": "Ana*", "logins": 3})
    assert not keeps({"displayName": "Ana*", "logins": 4})


@pytest.mark.parametrize("column", ["password", "copyField", "x.clientSecret", "details.password"])
def test_rows_are_not_chosen_by_a_secret(column: str) -> None:
    with pytest.raises(InvalidArguments, match="holds secrets"):
        Wanted.of({"filter": {column: "a*"}}).check(USERS)


@pytest.mark.parametrize("column", ["details", "note"])
def test_a_secret_inside_another_column_cannot_be_guessed_either(column: str) -> None:
    assert not keeps({column: "*canary*"})
    assert keeps({column: f"*{MASK}*"})


@pytest.mark.parametrize("fields", [["details"], ["details.password", "details.state"], ["note"], ["password"]])
def test_asking_for_a_column_by_name_shows_no_secret(fields: list[str]) -> None:
    rows = [ROW | {"password": "canary-Zq81"}, ROW | {"password": "ab"}]
    shown = outcome(rows, {"fields": fields})
    assert "canary" not in json.dumps(dict(shown.facts)) and '"ab"' not in json.dumps(dict(shown.facts))
    assert MASK in json.dumps(dict(shown.facts))


def test_fields_choose_columns_in_their_order_and_in_any_letter_case() -> None:
    facts = outcome([ROW], {"fields": ["MANAGER.displayName", "displayname", "department"]}).facts
    assert facts["items"] == [{"manager.displayName": "Ben", "displayName": "Ana Ruiz"}]
    assert "no_such_column" not in facts


def test_a_failure_of_very_many_lines_says_how_many_are_shown() -> None:
    answer = read_answer(response({"Results": [f"Failed to read {n}" for n in range(90)]}, 500))
    facts = read_outcome(case("list_users", {}), answer, Asked(NOW)).facts
    assert (len(facts["details"]), facts["notice"]) == (20, "20 of 90 lines of details are shown.")


def test_of_very_many_columns_it_is_said_how_many_more_there_are() -> None:
    columns = outcome([{f"c{n}": n for n in range(200)}], {"fields": ["nope"]}).facts["columns"]
    assert (columns[0], columns[-1], len(columns)) == ("c0", "… 50 more", 151)


@pytest.mark.parametrize("names", [["name"], ["nope" * 20 + str(n) for n in range(49)] + ["name"]])
def test_whatever_stands_around_the_rows_an_answer_stays_below_20_000_characters(names: list[str]) -> None:
    """Tenants that did not answer, columns that are not there, left out ones: all that takes room beside rows."""
    lost = [{"Tenant": f"tenant{n}.{'x' * 40}.example", "CippStatus": "Could not connect. " * 20} for n in range(60)]
    wide = {f"{'c' * 60}{n}": n for n in range(90)}
    rows = [{"Tenant": "a.example", "name": "y" * 900, **wide} for _ in range(90)]
    changes = {"tenants": {"AllTenants": EVERY_TENANT}, "tenant_count": 61}
    wanted = {"fields": [*names, "Tenant"], "limit": 1000}
    said = outcome({"Results": [*rows, *lost]}, wanted, "list_conditional_access_policies", **changes)
    assert said.facts["returned"] > 5 and len(as_json(said.envelope())) < 20_000


def test_columns_that_differ_only_by_case_are_told_apart() -> None:
    rows = [{"id": "1", "ID": "2", "Id": "3"}, {"id": "4", "ID": "5"}]
    facts = outcome(rows, {"fields": ["id", "ID", "Id"], "filter": {"ID": "2"}}).facts
    assert (facts["items"], facts["matched"]) == ([{"id": "1", "ID": "2", "Id": "3"}], 1)


@pytest.mark.parametrize(("name", "told"), [("u1", True), (["v", "u1*"], True), ("v*", False), (None, False), (7, False)])
def test_a_filter_that_may_have_been_meant_as_a_part_says_how_a_part_is_asked_for(name: Any, told: bool) -> None:
    facts = outcome([{"displayName": f"x{n}"} for n in range(3)], {"filter": {"displayName": name}}).facts
    assert (facts["empty_because"], "*ana*" in facts.get("next_step", "")) == ("none_matches", told)


def test_a_text_that_is_cut_is_said_and_more_of_it_can_be_had() -> None:
    rows = [{"id": "1", "rawjson": "y" * 5_000, "note": "x" * LONGEST_CELL}]
    cut = outcome(rows, {"fields": ["rawjson", "note"]}).facts
    assert cut["items"] == [{"rawjson": "y" * (LONGEST_CELL - 1) + "…", "note": "x" * LONGEST_CELL}]
    assert cut["notice"] == "1 text was cut at 2000 characters and ends in …; request_options with fields and limit shows 8000."
    whole = outcome(rows, {"fields": ["rawjson"], "limit": 1}).facts
    assert whole["items"] == [{"rawjson": "y" * 5_000}] and "notice" not in whole
    longest = outcome([{"rawjson": "y" * 50_000}], {"fields": ["rawjson"], "limit": 1}).facts
    assert longest["notice"] == "1 text was cut at 8000 characters and ends in …."


def test_a_field_that_no_row_has_is_named_with_those_there_are() -> None:
    facts = outcome([ROW], {"fields": ["displayName", "mail"]}).facts
    assert (facts["items"], facts["no_such_column"]) == ([{"displayName": "Ana Ruiz"}], ["mail"])
    assert set(facts["columns"]) == set(ROW)


@pytest.mark.parametrize("wanted", [{"fields": ["mail"]}, {"filter": {"mail": None}}, {"filter": {"mail.x": "a", "logins": 3}}])
def test_rows_that_would_be_chosen_by_a_column_that_is_not_there_are_not_called_none(wanted: dict[str, Any]) -> None:
    said = outcome([ROW], wanted)
    assert (said.word, "items" in said.facts) == (Word.FAILED, False)
    assert "mail" in said.message and set(said.facts["columns"]) == set(ROW)


def test_what_is_said_of_a_list_is_said_before_the_filter() -> None:
    rows = [{"displayName": f"u{n}", "accountEnabled": n % 10 > 0} for n in range(50)]
    facts = outcome(rows, {"filter": {"accountEnabled": False}, "fields": ["displayName"]}).facts
    assert (facts["total"], facts["matched"], facts["returned"], facts["complete"]) == (50, 5, 5, True)
    assert facts["items"] == [{"displayName": f"u{n}"} for n in range(0, 50, 10)]
    nobody = outcome(rows, {"filter": {"displayName": "v*"}})
    assert (nobody.facts["matched"], nobody.facts["empty_because"], nobody.facts["complete"]) == (0, "none_matches", True)
    assert nobody.message == "50 rows read, none matches the filter."
    nowhere = outcome(rows, {"filter": {"displayName": "u1", "displayName.first": "x"}})
    assert nowhere.message == '50 rows read, none matches the filter; no row has a value at "displayName.first".'


@pytest.mark.parametrize(("column", "with_rows"), [("Tenant", 1), ("tenantId", 1), ("domain", None)])
def test_how_many_tenants_have_rows_is_said_only_where_rows_name_their_tenant(column: str, with_rows: int | None) -> None:
    changes = {"tenants": {"AllTenants": EVERY_TENANT}, "tenant_count": 2}
    facts = outcome([{column: "a.example", "displayName": "P"}], None, "list_inactive_accounts", **changes).facts
    assert facts["coverage"].get("with_rows") == with_rows
    assert ("1 of 2 tenants have rows" in facts.get("notice", "")) is (with_rows == 1)


def test_no_match_in_a_part_of_the_tenants_is_not_called_none() -> None:
    rows = [{"Tenant": "a.example", "displayName": "P"}, {"Tenant": "b.example", "CippStatus": "Could not connect"}]
    changes = {"tenants": {"AllTenants": EVERY_TENANT}, "tenant_count": 2}
    said = outcome({"Results": rows}, {"filter": {"displayName": "x"}}, "list_conditional_access_policies", **changes)
    assert (said.facts["empty_because"], said.facts["complete"]) == ("incomplete", False)
    assert "not known" in said.message


def test_a_limit_cuts_and_says_so() -> None:
    rows = [{"displayName": f"u{n}"} for n in range(50)]
    facts = outcome(rows, {"limit": 3}).facts
    assert (facts["total"], facts["returned"], len(facts["items"]), facts["complete"]) == (50, 3, 3, False)


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["a\\b", '{"password": "x"}', "[1]", "123456-" * 7 + "123456", "eyJhbGciOi.eyJhbGciOi.x", "é"]
)
VALUES = TEXTS | st.booleans() | st.integers() | st.none() | st.lists(TEXTS, max_size=2) | st.just("y" * (LONGEST_CELL + 1))


@many
@given(st.dictionaries(st.sampled_from(["a", "password", "c\u200b", "d e"]), VALUES), st.lists(st.text(min_size=4, max_size=6)))
def test_a_glance_shows_what_a_close_look_would(row: dict[str, Any], secrets: list[str]) -> None:
    found = find_secrets([row, {"clientSecret": secrets}])
    shown, text = Choice(GRAPH, Wanted(), found, row, whole=True).shown(row)
    close, _, _ = clean_all(found.mask_all({k: v for k, v in row.items() if v not in (None, "", [])}), LONGEST_CELL)
    assert (shown, text) == (close, as_json(close))


def in_file(body: bytes) -> Response:
    return replace(response(b""), body=body[:4096], file=io.BytesIO(body))


def kept(response_: Response, tool: str, arguments: Mapping[str, Any], wanted: Mapping[str, Any], **changes: Any) -> Any:
    """The outcome and the rows that were kept."""
    shelf, sheets = Shelf(time.monotonic), []

    def begin() -> Sheet:
        sheets.append(shelf.begin(""))
        return sheets[-1]

    answer = read_answer(response_, catalog().get(tool).rows)
    asked = Asked(NOW, wanted=Wanted.of(wanted), begin=begin)
    said = read_outcome(case(tool, arguments, **changes), answer, asked)
    facts = {k: v for k, v in said.facts.items() if k != "next"}
    texts = [list(sheet.read(0)) for sheet in sheets]
    for sheet in sheets:
        sheet.close()
    return said.word, said.message, facts, texts


NO_ROWS = [
    {"Tenant": "c.example", "CippStatus": "No access"},
    {"error": "x"},
    {"resultText": "Failed", "state": "error"},
    "text",
    3,
]
ROWS = st.lists(
    st.fixed_dictionaries(
        {"displayName": st.text(max_size=20), "Tenant": st.sampled_from(["a.example", "b.example"])},
        optional={
            "CippStatus": st.sampled_from(["Good", "Could not connect"]),
            "password": st.text(min_size=3, max_size=8),
            "mail": st.text(max_size=20),
            "CacheTimestamp": st.sampled_from(["2026-01-02T03:04:05Z", "2026-11-24T00:00:00Z", "no time"]),
        },
    )
    | st.sampled_from(NO_ROWS),
    max_size=60,
)
WANTED = st.sampled_from(
    [{}, {"limit": 2}, {"fields": ["mail", "password"]}, {"filter": {"Tenant": "a*"}, "limit": 5}, {"fields": ["nope"]}]
)


@some
@given(
    ROWS, WANTED, st.booleans(), st.booleans(), st.sampled_from(["list_users", "list_conditional_access_policies", "query_graph"])
)
def test_a_long_answer_says_what_a_short_one_would(
    rows: list[Any], wanted: dict[str, Any], everywhere: bool, bare: bool, tool: str
) -> None:
    meta = {"Metadata": {"nextLink": "https://graph.microsoft.com/v1.0/users?x"}}
    misplaced = bare and tool != "list_users"  # only its first entries are looked at for what they say
    body = json.dumps(rows[:FIRST] if misplaced else rows if bare else {"Results": rows, **meta}).encode()
    changes = {"tenants": {"AllTenants": EVERY_TENANT}, "tenant_count": 3} if everywhere else {}
    arguments = {"endpoint": "users", "manual_pagination": True} if tool == "query_graph" else {}
    assert kept(in_file(body), tool, arguments, wanted, **changes) == kept(response(body), tool, arguments, wanted, **changes)


SAID: list[Callable[[], bytes]] = [
    lambda: b"[" + b'"Failed to do it",' * 500 + b'"x"]',
    lambda: b'{"Results": "Failed: ' + b"x" * 9_000 + b'"}',
    lambda: b'{"Results": [], "Metadata": {"QueueMessage": "Loading data", "QueueId": "q1"}}',
    lambda: b"<html><body>" + b"x" * 9_000,
    lambda: b'[{"a": 1}' + b" " * 9_000,
    lambda: b'"' + b"x" * 9_000 + b'"',
    lambda: b" " * 9_000,
    lambda: b'[{"id": "1", "displayName": "\xff"}]',
]


@pytest.mark.parametrize("body", SAID, ids=range(len(SAID)))
def test_a_long_answer_that_is_no_list_is_told_apart_like_a_short_one(body: Callable[[], bytes]) -> None:
    assert kept(in_file(body()), "list_users", {}, {}) == kept(response(body()), "list_users", {}, {})


def test_a_secret_of_the_last_row_is_masked_in_the_first() -> None:
    rows = [{"displayName": f"u{n}", "id": str(n), "mail": "canary-Zq81" if n == 0 else ""} for n in range(300)]
    rows[-1]["copyField"] = "canary-Zq81"
    said = kept(in_file(json.dumps(rows).encode()), "list_users", {}, {"fields": ["displayName", "mail"]})
    assert said[2]["items"][0] == {"displayName": "u0", "mail": MASK}
    assert len(said[3][0]) == 300 and "canary" not in str(said)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_kept_list_is_its_owners_for_a_quarter_of_an_hour_and_only_the_last_are_kept() -> None:
    clock = Clock()
    shelf = Shelf(clock)
    sheets = [shelf.begin("ana") for _ in range(MOST_KEPT + 1)]
    for n, sheet in enumerate(sheets):
        sheet.add(as_json({"n": n}))
        shelf.keep(sheet)
    assert shelf.get(sheets[0].id, "ana") is None
    assert shelf.get(sheets[1].id, "ben") is None
    found = shelf.get(sheets[1].id, "ana")
    assert found is not None and [json.loads(t) for t in found.read(0)] == [{"n": 1}]
    clock.now = KEPT_FOR + 1
    assert shelf.get(sheets[1].id, "ana") is None
    shelf.close()


@pytest.mark.parametrize(
    "cursor", ["", "r1.2", "r0123456789abcdef", "r0123456789abcdef.-1", "r0123456789ABCDEF.1", "r0123456789abcdef.1\n"]
)
def test_what_is_no_cursor_leads_nowhere(cursor: str) -> None:
    assert parsed(cursor) is None
