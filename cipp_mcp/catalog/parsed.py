"""The manifests of a folder as what TOML says, read from a copy in JSON where there is a true one.

Parsing TOML was the largest part of our own start. The copy saves the parsing and nothing else: the grammar is checked
at every start. It is true only for the very bytes of the files, so an edited manifest is seen whatever its size and
time; and it lies beside our bytecode, where whoever can write could change our code itself. No other place is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cipp_mcp.errors import ManifestError

ABOUT = "_group.toml"
"""What a group is, in its folder."""

Documents = dict[str, dict[str, Any]]
"""Place in the folder (`actions/user/get_user.toml`) -> what stands there."""


def documents(folder: Path, copy: Path | None = None) -> Documents:
    """Every manifest of the folder, group by group, each group's own file first.

    Args:
        copy: where the copy is kept; None reads the files alone.

    Raises:
        ManifestError: a file cannot be read, or is not TOML.
    """
    files = {place: _bytes(folder / place) for place in _places(folder)}
    digest = _digest(files)
    if copy is not None and (kept := _kept(copy, digest)) is not None:
        return kept
    parsed = {place: _parsed(place, data) for place, data in files.items()}
    if copy is not None and not sys.dont_write_bytecode:
        _keep(copy, digest, parsed)
    return parsed


def beside_bytecode() -> Path | None:
    """Where the copy of the shipped manifests lies; None where Python keeps no bytecode."""
    if sys.implementation.cache_tag is None:
        return None
    return Path(importlib.util.cache_from_source(__file__)).with_name("manifests.json")


def _places(folder: Path) -> Iterator[str]:
    yield from ("fields.toml", "kinds.toml")
    groups = [f"actions/{name}" for name, is_folder in _listing(folder / "actions") if is_folder]
    for group in [*groups, *(["own"] if (folder / "own").is_dir() else [])]:
        yield f"{group}/{ABOUT}"
        yield from (f"{group}/{name}" for name, _ in _listing(folder / group) if name.endswith(".toml") and name != ABOUT)


def _listing(folder: Path) -> list[tuple[str, bool]]:
    """Names in their order, and whether each is a folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e.name, e.is_dir()) for e in entries)
    except OSError:
        raise ManifestError(f"The folder {folder.name} of the manifests cannot be read.") from None


def _bytes(file: Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except OSError:
        raise ManifestError(f"The manifest {file.name} in {file.parent.name} cannot be read.") from None


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for place, data in files.items():
        whole.update(f"{place}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()


def _parsed(place: str, data: bytes) -> dict[str, Any]:
    import tomli  # the standard library's parser, compiled

    try:
        return tomli.loads(data.decode("utf-8"))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{'/'.join(place.split('/')[-2:])} is not TOML: {error}.") from None


def _seal(digest: str, text: bytes) -> bytes:
    """Binds the copy to the files and to itself: one that is old or damaged is not true."""
    return hashlib.sha256(digest.encode() + text).hexdigest().encode()


def _kept(copy: Path, digest: str) -> Documents | None:
    try:
        seal, _, text = copy.read_bytes().partition(b"\n")
    except OSError:
        return None
    return json.loads(text) if seal == _seal(digest, text) else None


def _keep(copy: Path, digest: str, parsed: Documents) -> None:
    """Best effort: where nothing can be written, the files are parsed at each start."""
    try:
        text = json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except TypeError:  # a date, which JSON cannot say
        return
    with contextlib.suppress(OSError):
        copy.parent.mkdir(exist_ok=True)
        number, name = tempfile.mkstemp(prefix=copy.name, dir=copy.parent)
        try:
            with os.fdopen(number, "wb") as written:
                written.write(_seal(digest, text) + b"\n" + text)
            os.replace(name, copy)
        except OSError:
            os.unlink(name)
