"""Everything that is written about the product and can be derived: reference pages, README blocks, the editor schema.

`files` says what a generated file must contain, `outdated` which one does not, and `rewrite` makes it so. Nothing here
is typed by hand twice, and nothing of it is needed to serve.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cipp_mcp.catalog.manifests import Catalog, load, shipped_folder
from cipp_mcp.errors import SettingsError
from cipp_mcp.handbook import pages, readme, schema, troubleshooting

COMMAND = "python -m cipp_mcp handbook"


def working_copy() -> Path:
    """The root of the clone that this code runs from.

    Raises:
        SettingsError: it is an installation, where there is nothing to write.
    """
    root = shipped_folder().parent
    if not (root / "pyproject.toml").is_file():
        raise SettingsError("This is an installation, not a working copy.", hint="Run it in a clone, installed with pip -e.")
    return root


def shared_fields() -> Mapping[str, Any]:
    """What `fields.toml` holds."""
    return tomllib.loads((shipped_folder() / "fields.toml").read_text(encoding="utf-8"))


def files(root: Path, catalog: Catalog) -> dict[Path, str]:
    """Generated file -> what it must contain; the README, of which only blocks are generated, is not among them."""
    made = {root / ".github" / "reference" / f"{name}.md": text for name, text in pages.pages(catalog).items()}
    made[root / ".github" / "TROUBLESHOOTING.md"] = troubleshooting.page()
    described = schema.manifest_schema(shared_fields(), catalog.kinds)
    made[root / "manifests" / "manifest.schema.json"] = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    return made


def outdated(root: Path) -> list[Path]:
    """The files that do not contain what they must, and pages of groups that are gone.

    Raises:
        SettingsError: the README lacks a marker.
    """
    catalog = load()
    return [*_outdated(root, files(root, catalog)), *_readme(root, catalog)]


def rewrite(root: Path) -> list[Path]:
    """Write what is outdated; the files that changed.

    Raises:
        SettingsError: the README lacks a marker; everything else is written all the same.
    """
    catalog = load()
    made = files(root, catalog)
    changed = _outdated(root, made)
    for file in changed:
        if file not in made:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made[file], encoding="utf-8", newline="\n")
    for file, text in (blocks := _readme(root, catalog)).items():
        file.write_text(text, encoding="utf-8", newline="\n")
    return [*changed, *blocks]


def _outdated(root: Path, made: Mapping[Path, str]) -> list[Path]:
    wrong = [f for f, text in made.items() if not f.is_file() or f.read_text(encoding="utf-8") != text]
    return wrong + [f for f in (root / ".github" / "reference").glob("*.md") if f not in made]


def _readme(root: Path, catalog: Catalog) -> dict[Path, str]:
    """The README with its blocks filled, when that changes it."""
    about = root / "README.md"
    text = about.read_text(encoding="utf-8")
    filled = readme.filled(text, catalog)
    return {} if filled == text else {about: filled}
