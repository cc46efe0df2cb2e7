"""Loading: the folder is the registry, and a manifest that breaks the grammar is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cipp_mcp.catalog.manifests import OWN, Catalog, load
from cipp_mcp.errors import ManifestError, UnknownAction
from cipp_mcp.settings import GROUPS
from tests.catalog.folders import ACTION, FIELDS, KINDS, write

HERE = "actions/user/block_user.toml"


def test_the_file_name_is_the_tool_and_the_folder_its_group(tmp_path: Path) -> None:
    loaded = load(write(tmp_path))

    assert list(loaded.actions) == ["block_user"]
    assert loaded.get("block_user").group == "user"
    assert loaded.groups["user"].title == "Users"


def test_a_shared_field_gives_what_stands_beside_it_the_last_word(tmp_path: Path) -> None:
    text = ACTION.replace('{ use = "tenant", to', '{ use = "tenant", summary = "Which one", to')

    field = (
        load(write(tmp_path, {HERE: text, "fields.toml": FIELDS + 'summary = "Domain"\n'}))
        .get("block_user")
        .field("tenant_filter")
    )

    assert (field.kind, field.summary) == ("tenant", "Which one")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({HERE: "title = "}, "user/block_user.toml is not TOML"),
        ({HERE: 'title = "x"'}, "user/block_user.toml: summary"),
        ({HERE: ACTION.replace('"remove"', '"?"')}, "user/block_user.toml: effect"),
        ({HERE: ACTION.replace('"remove"', '"delete"')}, "user/block_user.toml: effect"),
        ({HERE: "colour = 1\n" + ACTION}, "user/block_user.toml: colour"),
        ({HERE: ACTION.replace('use = "tenant"', 'use = "planet"')}, "block_user.toml: tenant_filter uses planet"),
        ({HERE: ACTION.replace('kind = "user"', 'kind = "robot"')}, "block_user.toml: user_id names a robot"),
        ({HERE: ACTION.replace('"body.ID"', '"header.ID"')}, "is not query.X, body.X"),
        ({HERE: ACTION.replace("POST", "GET")}, "a GET has no body"),
        ({HERE: ACTION.replace('type = "text", kind', 'type = "choice", kind')}, "choices go with type choice"),
        ({HERE: ACTION.replace('kind = "user"', 'pattern = "("')}, "user/block_user.toml: fields"),
        ({HERE: ACTION + '[verify]\nread = "target"\n'}, "user/block_user.toml: verify"),
        ({HERE: ACTION + '[verify]\nclaimed = "no"\nread = "target"\n'}, "user/block_user.toml: verify"),
        ({HERE: ACTION + '[verify]\nread = "POST /api/X"\nexpect = [{ gone = true }]\n'}, "user/block_user.toml: verify"),
        (
            {HERE: ACTION + '[verify]\nread = "target"\nexpect = [{ field = "a", equals = 1, absent = true }]\n'},
            "exactly one check",
        ),
        ({HERE: ACTION + '[[rules]]\none_of = ["nobody"]\n'}, "no field named nobody"),
        ({HERE: ACTION + '[verify]\nread = "target"\nblind = ["nobody"]\nexpect = [{ gone = true }]\n'}, "named nobody"),
        ({"actions/user/X.toml": ACTION}, "user/X.toml"),
        ({"actions/user/block-user.toml": ACTION}, "not a tool name"),
        ({"fields.toml": "[tenant"}, "fields.toml is not TOML"),
        ({"kinds.toml": KINDS.replace("keys", "kees")}, "kinds.toml"),
        ({"actions/user/_group.toml": "title"}, "_group.toml is not TOML"),
    ],
)
def test_a_manifest_that_breaks_the_grammar_is_named(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(ManifestError) as refused:
        load(write(tmp_path, changes))

    assert says in refused.value.message
    assert ".toml" in refused.value.message
    assert str(tmp_path) not in refused.value.message
    assert "Correct the manifest" in refused.value.hint


def test_a_folder_without_its_shared_files_is_said_not_raised_through(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "kinds.toml").unlink()

    with pytest.raises(ManifestError, match=r"kinds\.toml"):
        load(folder)


def test_bytes_that_are_not_utf8_are_said(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / HERE).write_bytes(b'title = "\xff"')

    with pytest.raises(ManifestError, match=r"user/block_user\.toml is not TOML"):
        load(folder)


def test_a_former_name_still_leads_to_its_tool(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, {HERE: 'formerly = ["disable_user", "lock_user"]\n' + ACTION}))

    assert loaded.get("disable_user") is loaded.get("block_user")
    assert loaded.get("lock_user").name == "block_user"
    assert "disable_user" not in loaded.actions


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    loaded = load(write(tmp_path))

    with pytest.raises(UnknownAction) as refused:
        loaded.get("blok_user")
    assert refused.value.hint == "Nearest: block_user."
    with pytest.raises(UnknownAction) as refused:
        loaded.get("x" * 10_000)
    assert refused.value.hint == "See the tool list."


def test_the_digest_changes_with_any_manifest(tmp_path: Path) -> None:
    one = load(write(tmp_path / "one")).digest
    same = load(write(tmp_path / "same")).digest
    other = load(write(tmp_path / "other", {HERE: ACTION.replace("Block it.", "Block it now.")})).digest

    assert one == same
    assert one != other


def test_only_keeps_the_groups_that_are_asked_for(tmp_path: Path) -> None:
    loaded = load(write(tmp_path))

    assert len(loaded.only(("tenant",))) == 0
    assert len(loaded.only(())) == 1


def test_the_shipped_groups_are_those_of_the_settings(catalog: Catalog) -> None:
    assert sorted(catalog.groups) == sorted([*GROUPS, OWN])


def test_no_shipped_name_is_used_twice(catalog: Catalog) -> None:
    former = [old for a in catalog for old in a.formerly]

    assert len(former) == len(set(former))
    assert set(former) & set(catalog.actions) == set()
    words = [(a.name, w) for a in catalog for w in a.words if len(a.words) != len(set(a.words))]
    assert words == []
