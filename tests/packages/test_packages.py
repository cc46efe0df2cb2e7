"""What is shipped under `manifests/packages/` says what the product says, and asks for a secret as a secret."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cipp_mcp import __version__
from cipp_mcp.cli import main
from cipp_mcp.handbook import packages
from cipp_mcp.settings import Settings

ROOT = Path(__file__).parent.parent.parent
SETTINGS = {f.metadata["variable"]: f.metadata for f in fields(Settings)}
NEEDED = {"CIPP_API_URL", "CIPP_TENANT_ID", "CIPP_CLIENT_ID", "CIPP_CLIENT_SECRET"}

VARIABLE = {
    "type": "object",
    "required": ["name", "description", "isSecret"],
    "properties": {"name": {"type": "string"}, "isSecret": {"type": "boolean"}, "isRequired": {"type": "boolean"}},
}
PACKAGE = {
    "type": "object",
    "required": ["registryType", "identifier", "version", "transport"],
    "properties": {
        "registryType": {"enum": ["npm", "pypi", "oci", "nuget", "mcpb"]},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "transport": {"required": ["type"], "properties": {"type": {"enum": ["stdio", "streamable-http", "sse"]}}},
        "packageArguments": {"items": {"required": ["type"], "properties": {"type": {"enum": ["positional", "named"]}}}},
        "environmentVariables": {"type": "array", "items": VARIABLE},
    },
}
REGISTRY_SHAPE = {
    "type": "object",
    "required": ["$schema", "name", "description", "version", "packages"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"pattern": r"/schemas/2025-12-11/server\.schema\.json$"},
        "name": {"type": "string", "pattern": r"^io\.github\.[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "packages": {"type": "array", "minItems": 1, "items": PACKAGE},
    },
}
"""What the registry's schema of 2025-12-11 asks of the parts that we use, in our own words."""


def held(file: Path) -> dict[str, Any]:
    return dict(json.loads((ROOT / file).read_text(encoding="utf-8")))


def test_the_package_files_are_what_the_product_says(update: bool) -> None:
    if update:
        packages.rewrite(ROOT)

    assert [f.relative_to(ROOT).as_posix() for f in packages.outdated(ROOT)] == [], f"Run: {packages.COMMAND}"


def test_the_version_stands_in_one_place() -> None:
    assert held(packages.BUNDLE)["version"] == __version__
    registry = held(packages.REGISTRY)
    assert {registry["version"], registry["packages"][0]["version"]} == {__version__}
    for file in (ROOT / "pyproject.toml", ROOT / packages.BUNDLE.parent.parent / "Dockerfile"):
        assert __version__ not in re.findall(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])", file.read_text(encoding="utf-8")), file.name


def test_the_check_says_what_is_outdated_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "__version__", "9.9.9")
    before = (ROOT / packages.BUNDLE).read_bytes()

    assert main(["packages", "--check"]) == 1
    assert "manifests/packages/server.json: outdated" in capsys.readouterr().out
    assert (ROOT / packages.BUNDLE).read_bytes() == before


def test_the_bundle_asks_for_every_needed_setting_and_hides_the_secret() -> None:
    manifest = held(packages.BUNDLE)
    env, asked = manifest["server"]["mcp_config"]["env"], manifest["user_config"]

    assert (manifest["manifest_version"], manifest["server"]["type"]) == ("0.4", "uv")
    assert [v for v in env if v not in SETTINGS and not v.startswith("UV_")] == []
    used = {v: m[1] for v, value in env.items() if (m := re.fullmatch(r"\$\{user_config\.(\w+)\}", value))}
    assert sorted(used.values()) == sorted(asked)
    assert {v for v, key in used.items() if asked[key]["required"]} == NEEDED
    assert {v for v, key in used.items() if asked[key].get("sensitive")} == {v for v in used if SETTINGS[v]["secret"]}
    assert all(asked[key]["description"] for key in asked)
    assert all("default" in asked[key] for key in asked if not asked[key]["required"])
    assert re.fullmatch(r"[<>=.\d ]+", manifest["compatibility"]["runtimes"]["python"])


def test_the_registry_s_file_has_the_required_shape() -> None:
    registry = held(packages.REGISTRY)

    jsonschema.Draft7Validator(REGISTRY_SHAPE).validate(registry)
    (package,) = registry["packages"]
    variables = {v["name"]: v for v in package["environmentVariables"]}
    assert [v for v in variables if v not in SETTINGS] == []
    assert {n for n, v in variables.items() if v.get("isRequired")} == NEEDED
    assert {n for n, v in variables.items() if v["isSecret"]} == {n for n in variables if SETTINGS[n]["secret"]}


def test_the_readme_names_the_registry_entry() -> None:
    """The registry takes this line in the published description for the proof that the package is ours."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"mcp-name: (\S+)", readme) == [held(packages.REGISTRY)["name"]]


def test_the_bundle_carries_what_runs_and_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a.mcpb", tmp_path / "b.mcpb"
    packages.bundle(ROOT, first)
    packages.bundle(ROOT, second)

    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as packed:
        names = packed.namelist()
        assert json.loads(packed.read("manifest.json"))["version"] == __version__
    sources = packages.source(ROOT)
    assert [n for n in names if n != "manifest.json" and not any(n == s or n.startswith(f"{s}/") for s in sources)] == []
    assert [s for s in sources if not any(n == s or n.startswith(f"{s}/") for n in names)] == []
    assert [n for n in names if re.search(r"test_\w+\.py$|conftest", n)] == []
    assert json.loads((ROOT / packages.BUNDLE).read_text(encoding="utf-8"))["server"]["entry_point"] in names
    assert "manifests/runbooks/leaver.toml" in names
    assert [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".so"))] == []


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    text = (ROOT / "manifests" / "packages" / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [
        (name.upper(), rest.strip()) for line in joined.splitlines() if line.strip() for name, _, rest in [line.partition(" ")]
    ]


def test_the_container_runs_as_nobody_and_writes_only_its_data() -> None:
    parts = instructions()
    stages = [n for n, (name, _) in enumerate(parts) if name == "FROM"]
    last = parts[stages[-1] :]
    of = {name: rest for name, rest in last}

    assert all("slim" in rest for name, rest in parts if name == "FROM")
    assert of["USER"] not in {"", "0", "root"}
    assert of["VOLUME"] == "/data"
    assert {"CIPP_MCP_HOME=/data", "TMPDIR=/data"} <= set(of["ENV"].split()), "a long answer's rest needs a place, too"
    assert json.loads(of["HEALTHCHECK"].partition("CMD ")[2])[0] == "cipp-mcp"
    assert (json.loads(of["ENTRYPOINT"]), json.loads(of["CMD"])) == (["cipp-mcp"], ["serve"])
    order = [name for name, _ in last]
    assert order.index("USER") > max(n for n, name in enumerate(order) if name in {"RUN", "COPY"})
    text = (ROOT / "manifests" / "packages" / "Dockerfile").read_text(encoding="utf-8")
    assert "--read-only" in text
    assert [v for v in ("CIPP_CLIENT_SECRET=", "ADD ", "curl ", "latest") if v in text] == []


def test_what_the_container_copies_is_there_and_enough() -> None:
    copied = [word for name, rest in instructions() if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]]

    assert [c for c in copied if not (ROOT / c).exists()] == []
    assert set(copied) == set(packages.source(ROOT))
