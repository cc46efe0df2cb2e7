"""CIPP's other operations at the terminal: named in the policy, explained, listed and called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.demo.serve import Box
from tests.outside.guarded import ANA, F
from tests.outside.house import Run

SYNC = {"tenantFilter": F, "Name": "Mailboxes"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def write_policy(home: Path, text: str) -> None:
    (home / "policy.toml").write_text(text, encoding="utf-8")


def document(folder: Path, **paths: Any) -> str:
    place = folder / "openapi.json"
    text = json.dumps({"openapi": "3.1.0", "paths": {f"/api/{name}": item for name, item in paths.items()}})
    place.write_text(text, encoding="utf-8")
    return str(place)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ('tools = { ListMailboxRulez = "refuse" }', "ListMailboxRules"),
        ('tools = { listmailboxrules = "refuse" }', "Write ListMailboxRules."),
        ('tools = { remove_usr = "refuse" }', "remove_user"),
        ('tools = { ExecOffboardUser = "refuse" }', "Write offboard_user."),
        ('tools = { ListUsers = "refuse" }', "Use get_user or list_users"),
        ('tools = { ExecAzBobbyTables = "ask" }', "left out"),
        ('all_tenants_writes = ["ExecCIPPDBCache"]', "never takes AllTenants"),
        ('groups = { apis = "refuse" }', "no such group"),
    ],
)
def test_a_policy_that_names_what_is_not_there_ends_the_start_with_the_way_out(
    run: Run, home: Path, rules: str, says: str
) -> None:
    write_policy(home, rules)
    for argv in (("policy",), ("serve",)):
        code, out, err = run(*argv)
        assert code == 2 and says in out + err, (argv, out, err)


def test_a_rule_for_an_operation_without_a_manifest_holds(run: Run, home: Path, box: Box) -> None:
    write_policy(home, 'tools = { ListOoO = "refuse", remove_user = "refuse" }\ngroups = { license = "ask" }')
    given = json.dumps({"tenantFilter": F, "userid": ANA})
    code, out, _ = run("call", "listooo", "--args", given, "--json")
    assert code == 4 and "ListOoO (tools)" in json.loads(out)["message"]
    explained = json.loads(run("policy", "ListOoO", "--args", given, "--json")[1])
    assert explained["verdict"] == "refused"
    assert run("call", "ListMailboxPermissions", "--args", json.dumps({"tenantFilter": F, "userId": ANA}))[0] == 0
    # Rules may name a tool that the chosen groups do not list.
    assert run("tools", "--groups", "license")[0] == 0


def test_a_policy_can_close_everything_that_has_no_manifest(run: Run, home: Path, box: Box) -> None:
    write_policy(home, 'groups = { api = "refuse" }')
    code, out, _ = run("call", "ListOoO", "--args", json.dumps({"tenantFilter": F, "userid": ANA}), "--json")
    assert code == 4 and "group api" in json.loads(out)["message"]
    assert run("call", "list_tenants")[0] == 0
    listed = {t["group"] for t in json.loads(run("tools", "--all", "--json")[1])}
    assert "api" not in listed and "user" in listed


def test_operations_are_listed_explained_and_called_by_their_names(run: Run, box: Box) -> None:
    few, all_ = (json.loads(run("tools", *more, "--json")[1]) for more in ((), ("--all",)))
    added = [t for t in all_ if t["group"] == "api"]
    assert len(all_) == len(few) + len(added) and len(added) > 400
    assert {t["name"] for t in added} >= {"ListOoO", "ExecCIPPDBCache"}
    explained = json.loads(run("policy", "ExecCIPPDBCache", "--args", json.dumps(SYNC), "--json")[1])
    assert (explained["verdict"], explained["effect"]) == ("asked", "govern")
    before = len(box.requests)
    code, out, _ = run("call", "ExecCIPPDBCache", "--args", json.dumps(SYNC), "--hold", "--json")
    assert code == 3 and json.loads(out)["outcome"] == "needs_approval"
    assert "ExecCIPPDBCache" not in [r.endpoint for r in box.requests[before:]]
    assert run("policy", "ListNothingAtAll")[0] == 4


def test_a_given_document_says_what_there_is(run: Run, home: Path) -> None:
    place = document(home, ListNewThings={"get": {"x-cipp-role": "Tenant.Things.Read"}})
    write_policy(home, 'tools = { ListNewThings = "refuse" }')
    assert run("policy")[0] == 2
    assert run("policy", "--openapi", place)[0] == 0
    assert json.loads(run("policy", "ListNewThings", "--openapi", place, "--json")[1])["verdict"] == "refused"
    code, _, err = run("tools", "--openapi", str(home / "none.json"))
    assert code == 2 and "CIPP_MCP_OPENAPI" in err
    code, _, err = run("tools", "--openapi", "http://elsewhere.example/openapi.json")
    assert code == 2 and "https" in err
