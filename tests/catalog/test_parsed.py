"""The copy of the parsed manifests: it saves time and never says anything else than the files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cipp_mcp.catalog import parsed
from cipp_mcp.catalog.manifests import shipped_folder
from tests.catalog.folders import ACTION, write

ROOT = Path(__file__).parent.parent.parent
HERE = "actions/user/block_user.toml"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the copy goes, in a Python that writes bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "cache" / "manifests.json"


def rewritten(file: Path, old: str, new: str) -> None:
    """Change a file so that neither its size nor its time tells."""
    assert len(old) == len(new)
    before = file.stat()
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_copy_says_of_every_shipped_manifest_what_its_file_says(copy: Path) -> None:
    read = parsed.documents(shipped_folder(), copy)

    assert copy.is_file()
    assert list(parsed.documents(shipped_folder(), copy).items()) == list(read.items())
    assert read == parsed.documents(shipped_folder())


def test_the_copy_is_what_is_read(tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "manifests")
    parsed.documents(folder, copy)
    monkeypatch.setitem(sys.modules, "tomli", None)  # an import of the parser now fails

    assert parsed.documents(folder, copy)[HERE]["effect"] == "remove"


def test_an_edited_manifest_is_seen_whatever_its_size_and_time(tmp_path: Path, copy: Path) -> None:
    folder = write(tmp_path / "manifests")
    parsed.documents(folder, copy)
    rewritten(folder / HERE, '"remove"', '"govern"')

    assert parsed.documents(folder, copy)[HERE]["effect"] == "govern"
    assert parsed.documents(folder, copy)[HERE]["effect"] == "govern"


@pytest.mark.parametrize("change", ["one more", "one less", "other name"])
def test_a_file_that_comes_goes_or_moves_is_seen(tmp_path: Path, copy: Path, change: str) -> None:
    folder = write(tmp_path / "manifests", {"actions/user/more.toml": ACTION})
    parsed.documents(folder, copy)
    more = folder / "actions/user/more.toml"
    if change == "one more":
        (folder / "actions/user/new.toml").write_text(ACTION, encoding="utf-8")
    elif change == "one less":
        more.unlink()
    else:
        more.rename(folder / "actions/user/other.toml")

    assert parsed.documents(folder, copy) == parsed.documents(folder)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "of another folder", "with a lower effect"])
def test_a_copy_that_is_not_true_is_not_read_and_is_mended(tmp_path: Path, copy: Path, damage: str) -> None:
    folder = write(tmp_path / "manifests")
    parsed.documents(folder, copy)
    whole = copy.read_bytes()
    other = tmp_path / "other.json"
    parsed.documents(write(tmp_path / "other", {HERE: ACTION.replace("remove", "read")}), other)
    copy.write_bytes(
        {
            "flipped": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
            "cut": whole[:-1],
            "empty": b"",
            "of another folder": other.read_bytes(),
            "with a lower effect": whole.replace(b'"remove"', b'"read"'),
        }[damage]
    )

    assert parsed.documents(folder, copy)[HERE]["effect"] == "remove"
    assert copy.read_bytes() == whole


def test_a_copy_is_kept_only_where_python_keeps_bytecode(tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    parsed.documents(write(tmp_path / "manifests"), copy)

    assert not copy.exists()
    place = parsed.beside_bytecode()
    assert place is not None
    assert place.parent == Path(importlib.util.cache_from_source(parsed.__file__)).parent


def test_where_no_copy_can_be_written_the_files_are_read(tmp_path: Path, copy: Path) -> None:
    copy.parent.write_text("a file, no folder", encoding="utf-8")

    assert parsed.documents(write(tmp_path / "manifests"), copy)[HERE]["effect"] == "remove"


def test_what_json_cannot_say_is_never_copied(tmp_path: Path, copy: Path) -> None:
    folder = write(tmp_path / "manifests", {HERE: "since = 2026-01-01\n" + ACTION})

    assert str(parsed.documents(folder, copy)[HERE]["since"]) == "2026-01-01"
    assert not copy.exists()


def test_the_next_start_of_the_command_sees_an_edited_manifest(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "cipp_mcp", tmp_path / "cipp_mcp", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}}

    def effect() -> str:
        listing = [sys.executable, "-m", "cipp_mcp", "tools", "--json", "--home", str(tmp_path / "home")]
        done = subprocess.run(listing, cwd=tmp_path, env=env, capture_output=True, timeout=60, check=True)
        return next(str(t["effect"]) for t in json.loads(done.stdout) if t["name"] == "clear_user_immutable_id")

    assert effect() == "destroy"
    assert (tmp_path / "cipp_mcp/catalog/__pycache__/manifests.json").is_file()
    rewritten(tmp_path / "manifests/actions/user/clear_user_immutable_id.toml", '"destroy"', '"govern" ')
    assert effect() == "govern"
