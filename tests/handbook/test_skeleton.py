"""`new`: a skeleton that holds what the document knows and does not load before a person has decided."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.catalog import openapi
from cipp_mcp.catalog.manifests import Catalog, load
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.cli import main
from cipp_mcp.errors import ManifestError
from cipp_mcp.handbook import shared_fields
from cipp_mcp.handbook.skeleton import skeleton, snake
from tests.catalog.folders import write
from tests.catalog.requests import checked, request_of

PLAIN = Operation(
    "POST",
    "/api/ExecSetMailboxThing",
    "Exchange.Mailbox.ReadWrite",
    {"query.tenantFilter": "text"},
    {
        "body.tenantFilter": "text",
        "body.userId": "text",
        "body.Enable": "flag",
        "body.days": "number",
        "body.Action": "text",
        "body.licenses": "option[]",
        "body.Scheduled": "object",
        "body.Scheduled.Date": "text",
    },
    frozenset({"body.tenantFilter", "body.userId", "body.Enable", "body.Action", "body.licenses"}),
    {"body.Action": ("Add", "Remove")},
    summary="Sets\na  \u200bthing.",
)


def test_what_the_document_knows_is_filled_in(catalog: Catalog) -> None:
    raw = tomllib.loads(skeleton(PLAIN, catalog, shared_fields()))

    assert raw["endpoint"] == "POST /api/ExecSetMailboxThing"
    assert raw["role"] == "Exchange.Mailbox.ReadWrite"
    assert raw["effect"] == raw["summary"] == raw["verify"]["claimed"] == "?"
    assert raw["fields"] == {
        "tenant_filter": {"use": "tenant", "to": "body.tenantFilter"},
        "user_id": {"use": "user", "to": "body.userId"},
        "enable": {"type": "flag", "to": "body.Enable"},
        "days": {"type": "number", "optional": True, "to": "body.days"},
        "action": {"type": "choice", "choices": ["Add", "Remove"], "to": "body.Action"},
        "licenses": {"type": "text", "many": True, "to": "body.licenses", "as": "option"},
        "scheduled_date": {"type": "text", "optional": True, "to": "body.Scheduled.Date"},
    }


def test_it_does_not_load_until_a_person_has_decided(catalog: Catalog, tmp_path: Path) -> None:
    text = skeleton(PLAIN, catalog, shared_fields())
    here = "actions/user/set_mailbox_thing.toml"
    fields = {
        n: {k: v for k, v in f.items() if isinstance(v, str | bool)}
        for n, f in shared_fields().items()
        if n in ("tenant", "user")
    }
    shared = "".join(f"[{n}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in f.items()) for n, f in fields.items())

    with pytest.raises(ManifestError, match="effect"):
        load(write(tmp_path, {here: text, "fields.toml": shared}))
    decided = text.replace('effect   = "?"', 'effect   = "set"')
    action = load(write(tmp_path, {here: decided, "fields.toml": shared})).get("set_mailbox_thing")
    example = action.examples[0]
    assert request_of(action, checked(action, example.given)).body == example.sends["body"]


def test_cipps_own_words_stand_in_a_comment_only(catalog: Catalog) -> None:
    text = skeleton(PLAIN, catalog, shared_fields())

    assert "# CIPP says: Sets a thing.\n" in text
    assert "thing." not in json.dumps(tomllib.loads(text))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ListCippQueue", "list_cipp_queue"),
        ("tenantFilter", "tenant_filter"),
        ("UserID", "user_id"),
        ("RemoveTeamsPhoneDID", "remove_teams_phone_did"),
        ("ExecUniversalSearchV2", "exec_universal_search_v2"),
        ("$filter", "filter"),
        ("@odata.type", "odata_type"),
    ],
)
def test_names_become_ours(name: str, ours: str) -> None:
    assert snake(name) == ours


def test_a_hostile_document_still_gives_toml(catalog: Catalog) -> None:
    body = {"type": "object", "properties": {n: {"type": "string"} for n in ('a"b', "a = 1", "é", "x.y", "]", "#", "A", "a", "")}}
    post = {
        "description": 'x\ny\x00 """ \u2028 end',
        "x-cipp-role": 'A"]\\B',
        "requestBody": {"content": {"application/json": {"schema": body}}},
    }
    made = openapi.operations(json.dumps({"paths": {'/api/X"\\': {"post": post}}}))

    for operation in made.values():
        raw = tomllib.loads(skeleton(operation, catalog, {}))
        assert raw["role"] == "?"
        assert len(raw["fields"]) == 8


def command(capsys: pytest.CaptureFixture[str], *given: str) -> tuple[int, str, str]:
    code = main(["new", *given])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_takes_the_facts_that_we_hold(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = command(capsys, "execclrimmid")

    assert code == 0
    assert tomllib.loads(out)["endpoint"] == "POST /api/ExecClrImmId"
    assert "--update" in err


def test_the_command_works_beside_a_manifest_that_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when a shell has made the empty file that the output will go to."""
    folder = write(tmp_path, {"actions/user/new_tool.toml": ""})
    facts = Path(__file__).parent.parent / "contract"
    monkeypatch.setattr("cipp_mcp.catalog.manifests.shipped_folder", lambda: folder)
    monkeypatch.setattr("cipp_mcp.handbook.shipped_folder", lambda: folder)
    monkeypatch.setattr("cipp_mcp.catalog.facts.folder", lambda: facts)

    assert command(capsys, "ExecClrImmId")[0] == 0


def test_the_command_says_what_to_give_for_an_endpoint_that_we_do_not_hold(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = command(capsys, "ExecSomethingNew")

    assert (code, out) == (2, "")
    assert "--openapi FILE" in err


def test_the_command_names_the_nearest_endpoints_of_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths: dict[str, Any] = {"/api/ExecSomethingNew": {"get": {"x-cipp-role": "A.B.Read"}}}
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps({"paths": paths}), encoding="utf-8")

    assert command(capsys, "ExecSomethingNew", "--openapi", str(file))[0] == 0
    code, _, err = command(capsys, "ExecSomthingNew", "--openapi", str(file))
    assert code == 2
    assert "Nearest: ExecSomethingNew." in err
