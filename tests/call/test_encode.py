"""Arguments become exactly one request: each encoding by example, and what must hold for any arguments."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.case import Case
from cipp_mcp.call.encode import WRITE_TIMEOUT, encode, moment, overlay, query_text
from cipp_mcp.call.targets import Target
from cipp_mcp.catalog.action import Action, Encoding
from cipp_mcp.message import Repeat, Request
from tests.call.making import ANA_ID, FABRIKAM, SKU_A, SKU_B, case, many, some, user

ANA, BEN = user(), user("ben@fabrikam.example", 2)
GUEST = user("mira_partner.example#EXT#@fabrikamdemo.onmicrosoft.com", 3)


def sent(one: Case) -> Request:
    return encode(one.action, one.arguments, one.tenants, one.objects, one.stored)


def found(written: str, target: Target) -> Target:
    return Target(target.kind, written, target.id, target.name, target.label, target.state)


ENCODINGS = [
    ("text", Encoding.PLAIN, "body.X", "a b", {"X": "a b"}),
    ("text", Encoding.PLAIN, "body.X.Y", "a", {"X": {"Y": "a"}}),
    ("text", Encoding.PLAIN, "body.X[].Y", "a", {"X": [{"Y": "a"}]}),
    ("flag", Encoding.PLAIN, "body.X", False, {"X": False}),
    ("flag", Encoding.SET, "body.X", True, {"X": True}),
    ("flag", Encoding.SET, "body.X", False, {}),
    ("text", Encoding.OPTION, "body.X", "a", {"X": {"label": "a", "value": "a"}}),
    ("text", Encoding.OPTION, "body.X", ["a", "b"], {"X": [{"label": "a", "value": "a"}, {"label": "b", "value": "b"}]}),
    ("time", Encoding.EPOCH, "body.X", "2026-12-01T08:00:00Z", {"X": 1796112000}),
    ("time", Encoding.EPOCH, "body.X", "2026-12-01T09:00:00+01:00", {"X": 1796112000}),
    ("time", Encoding.YYYYMMDD, "body.X", "2026-12-01", {"X": "20261201"}),
    ("text", Encoding.CSV, "body.X", ["a", "b"], {"X": "a,b"}),
    ("text", Encoding.NEWLINE, "body.X", ["a", "b"], {"X": "a\nb"}),
    ("text", Encoding.SPACE, "body.X", ["a", "b"], {"X": "a b"}),
]


@pytest.mark.parametrize(("kind", "encoding", "place", "value", "body"), ENCODINGS)
def test_each_encoding_puts_a_value_on_the_wire_in_its_own_form(
    kind: str, encoding: Encoding, place: str, value: Any, body: dict[str, Any]
) -> None:
    field = {"name": "x", "type": kind, "as": encoding, "to": place, "many": isinstance(value, list)}
    action = Action.model_validate(
        {"name": "edit_thing", "group": "tool", "title": "T", "summary": "S", "role": "R", "effect": "set"}
        | {"endpoint": "POST /api/EditThing", "fields": [field]}
    )
    assert encode(action, {"x": value}, {}, {}).body == body


QUERIES = [
    ("list_users", {"graph_filter": "a eq 'R&D#1'"}, {"graphFilter": "a eq 'R%26D%231'"}),
    ("list_users", {}, {}),
    ("get_user", {"user_id": "ana@fabrikam.example"}, {"UserID": "ana@fabrikam.example"}),
    ("get_user", {"user_id": ANA_ID, "include_logon_details": True}, {"UserID": ANA_ID, "IncludeLogonDetails": "true"}),
    ("get_user", {"user_id": ANA_ID, "include_logon_details": False}, {"UserID": ANA_ID}),
    ("list_user_groups", {"user_id": ANA_ID}, {"userId": ANA_ID}),
    ("run_standards", {"template_id": ANA_ID}, {"templateId": ANA_ID}),
    ("run_standards", {}, {}),
]


@pytest.mark.parametrize(("tool", "arguments", "query"), QUERIES)
def test_queries_are_texts_in_their_place(tool: str, arguments: dict[str, Any], query: dict[str, str]) -> None:
    request = sent(case(tool, arguments))
    assert dict(request.query) == {"tenantFilter": "fabrikam.example"} | query
    assert request.body == (None if request.method == "GET" else {})


def option(text: str) -> dict[str, str]:
    return {"label": text, "value": text}


BODIES = [
    ("clear_user_immutable_id", {"user_id": ANA.name}, [ANA], {"ID": ANA.name}),
    ("clear_user_immutable_id", {"user_id": GUEST.name}, [GUEST], {"ID": GUEST.id}),
    ("clear_user_immutable_id", {"user_id": ANA.name}, [replace(ANA, note="This user is deleted.")], {"ID": ANA.id}),
    ("set_user_sign_in", {"user_id": ANA.name, "enabled": False}, [ANA], {"ID": ANA.name, "Enable": False}),
    ("reset_user_password", {"user_id": ANA.name}, [ANA], {"ID": ANA.name, "MustChange": True}),
    ("reset_user_password", {"user_id": ANA.name, "must_change": False}, [ANA], {"ID": ANA.name, "MustChange": False}),
    ("remove_user", {"user_id": ANA.name}, [ANA], {"ID": ANA.id}),
    (
        "offboard_user",
        {"users": [ANA.id], "disable_sign_in": True, "remove_groups": False, "schedule": True}
        | {"scheduled_time": "2026-12-01T08:00:00Z", "notify_psa": True, "onedrive_access": ["b@c.de"], "forward_to": "b@c.de"},
        [found(ANA.id, ANA)],
        {"user": [ANA.name], "DisableSignIn": True, "RemoveGroups": False, "PostExecution": {"psa": True}}
        | {"Scheduled": {"enabled": True, "date": 1796112000}, "OnedriveAccess": [option("b@c.de")], "forward": option("b@c.de")},
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "targets", "body"), BODIES)
def test_bodies_hold_what_was_resolved(tool: str, arguments: dict[str, Any], targets: list[Target], body: dict[str, Any]) -> None:
    request = sent(case(tool, arguments, *targets))
    assert request.body == {"tenantFilter": "fabrikam.example"} | body
    assert dict(request.query) == {}


PLACE = {"named_location_id": ANA_ID}
ROW = {"TenantId": "1", "IntegrationId": "2"}
FIELDS = [{"Users": {"label": "People", "value": "3"}}, {"Devices": {"label": "Things", "value": "4"}}]


@pytest.mark.parametrize(
    ("tool", "arguments", "stored", "sends"),
    [
        ("edit_named_location", PLACE | {"change": "addIp", "value": ["192.0.2.0/24"]}, {}, "192.0.2.0/24"),
        ("edit_named_location", PLACE | {"change": "addIp", "value": "192.0.2.0/24"}, {}, "192.0.2.0/24"),
        ("edit_named_location", PLACE | {"change": "removeLocation", "value": ["IR"]}, {}, ["IR"]),
        ("set_extension_mapping", {"add_mapping": "Hudu", "mappings": [ROW]}, {"body": []}, [ROW]),
        ("set_extension_mapping", {"add_mapping": "HuduFields", "mappings": FIELDS[:1]}, {}, FIELDS[0]),
        ("set_extension_mapping", {"add_mapping": "HuduFields", "mappings": FIELDS}, {}, FIELDS[0] | FIELDS[1]),
    ],
)
def test_a_list_of_one_goes_out_as_cipp_takes_it(tool: str, arguments: dict[str, Any], stored: Any, sends: Any) -> None:
    body = sent(case(tool, arguments, stored=stored)).body
    assert (body["input"] if tool == "edit_named_location" else body) == sends


INTUNE_ID = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c09"


@pytest.mark.parametrize(("key_type", "goes"), [("BitLocker", ANA_ID), ("FileVault", INTUNE_ID), ("BiosPassword", INTUNE_ID)])
@pytest.mark.parametrize("written", [ANA_ID, INTUNE_ID])
def test_whichever_id_of_a_device_is_written_the_one_that_cipp_looks_for_goes_out(written: str, key_type: str, goes: str) -> None:
    device = Target("device", written, ANA_ID, "LT-01", row={"id": INTUNE_ID, "azureADDeviceId": ANA_ID})
    one = case("reveal_device_recovery_key", {"device_id": written, "key_type": key_type}, device)
    assert sent(one).body["GUID"] == goes


def test_each_user_has_an_element_of_its_own() -> None:
    arguments = {"user_ids": [ANA.name, BEN.name], "operation": "Replace", "licenses": [SKU_A], "licenses_to_replace": [SKU_B]}
    element = {"tenantFilter": "fabrikam.example", "LicenseOperation": "Replace", "Licenses": [option(SKU_A)]}
    element["LicensesToReplace"] = [option(SKU_B)]
    expected = [element | {"userIds": [ANA.id]}, element | {"userIds": [BEN.id]}]
    assert sent(case("set_user_licenses", arguments, ANA, BEN)).body == expected


EFFECTS = [
    ("list_users", {}, Repeat.FREELY, 120.0),
    ("set_user_sign_in", {"user_id": ANA.name, "enabled": True}, Repeat.AFTER_429, WRITE_TIMEOUT),
    ("set_user_sign_in", {"user_id": ANA.name, "enabled": False}, Repeat.NEVER, WRITE_TIMEOUT),
    ("clear_user_immutable_id", {"user_id": ANA.name}, Repeat.NEVER, WRITE_TIMEOUT),
    ("list_tenants", {"trigger_refresh": True}, Repeat.NEVER, WRITE_TIMEOUT),
]


@pytest.mark.parametrize(("tool", "arguments", "repeat", "timeout"), EFFECTS)
def test_the_effect_decides_what_may_be_sent_again(tool: str, arguments: dict[str, Any], repeat: Repeat, timeout: float) -> None:
    request = sent(case(tool, arguments, ANA))
    assert (request.repeat, request.timeout) == (repeat, timeout)


FLAGS = ["convert_to_shared", "hide_from_gal", "remove_groups", "revoke_sessions", "disable_sign_in", "delete_user", "keep_copy"]


@some
@given(
    flags=st.dictionaries(st.sampled_from(FLAGS), st.booleans()),
    reference=st.text(max_size=40),
    written=st.sampled_from(["fabrikam.example", "FABRIKAM", FABRIKAM.customer_id, FABRIKAM.initial_domain]),
)
def test_whatever_the_tenant_was_called_its_default_domain_goes_out_once(
    flags: dict[str, bool], reference: str, written: str
) -> None:
    arguments = {"tenant_filter": written, "users": [ANA.name], "reference": reference, **flags}
    request = sent(case("offboard_user", arguments, ANA, tenants={written: FABRIKAM}))
    assert isinstance(request.body, dict)
    assert request.body["tenantFilter"] == "fabrikam.example"
    assert request.body["reference"] == reference
    assert all(v is True or v is False for k, v in request.body.items() if k not in {"tenantFilter", "user", "reference"})
    assert len(request.body) == 3 + len(flags)
    json.dumps(request.body, allow_nan=False)


@many
@given(st.text(max_size=60))
def test_a_filter_keeps_its_words_and_cannot_open_another_parameter(text: str) -> None:
    request = sent(case("list_users", {"graph_filter": text}))
    went = request.query["graphFilter"]
    assert "&" not in went
    assert "#" not in went
    assert went.replace("%26", "&").replace("%23", "#") == text.replace("%26", "&").replace("%23", "#")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@many
@given(VALUES, VALUES)
def test_what_is_given_wins_over_what_is_stored_and_nothing_stored_is_lost(stored: Any, new: Any) -> None:
    laid = overlay(stored, new)
    if isinstance(stored, dict) and isinstance(new, dict):
        assert set(laid) == set(stored) | set(new)
        assert all(laid[k] == v for k, v in stored.items() if k not in new)
        assert all(laid[k] == v for k, v in new.items() if not (isinstance(v, dict) and isinstance(stored.get(k), dict)))
    else:
        assert laid == new


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (7, "7"), ("False", "False")])
def test_query_values_are_text(value: Any, text: str) -> None:
    assert query_text(value) == text


@some
@given(st.datetimes(min_value=datetime(1990, 1, 1)), st.sampled_from(["", "Z", "z", "+00:00"]))
def test_a_time_without_a_zone_is_universal_time(when: Any, zone: str) -> None:
    assert moment(when.isoformat() + zone) == moment(when.isoformat() + "Z")
