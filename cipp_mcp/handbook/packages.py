"""What the product is shipped as: the files under `manifests/packages/` kept true, and the bundle for Claude Desktop.

The JSON files are written by hand but for what is known elsewhere: version, description, what a setting means and
whether it is a secret. `files` says what they must contain; `bundle` packs one `.mcpb`.
"""

from __future__ import annotations

import json
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from cipp_mcp import __version__
from cipp_mcp.settings import Settings

COMMAND = "python -m cipp_mcp packages"
BUNDLE = Path("manifests/packages/mcpb/manifest.json")
REGISTRY = Path("manifests/packages/server.json")
PACKED = ("pyproject.toml", "README.md", "LICENSE", "cipp_mcp")
_STILL = (1980, 1, 1, 0, 0, 0)


def files(root: Path) -> dict[Path, str]:
    """Package file -> what it must contain."""
    project = _project(root)["project"]
    bundle, registry = _read(root / BUNDLE), _read(root / REGISTRY)
    return {root / BUNDLE: _text(_bundle(bundle, project)), root / REGISTRY: _text(_registry(registry))}


def outdated(root: Path) -> list[Path]:
    """The package files that do not contain what they must."""
    return [file for file, text in files(root).items() if file.read_text(encoding="utf-8") != text]


def rewrite(root: Path) -> list[Path]:
    """Write what is outdated; the files that changed."""
    changed = outdated(root)
    made = files(root)
    for file in changed:
        file.write_text(made[file], encoding="utf-8", newline="\n")
    return changed


def bundle(root: Path, target: Path) -> int:
    """Pack the bundle for Claude Desktop: manifest and source, the same bytes every time. How many files it holds."""
    entries = {"manifest.json": files(root)[root / BUNDLE].encode()}
    entries |= {file.relative_to(root).as_posix(): file.read_bytes() for file in _packed(root)}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _STILL)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            packed.writestr(info, entries[name])
    return len(entries)


def source(root: Path) -> list[str]:
    """What an installation from source needs: the package, and what its build takes along from elsewhere."""
    build = _project(root)["tool"]["hatch"]["build"]["targets"]["wheel"]
    return [*PACKED, *build.get("force-include", {})]


def _packed(root: Path) -> Iterator[Path]:
    for name in source(root):
        place = root / name
        for file in [place] if place.is_file() else place.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def _bundle(held: dict[str, Any], project: dict[str, Any]) -> dict[str, Any]:
    held["version"] = __version__
    held["description"] = project["description"]
    held["compatibility"]["runtimes"]["python"] = f"{project['requires-python']} <4"
    meant = {f.metadata["variable"]: f.metadata for f in fields(Settings)}
    for variable, value in held["server"]["mcp_config"]["env"].items():
        key = value.removeprefix("${user_config.").removesuffix("}")
        if variable in meant and key in held["user_config"]:
            held["user_config"][key]["description"] = _plain(meant[variable]["meaning"])
            if meant[variable]["secret"]:
                held["user_config"][key]["sensitive"] = True
    return held


def _registry(held: dict[str, Any]) -> dict[str, Any]:
    held["version"] = __version__
    meant = {f.metadata["variable"]: f.metadata for f in fields(Settings)}
    for package in held["packages"]:
        package["version"] = __version__
        for variable in package["environmentVariables"]:
            known = meant.get(variable["name"])
            if known is not None:
                variable["description"] = _plain(known["meaning"])
                variable["isSecret"] = bool(known["secret"])
    return held


def _plain(meaning: str) -> str:
    return meaning.replace("`", "")


def _project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def _read(file: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return held


def _text(held: dict[str, Any]) -> str:
    return json.dumps(held, indent=2, ensure_ascii=False) + "\n"
