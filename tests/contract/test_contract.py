"""Every manifest against the committed facts of CIPP's document, field by field, in both directions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from cipp_mcp.catalog import facts
from cipp_mcp.catalog.contract import Difference, amended, check, knows, stale, unknown_places
from cipp_mcp.catalog.manifests import Catalog, load
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.catalog.uses import OWN_READS, Use, uses, uses_of
from cipp_mcp.errors import ManifestError, SettingsError

HELD = facts.read(Path(__file__).parent)
OPERATIONS = amended(HELD.operations, HELD.differences)
COMMAND = "python -m cipp_mcp facts OPENAPI.json"


@pytest.mark.parametrize("name", [a.name for a in load()])
def test_what_a_manifest_sends_is_what_cipp_reads(name: str, catalog: Catalog) -> None:
    found = check(uses_of(catalog.get(name)), OPERATIONS)

    assert [f"{f.by}: {f.says}" for f in found] == [], f"Correct the manifest, or say why in differences.toml, or run: {COMMAND}"


def test_what_kinds_and_our_own_code_read_is_there(catalog: Catalog) -> None:
    own = [u for u in uses(catalog) if u.by == "call" or u.by.startswith("kind ")]

    assert [f"{f.by}: {f.says}" for f in check(own, OPERATIONS)] == []


def test_what_the_examples_send_is_read(catalog: Catalog) -> None:
    for action in catalog:
        for example in action.examples:
            if action.endpoint in OPERATIONS:  # else it has failed above
                sent = unknown_places(OPERATIONS[action.endpoint], example.sends.get("query", {}), example.sends.get("body"))
                assert sent == [], action.name


def test_no_facts_are_kept_that_nobody_uses(catalog: Catalog) -> None:
    used = {u.endpoint for u in uses(catalog)}
    used |= {f"{d.method} {d.endpoint.partition(' ')[2]}" for d in HELD.differences if d.method}

    assert sorted(set(HELD.operations) - used) == [], f"Run: {COMMAND}"


def test_every_difference_still_is_one_and_is_used(catalog: Catalog) -> None:
    assert stale(HELD.differences, HELD.operations, uses(catalog)) == []


def test_the_reads_that_our_own_code_makes_are_all_listed() -> None:
    folder = Path(facts.__file__).parent.parent / "call"
    trees = [ast.parse(f.read_text(encoding="utf-8")) for f in folder.rglob("*.py")]
    texts = {n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant) and isinstance(n.value, str)}

    assert {f"GET {t.removeprefix('GET ')}" for t in texts if t.startswith(("/api/", "GET /api/"))} == set(OWN_READS)


def test_the_same_facts_are_written_again_from_what_was_read(catalog: Catalog, tmp_path: Path) -> None:
    text = facts.taken(HELD.operations, uses(catalog), HELD.differences)
    (tmp_path / "facts.json").write_text(text, encoding="utf-8")

    assert facts.read(tmp_path).operations == HELD.operations


def test_facts_that_are_not_there_or_damaged_are_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not in this installation"):
        facts.read(tmp_path)
    for text in ("", "[]", '{"used": 1}', '{"used": {}, "others": {"GET": 1}}'):
        (tmp_path / "facts.json").write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match="damaged"):
            facts.read(tmp_path)


def test_a_difference_without_a_reason_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "differences.toml").write_text('[[difference]]\nendpoint = "GET /api/X"\nreason = ""\n', encoding="utf-8")

    with pytest.raises(ManifestError, match=r"differences\.toml"):
        facts.differences(tmp_path)


TOLD = Operation(
    "POST",
    "/api/X",
    "A.Write",
    {"query.tenantFilter": "text"},
    {"body.ID": "text", "body.who": "option", "body.data": "object", "body.at": "object", "body.at.date": "text"},
    frozenset({"query.tenantFilter", "body.ID", "body.at.date"}),
)
RIGHT = Use(
    "x", "POST /api/X", "A.Write", {"body.tenantFilter": "text", "body.ID": "text"}, frozenset({"body.tenantFilter", "body.ID"})
)


def found(use: Use, *known: Difference, told: Operation = TOLD) -> list[tuple[str, str]]:
    return [(f.kind, f.place) for f in check([use], amended({told.endpoint: told}, known))]


def test_a_use_that_the_document_bears_out_has_no_findings() -> None:
    # tenantFilter is sent in the body and required in the query: CIPP takes it from either.
    known = Difference(endpoint="POST /api/X", names=("body.tenantFilter",), reason="Invoke-X.ps1:1 reads it")

    assert found(RIGHT, known) == []


@pytest.mark.parametrize(
    ("sends", "finding"),
    [
        ({"body.Id": "text"}, ("name", "body.Id")),
        ({"query.ID": "text"}, ("name", "query.ID")),
        ({"body.at.time": "text"}, ("name", "body.at.time")),
        ({"body.who": "text"}, ("type", "body.who")),
        ({"body.who": "object"}, ("type", "body.who")),
        ({"body.data": "text"}, ("type", "body.data")),
        ({"body.at.time": "text"}, ("required", "body.at.date")),
    ],
)
def test_a_wrong_name_a_wrong_type_and_a_missing_field_are_found(sends: dict[str, str], finding: tuple[str, str]) -> None:
    use = Use(
        "x", "POST /api/X", "A.Write", {"query.tenantFilter": "text", "body.ID": "text", **sends}, RIGHT.always | set(sends)
    )

    assert finding in found(use)


def test_a_wrong_role_method_and_endpoint_are_found() -> None:
    assert ("role", "") in found(Use("x", "POST /api/X", "A.Read"))
    assert found(Use("x", "GET /api/X")) == [("method", "")]
    assert found(Use("x", "POST /api/Y")) == [("endpoint", "")]


def test_what_is_inside_an_undescribed_object_is_free_and_inside_a_described_one_is_not() -> None:
    assert knows(TOLD, "body.data.anything.at.all")
    assert knows(TOLD, "body.who.value")
    assert not knows(TOLD, "body.at.anything")
    assert not knows(TOLD, "body.ID.anything")
    assert unknown_places(TOLD, {"q": "x"}, {"at": {"hour": 1}, "data": {"x": 1}}) == ["query.q", "body.at.hour"]
    assert unknown_places(TOLD, {}, [{"ID": "x"}]) == ["body[].ID"]


def test_a_difference_that_is_none_is_stale() -> None:
    reason = "Invoke-X.ps1:1 reads it"
    wrong = [
        Difference(endpoint="POST /api/Z", names=("body.a",), reason=reason),
        Difference(endpoint="POST /api/X", reason=reason),
        Difference(endpoint="POST /api/X", method="POST", reason=reason),
        Difference(endpoint="POST /api/X", role="A.Write", reason=reason),
        Difference(endpoint="POST /api/X", names=("body.ID", "body.nobody"), reason=reason),
        Difference(endpoint="POST /api/X", optional=("body.ID",), reason=reason),
        Difference(endpoint="POST /api/X", types={"body.ID": "text"}, reason=reason),
    ]

    told = stale(wrong, {TOLD.endpoint: TOLD}, [RIGHT])

    assert len(told) == 8
    assert told[0] == "POST /api/Z: no manifest uses it"
    assert told[4:6] == ["POST /api/X: the document has body.ID", "POST /api/X: no manifest sends body.nobody"]
