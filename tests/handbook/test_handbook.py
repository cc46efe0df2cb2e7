"""What is generated equals what is committed, and the generator touches nothing else."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from cipp_mcp import handbook, settings
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog, load
from cipp_mcp.cli import main
from cipp_mcp.errors import SettingsError
from cipp_mcp.handbook import pages, readme
from tests.catalog.folders import ACTION, write

ROOT = Path(__file__).parent.parent.parent
MARKED = "".join(f"<!-- BEGIN {n} -->\nold\n<!-- END {n} -->\nkept {n}\n" for n in readme.BLOCKS)


def test_readme_reference_and_schema_are_what_the_manifests_say(update: bool) -> None:
    if update:
        handbook.rewrite(ROOT)

    assert [f.relative_to(ROOT).as_posix() for f in handbook.outdated(ROOT)] == [], f"Run: {handbook.COMMAND}"


def test_only_what_stands_between_markers_is_replaced(catalog: Catalog) -> None:
    text = readme.filled(f"before\n{MARKED}after \\1 \\g<0>\n", catalog)

    assert text.startswith("before\n<!-- BEGIN ")
    assert text.endswith("after \\1 \\g<0>\n")
    assert "old" not in text.replace("hold", "").replace("old login", "").split()
    assert all(f"kept {n}" in text for n in readme.BLOCKS)
    assert readme.filled(text, catalog) == text


@pytest.mark.parametrize("marker", [f"<!-- {edge} {n} -->" for n in readme.BLOCKS for edge in ("BEGIN", "END")])
def test_a_marker_that_is_missing_or_there_twice_is_named(marker: str, catalog: Catalog) -> None:
    for text in (MARKED.replace(marker, ""), MARKED.replace(marker, marker * 2)):
        with pytest.raises(SettingsError) as refused:
            readme.filled(text, catalog)
        assert marker in refused.value.message


def test_markers_in_the_wrong_order_are_said(catalog: Catalog) -> None:
    swapped = MARKED.replace("BEGIN tools", "X").replace("END tools", "BEGIN tools").replace("X", "END tools")

    with pytest.raises(SettingsError, match="before"):
        readme.filled(swapped, catalog)


def test_every_setting_is_in_the_table(catalog: Catalog) -> None:
    table = readme.settings_table(catalog)

    assert [v for v, _, _ in settings.variables() if f"| `{v}` |" not in table] == []


def test_every_tool_has_its_section_with_effect_role_endpoint_and_arguments(catalog: Catalog) -> None:
    made = pages.pages(catalog)
    for action in catalog:
        section = made[action.group].split(f"\n## {action.name}\n", 1)[1].split("\n## ", 1)[0]
        assert action.summary in section
        assert f"- Effect: {action.effect}" in section
        assert "- Who is asked: " in section
        assert action.own or f"`{action.endpoint}`, role `{action.role}`" in section
        assert [f.name for f in action.fields if f"| `{f.name}` |" not in section] == []


def page(tmp_path: Path, text: str) -> str:
    return pages.pages(load(write(tmp_path, {"actions/user/block_user.toml": text})))["user"]


@pytest.mark.parametrize(
    ("verify", "says"),
    [
        ('read = "target"\nexpect = [{ gone = true }]', "`GET /api/ListUsers` shows that it is gone"),
        ('read = "target"\nexpect = [{ field = "on", equals = false }]', "shows `on` = `false`"),
        ('read = "target"\nexpect = [{ field = "on", absent = true }]', "shows no `on`"),
        ('read = "target"\nexpect = [{ field = "on", moved = true }]', "shows a changed `on`"),
        ('read = "target"\nexpect = [{ field = "on", holds = "$user_id" }]', "shows `on` with `user_id`"),
        ('read = "target"\nexpect = [{ field = "on", only = [] }]', "shows `on` only nothing"),
        ('read = "GET /api/ListX"\nexpect = [{ row = { id = "{id}" }, fresh = "k" }]', "shows a new row with `id` = `{id}`"),
        (
            'read = "GET /api/ListX"\nexpect = [{ row = { id = "1" }, when = { argument = "user_id", given = true } }]',
            "`GET /api/ListX` shows a row with `id` = `1` when user_id is given",
        ),
        ('read = "GET /api/ListX"\nexpect = [{ row = { id = "1" }, listed = false }]', "shows no row with `id` = `1`"),
        ('read = "GET /api/ListX"\nexpect = [{ row = { id = "1" }, alone = true }]', "shows no row but those with `id` = `1`"),
        ('read = "target"\nblind = ["user_id"]\nexpect = [{ gone = true }]', "; it proves nothing with user_id"),
        ('read = "target"\nbeyond = ["user_id"]\nexpect = [{ gone = true }]', "; of user_id only CIPP's own lines tell"),
        ('job = true\nread = "GET /api/ListX"\nexpect = [{ row = { id = "1" } }]', "which tells that it is queued and no more"),
        ('claimed = "nothing shows it"', "- Read-back: none: nothing shows it"),
    ],
)
def test_the_read_back_is_said_in_words(tmp_path: Path, verify: str, says: str) -> None:
    assert says in page(tmp_path, f"{ACTION}\n[verify]\n{verify}\n")


def test_every_write_says_which_read_proves_it_or_why_none_can(catalog: Catalog) -> None:
    made = pages.pages(catalog)
    for action in (a for a in catalog if a.effect is not Effect.READ and not a.lean):
        said = made[action.group].split(f"\n## {action.name}\n", 1)[1].split("- Read-back: ", 1)[1].split("\n", 1)[0]
        reasons = [v.claimed for v in action.verify if v.claimed]
        assert all(f"none: {reason}" in said for reason in reasons)
        assert reasons or " shows " in said, action.name


def test_who_is_asked_follows_from_the_effect(tmp_path: Path) -> None:
    raised = ACTION.replace('"remove"', '"set"') + '[[raises]]\nargument = "user_id"\nis = ["x"]\nto = "destroy"\n'

    assert "- Who is asked: a person\n" in page(tmp_path / "1", ACTION)
    assert "- Who is asked: a person, who types the target's name\n" in page(
        tmp_path / "2", ACTION.replace('"remove"', '"destroy"')
    )
    assert "- Who is asked: nobody\n" in page(tmp_path / "3", ACTION.replace('"remove"', '"set"'))
    assert "- Effect: set; destroy when user_id is x\n- Who is asked: a person when user_id is x; " in page(
        tmp_path / "4", raised
    )


@pytest.fixture(scope="module")
def editor() -> Any:
    return Draft7Validator(json.loads((ROOT / "manifests" / "manifest.schema.json").read_text(encoding="utf-8")))


def test_the_editor_schema_takes_every_manifest(editor: Any) -> None:
    editor.check_schema(editor.schema)
    for file in sorted((ROOT / "manifests").glob("*/**/*.toml")):
        if file.name != "_group.toml" and "packages" not in file.parts and "runbooks" not in file.parts:
            assert [e.message for e in editor.iter_errors(tomllib.loads(file.read_text(encoding="utf-8")))] == [], file.name


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"remove"', '"?"'),
        ("effect ", "efect "),
        ('use = "tenant"', 'use = "planet"'),
        ('kind = "user"', 'kind = "robot"'),
        ('kind = "user"', 'as = "magic"'),
        ('type = "text"', 'colour = "red"'),
        ("role     =", "# role ="),
    ],
)
def test_the_editor_schema_marks_what_would_not_load(editor: Any, was: str, becomes: str) -> None:
    assert list(editor.iter_errors(tomllib.loads(ACTION.replace(was, becomes)))) != []


def test_the_check_names_what_is_outdated_and_the_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text(MARKED, encoding="utf-8")
    left = tmp_path / ".github" / "reference" / "gone.md"
    left.parent.mkdir(parents=True)
    left.write_text("x", encoding="utf-8")
    monkeypatch.setattr(handbook, "working_copy", lambda: tmp_path)

    assert main(["handbook", "--check"]) == 1
    said = capsys.readouterr()
    assert "README.md: outdated" in said.out
    assert ".github/reference/gone.md: outdated" in said.out
    assert said.err == "Run: python -m cipp_mcp handbook\n"
    assert main(["handbook"]) == 0
    assert main(["handbook", "--check"]) == 0
    assert not left.exists()
    assert (tmp_path / "manifests" / "manifest.schema.json").is_file()


def test_an_installation_has_nothing_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handbook, "shipped_folder", lambda: tmp_path / "manifests")

    with pytest.raises(SettingsError, match="not a working copy"):
        handbook.working_copy()
