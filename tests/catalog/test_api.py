"""Every operation as an Action: what becomes of it, and what it may never be."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cipp_mcp.call.encode import encode
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog import inputs, manifests, shipped, unreviewed
from cipp_mcp.catalog.action import Action, ActionField
from cipp_mcp.catalog.api import Api, left_out
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.endpoint import Endpoint
from cipp_mcp.errors import InvalidArguments

CATALOG = manifests.load()
API = Api(CATALOG)
SHIPPED = shipped.read()
NAMES = API.names()
TENANT = Tenant("11111111-2222-3333-4444-555555555555", "fabrikam.example", "fabrikam.onmicrosoft.example", "Fabrikam")
BOUNDS = {"timeout": 120.0, "batch_size": 20.0, "batch_interval": 1.0}


def asking(action: Action, **arguments: Any) -> Any:
    return inputs.check(action, arguments, bounds=BOUNDS)


# The shipped catalogue


def test_it_has_every_operation_and_stays_small() -> None:
    file = manifests.shipped_folder() / shipped.FILE
    assert len(SHIPPED) == 645
    assert file.stat().st_size < 250_000
    assert len(file.read_text(encoding="utf-8").splitlines()) == len(SHIPPED) + 2


def test_every_operation_is_described_in_one_short_line() -> None:
    spoken = {a.path.removeprefix("/api/").casefold() for a in CATALOG}
    for key, e in SHIPPED.items():
        if key in spoken:
            assert not e.summary and not e.words, f"{e.name} has a manifest with words of its own"
        else:
            assert 12 <= len(e.summary) <= shipped.LONGEST_SUMMARY, e.name
            assert e.summary.endswith(".") and e.summary[0].isupper(), e.name
            assert 3 <= len(e.words) <= 12, e.name
    summaries = [e.summary for e in SHIPPED.values() if e.summary]
    assert len(set(summaries)) == len(summaries)


def test_taking_the_same_facts_again_changes_nothing() -> None:
    told = [Endpoint(e.name, e.method, e.role, e.names, any_tenant=e.any_tenant) for e in SHIPPED.values()]
    assert shipped.taken(told, SHIPPED) == (manifests.shipped_folder() / shipped.FILE).read_text(encoding="utf-8")


def test_what_is_left_out_is_an_operation_without_a_manifest_and_has_a_reason() -> None:
    tools = {a.path.removeprefix("/api/").casefold() for a in CATALOG}
    for name, why in left_out().items():
        assert name in SHIPPED and name not in tools, name
        assert why.endswith("."), name


# What an operation becomes


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_becomes_an_action_with_a_sound_schema(name: str) -> None:
    action = API.get(name)
    schema = inputs.schema(action)
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object" and schema["additionalProperties"] is False
    assert not {"oneOf", "anyOf", "allOf", "not", "if", "$ref"} & set(schema)
    assert action.title and action.summary and action.endpoint.endswith(f"/api/{name}")
    assert action.digest


@pytest.mark.parametrize("name", NAMES)
def test_only_a_get_list_with_a_read_role_is_a_read_and_all_else_asks(name: str) -> None:
    action, e = API.get(name), SHIPPED[name.casefold()]
    harmless = e.method == "GET" and e.key.startswith("list") and e.role.endswith(".Read")
    assert (action.effect is Effect.READ) == harmless
    assert harmless or action.effect.asks
    assert harmless or action.effect.strength >= Effect.REMOVE.strength
    assert not action.all_tenants or harmless


def test_removing_is_final_and_roles_of_cipp_itself_govern() -> None:
    for name in NAMES:
        effect, role = API.get(name).effect, SHIPPED[name.casefold()].role
        if effect is not Effect.READ and role.startswith("CIPP.") and not role.endswith(".Read"):
            assert effect is Effect.GOVERN, name
        elif name.startswith(("Remove", "Delete")):
            assert effect.types_name, name


def test_a_write_always_says_where_it_acts_when_it_can() -> None:
    for name in NAMES:
        action = API.get(name)
        where = [f for f in action.fields if f.kind == "tenant"]
        aside = {"ExecAccessChecks", "ExecExcludeTenant"}  # without one they only look
        if where and action.effect is not Effect.READ and name not in aside:
            needed = {f.name for f in where if f.required} | {n for r in action.rules for n in r.one_of}
            assert needed, name
            with pytest.raises(InvalidArguments):
                asking(action)


def test_ids_cannot_bend_an_address_and_secrets_are_not_kept() -> None:
    fields = tomllib.loads((manifests.shipped_folder() / "fields.toml").read_text(encoding="utf-8"))
    assert fields["key"]["pattern"] == unreviewed._KEY and fields["user"]["pattern"] == unreviewed._USER
    action = API.get("RemoveTransportRule")
    asking(action, tenantFilter="fabrikam.example", guid="0b5e1f9c-1111-2222-3333-444455556666")
    for bent in ("../users/x", "a?b", "a#b", "a&b", "a b", "a'b", "a%2fb", ""):
        with pytest.raises(InvalidArguments):
            asking(action, tenantFilter="fabrikam.example", guid=bent)
    assert API.get("ExecHVEUser").field("password").secret


def test_users_are_looked_up_and_a_second_name_must_be_theirs() -> None:
    action = API.get("ExecReprocessUserLicenses")
    assert (action.field("ID").kind, action.field("ID").required) == ("user", True)
    assert action.field("userPrincipalName").same_as == "ID"
    assert API.get("ListUserMailboxRules").field("UserID").kind == "user"
    assert API.get("AddSharedMailbox").field("username").kind is None


def test_what_holds_for_graph_paths_holds_wherever_they_can_be_asked() -> None:
    action = API.get("ListGraphBulkRequest")
    with pytest.raises(InvalidArguments, match="never reads"):
        asking(
            action,
            tenantFilter="fabrikam.example",
            requests=[{"id": "1", "method": "GET", "url": "/directory/deviceLocalCredentials"}],
        )


# What is given becomes a request


def value_of(f: ActionField) -> st.SearchStrategy[Any]:
    word = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{2,20}", fullmatch=True)
    one: st.SearchStrategy[Any] = {
        "flag": st.booleans(),
        "number": st.integers(0, 999),
        "object": st.dictionaries(word, word, max_size=2),
    }.get(f.type, word)
    if f.kind == "tenant":
        one = st.just("fabrikam.example")
    elif f.choices:
        one = st.sampled_from(f.choices)
    return st.lists(one, min_size=1, max_size=1) if f.many else one


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_random_arguments_go_out_under_names_that_the_operation_knows(data: st.DataObject) -> None:
    action = API.get(data.draw(st.sampled_from(NAMES)))
    must = {f.name for f in action.fields if f.required} | {n for r in action.rules for n in r.one_of}
    chosen = must | data.draw(st.sets(st.sampled_from([f.name for f in action.fields]))) if action.fields else must
    arguments = {f.name: data.draw(value_of(f)) for f in action.fields if f.name in chosen}
    checked, _ = inputs.check(action, arguments, bounds=BOUNDS)
    request = encode(action, checked, {"fabrikam.example": TENANT}, {})
    e = SHIPPED[action.name.casefold()]
    assert (request.method, request.path) == (e.method, f"/api/{e.name}")
    places = {n.place for n in e.names} | set(e.sends)
    assert {f"query.{k}" for k in request.query} <= places
    for row in request.body if isinstance(request.body, list) else [request.body or {}]:
        room = "body[]." if isinstance(request.body, list) else "body."
        known = {p.removeprefix(room).partition(".")[0] for p in places if p.startswith(room)}
        assert set(row) <= known


def test_flags_options_and_tenants_take_the_form_that_cipp_reads() -> None:
    rules = API.get("ListMailboxRules")
    sent = encode(rules, {"tenantFilter": "fabrikam", "UseReportDB": False}, {"fabrikam": TENANT}, {})
    assert sent.query == {"tenantFilter": "fabrikam.example"}
    mode = API.get("ExecSetDefaultMFAMethod")
    sent = encode(mode, {"tenantFilter": "f", "ID": "a@b.example", "MethodType": "push"}, {"f": TENANT}, {})
    assert sent.body == {
        "tenantFilter": "fabrikam.example",
        "ID": "a@b.example",
        "MethodType": {"label": "push", "value": "push"},
    }
    spam = API.get("AddConnectionFilter")
    sent = encode(spam, {"selectedTenants": ["f"]}, {"f": TENANT}, {})
    assert sent.body["selectedTenants"][0]["value"] == "fabrikam.example"
    rights = API.get("ExecModifyMBPerms")
    given_rights = {"tenantFilter": "f", "userID": "a@b.example", "permissions": [{"UserID": "c"}]}
    sent = encode(rights, given_rights, {"f": TENANT}, {})
    assert sent.body == [{"tenantFilter": "fabrikam.example", "userID": "a@b.example", "permissions": [{"UserID": "c"}]}]
