"""A newer document of CIPP's: what touches us ends with 1 and is named, everything else is counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cipp_mcp.catalog import drift
from cipp_mcp.catalog.contract import Difference
from cipp_mcp.catalog.facts import Facts
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.catalog.uses import Use
from cipp_mcp.cli import main

BLOCK = Operation(
    "POST", "/api/ExecBlock", "Identity.Write", {}, {"body.tenantFilter": "text", "body.userId": "text", "body.Enable": "flag"},
    frozenset({"body.tenantFilter"}),
)  # fmt: skip
LIST = Operation("GET", "/api/ListUsers", "Identity.Read", {"query.tenantFilter": "text"})
USES = (
    Use("block_user", BLOCK.endpoint, BLOCK.role, dict(BLOCK.body) | {"body.hidden": "flag"}, frozenset({"body.tenantFilter"})),
    Use("list_users", LIST.endpoint, LIST.role, dict(LIST.query), frozenset(LIST.query)),
)
KNOWN = (Difference(endpoint=BLOCK.endpoint, names=("body.hidden",), reason="Invoke-ExecBlock.ps1:7 reads it"),)
HELD = Facts({o.endpoint: o for o in (BLOCK, LIST)}, frozenset({"GET /api/Other"}), KNOWN)
SAME = {**HELD.operations, "GET /api/Other": Operation("GET", "/api/Other")}


def compared(**changed: Operation | None) -> drift.Drift:
    """Against the same document with endpoints replaced (by name) or taken out."""
    newer = {e: o for e, o in SAME.items() if e.rpartition("/")[2] not in changed}
    newer |= {o.endpoint: o for o in changed.values() if o is not None}
    return drift.compare(USES, HELD, newer)


def kinds(found: drift.Drift) -> list[tuple[str, str, str]]:
    return [(c.kind, c.by, c.place) for c in found.changes]


def body(**changes: str | None) -> Operation:
    whole = {**dict(BLOCK.body), **{f"body.{n}": t for n, t in changes.items()}}
    return replace(BLOCK, body={p: t for p, t in whole.items() if t is not None})


def test_the_same_document_has_no_drift() -> None:
    found = compared()

    assert found.changes == ()
    assert found.lines() == ["No drift that touches us."]


def test_a_field_that_changed_its_name_is_told_with_the_new_one() -> None:
    found = compared(ExecBlock=body(userId=None, UserID="text"))

    assert kinds(found) == [("renamed", "block_user", "body.userId")]
    assert found.changes[0].near == ("body.UserID",)
    assert found.lines()[:2] == [
        "renamed fields:", "  block_user: POST /api/ExecBlock: body.userId is gone; perhaps now body.UserID",
    ]  # fmt: skip


def test_a_field_with_quite_another_name_is_told_when_it_is_the_only_new_one() -> None:
    assert kinds(compared(ExecBlock=body(userId=None, Principal="text"))) == [("renamed", "block_user", "body.userId")]


def test_a_field_that_is_gone_is_told_as_removed() -> None:
    assert kinds(compared(ExecBlock=body(userId=None))) == [("removed", "block_user", "body.userId")]


def test_the_last_field_of_an_object_is_missed_when_it_goes() -> None:
    nested = replace(BLOCK, body={**dict(BLOCK.body), "body.at": "object", "body.at.date": "text"})
    use = replace(USES[0], sends={**USES[0].sends, "body.at.date": "text"})
    emptied = replace(nested, body={p: t for p, t in nested.body.items() if p != "body.at.date"})

    found = drift.compare([use], replace(HELD, operations={nested.endpoint: nested}), {nested.endpoint: emptied})

    assert kinds(found) == [("removed", "block_user", "body.at.date")]


def test_an_endpoint_that_is_gone_a_method_and_a_role_that_changed_are_told() -> None:
    assert kinds(compared(ExecBlock=None)) == [("endpoint", "block_user", "")]
    assert compared(ListUsers=replace(LIST, path="/api/ListUsersV2")).changes[0].near == ("/api/ListUsersV2",)
    assert kinds(compared(ExecBlock=replace(BLOCK, method="GET"))) == [("method", "block_user", "")]
    assert kinds(compared(ListUsers=replace(LIST, role="Tenant.Read"))) == [("role", "list_users", "")]


def test_a_field_that_is_required_now_and_one_of_another_type_are_told() -> None:
    demanding = replace(BLOCK, required=BLOCK.required | {"body.Enable"})

    assert kinds(compared(ExecBlock=demanding)) == [("required", "block_user", "body.Enable")]
    assert kinds(compared(ExecBlock=body(userId="option"))) == [("type", "block_user", "body.userId")]
    assert kinds(compared(ExecBlock=body(Enable="text"))) == [("type", "block_user", "body.Enable")]


def test_what_does_not_touch_us_is_counted() -> None:
    found = compared(Other=None, New=Operation("GET", "/api/New"), ExecBlock=body(Extra="text"))

    assert found.changes == ()
    assert (found.added, found.gone) == (("GET /api/New",), ("GET /api/Other",))
    assert found.new_fields == {"POST /api/ExecBlock": ("body.Extra",)}
    assert found.lines() == [
        "No drift that touches us.",
        "1 endpoints added.",
        "1 endpoints removed that we do not use.",
        "1 fields added to endpoints that we use.",
    ]


def test_a_difference_that_the_document_has_taken_up_is_told() -> None:
    found = compared(ExecBlock=body(hidden="flag"))

    assert found.changes == ()
    assert found.settled == ("POST /api/ExecBlock has body.hidden",)


# The commands, on a document made from the committed facts.

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a document with what we use, changed by a function of its paths."""
    from cipp_mcp.catalog import facts

    def written(change: Callable[[dict[str, Any]], None] = lambda _: None) -> Path:
        held = facts.read(Path(__file__).parent)
        paths: dict[str, Any] = {}
        for o in held.operations.values():
            paths.setdefault(o.path, {})[o.method.lower()] = _operation(o)
        for endpoint in held.others:
            method, _, path = endpoint.partition(" ")
            paths.setdefault(path, {})[method.lower()] = {}
        change(paths)
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps({"openapi": "3.1.0", "paths": paths}), encoding="utf-8")
        return file

    return written


def _operation(o: Operation) -> dict[str, Any]:
    parameters = [{"name": p[6:], "in": "query", "required": p in o.required, "schema": _schema(t)} for p, t in o.query.items()]
    return {
        "x-cipp-role": o.role,
        "parameters": parameters,
        "requestBody": {"content": {"application/json": {"schema": _body(o)}}},
    }


def _body(o: Operation) -> dict[str, Any]:
    listed = any(p.startswith("body[]") for p in o.body)
    whole: dict[str, Any] = {"type": "object", "properties": {}}
    for place, kind in o.body.items():
        at = whole
        *parents, last = place.removeprefix("body[].").removeprefix("body.").replace("@odata.type", "@odata~type").split(".")
        for part in parents:
            at = at["properties"][part.removesuffix("[]")]
            at = at.get("items", at)
        last = last.replace("~", ".")
        at.setdefault("properties", {})[last] = _schema(kind)
        if place in o.required:
            at.setdefault("required", []).append(last)
    return {"type": "array", "items": whole} if listed else whole


def _schema(kind: str) -> dict[str, Any]:
    if kind.endswith("[]"):
        return {"type": "array", "items": _schema(kind[:-2])}
    if kind == "option":
        return {"type": "object", "properties": {"label": {"type": "string"}, "value": {"type": "string"}}}
    return {"type": {"text": "string", "flag": "boolean", "number": "integer", "object": "object"}.get(kind, "")}


def test_the_command_ends_with_0_on_the_document_that_we_hold(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", str(make())]) == 0
    assert capsys.readouterr().out == "No drift that touches us.\n"


def test_the_command_ends_with_1_and_names_each_tool(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def change(paths: dict[str, Any]) -> None:
        properties = paths["/api/ExecClrImmId"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
        properties["userId"] = properties.pop("ID")
        paths["/api/ListUsers"]["get"]["x-cipp-role"] = "Other.Read"
        paths["/api/RemoveUser"] = {"get": paths["/api/RemoveUser"]["post"]}
        del paths["/api/ExecResetPass"]
        paths["/api/BrandNew"] = {"get": {}}

    assert main(["drift", str(make(change)), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    changes = {(c["kind"], c["by"], c["endpoint"]) for c in told["changes"]}

    assert told["drift"] is True
    assert told["added"] == ["GET /api/BrandNew", "GET /api/RemoveUser"]
    assert ("renamed", "clear_user_immutable_id", "POST /api/ExecClrImmId") in changes
    assert ("role", "list_users", "GET /api/ListUsers") in changes
    assert ("method", "remove_user", "POST /api/RemoveUser") in changes
    assert ("endpoint", "reset_user_password", "POST /api/ExecResetPass") in changes


def test_the_command_takes_an_address(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(make().parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            root = f"http://127.0.0.1:{server.server_port}"
            assert main(["drift", f"{root}/openapi.json"]) == 0
            assert main(["drift", f"{root}/nothing.json"]) == 2
        finally:
            server.shutdown()
            thread.join(10)
    assert "127.0.0.1 answered 404." in capsys.readouterr().err


def test_facts_are_taken_over_from_a_document(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parent
    there = tmp_path / "tests" / "contract"
    there.mkdir(parents=True)
    shutil.copy(here / "differences.toml", there)
    monkeypatch.setattr("cipp_mcp.handbook.working_copy", lambda: tmp_path)

    assert main(["facts", str(make())]) == 0
    written, held = (json.loads((f / "facts.json").read_text(encoding="utf-8")) for f in (there, here))
    assert written["used"].keys() == held["used"].keys()
    assert written["others"] == held["others"]


@pytest.mark.parametrize("given", ["/no/such/file.json", "http://cipp.example/openapi.json", "ftp://cipp.example/x", "https://"])
def test_the_command_ends_with_2_when_there_is_no_document(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", given]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_that_is_no_document_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("<html>", encoding="utf-8")

    assert main(["drift", str(file)]) == 2
