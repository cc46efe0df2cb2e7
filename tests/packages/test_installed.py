"""Wheel and sdist: built here, installed by pip into a clean environment, and run there. And the bundle, by its own tool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from cipp_mcp import __version__
from cipp_mcp.handbook import packages
from tests.conformance.npm import Npm, Skipped, installed

ROOT = Path(__file__).parent.parent.parent
BUILD_WITHIN, INSTALL_WITHIN, RUN_WITHIN = 120, 600, 120
WHEEL, SDIST = f"cipp_mcp-{__version__}-py3-none-any.whl", f"cipp_mcp-{__version__}.tar.gz"

pytestmark = pytest.mark.slow


def run(command: list[str], within: float, cwd: Path) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CIPP_", "PYTHON", "VIRTUAL_ENV"))}
    quiet = {"CI": "1", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=kept | quiet, capture_output=True, text=True, encoding="utf-8", timeout=within, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, target: Path) -> None:
    run([sys.executable, "-m", "hatchling", "build", "-d", str(target)], BUILD_WITHIN, source)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    build(ROOT, target)
    return target


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {n: packed.read(n) for n in packed.namelist() if not n.endswith("/RECORD")}


def test_the_wheel_carries_all_that_runs_and_no_tests(dist: Path) -> None:
    names = set(contents(dist / WHEEL))
    wanted = {"cipp_mcp/manifests/" + f.relative_to(ROOT / "manifests").as_posix() for f in (ROOT / "manifests").rglob("*.toml")}

    assert wanted - names == set()
    assert "cipp_mcp/approval_page/page.css" in names
    assert "cipp_mcp/demo/world.toml" in names
    assert "cipp_mcp/py.typed" in names
    licence = f"cipp_mcp-{__version__}.dist-info/licenses/LICENSE"
    assert licence in names
    tops = {n.split("/")[0] for n in names}
    assert tops == {"cipp_mcp", f"cipp_mcp-{__version__}.dist-info"}
    assert [n for n in names if "test" in Path(n).name.lower() and n.endswith(".py")] == []
    assert [n for n in names if "__pycache__" in n] == []


def test_the_sdist_makes_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(dist / SDIST) as packed:
        packed.extractall(tmp_path, filter="data")
    source = tmp_path / SDIST.removesuffix(".tar.gz")
    assert (source / "tests" / "conftest.py").is_file()
    build(source, tmp_path / "again")

    assert contents(tmp_path / "again" / WHEEL) == contents(dist / WHEEL)


def test_in_a_clean_environment_it_installs_and_plays_the_demo(dist: Path, tmp_path: Path) -> None:
    place = tmp_path / "clean"
    venv.create(place, with_pip=True)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    ours = str(scripts / "cipp-mcp")
    run([str(scripts / "python"), "-m", "pip", "install", "-q", str(dist / WHEEL)], INSTALL_WITHIN, tmp_path)

    assert run([ours, "--version"], RUN_WITHIN, tmp_path).strip() == f"cipp-mcp {__version__}"
    assert len(json.loads(run([ours, "tools", "--json"], RUN_WITHIN, tmp_path))) >= 129
    assert "compgen" in run([ours, "completion", "bash"], RUN_WITHIN, tmp_path)
    played = run([ours, "demo", "--yes"], RUN_WITHIN, tmp_path)
    assert "exactly one change after it" in played
    run([str(scripts / "python"), "-m", "pip", "check"], RUN_WITHIN, tmp_path)


@pytest.fixture(scope="module")
def npm() -> Npm:
    try:
        return installed()
    except Skipped as why:
        print(f"the bundle's own tool is not run, because {why}")
        pytest.skip(str(why))


def test_claude_desktop_s_own_tool_takes_the_bundle(npm: Npm, tmp_path: Path) -> None:
    tool = npm.command("@anthropic-ai/mcpb", "dist/cli/cli.js")
    made, opened = tmp_path / "cipp-mcp.mcpb", tmp_path / "opened"
    packages.bundle(ROOT, made)

    assert "passes" in run([*tool, "validate", str(ROOT / packages.BUNDLE)], RUN_WITHIN, tmp_path)
    run([*tool, "unpack", str(made), str(opened)], RUN_WITHIN, tmp_path)
    run([*tool, "validate", str(opened / "manifest.json")], RUN_WITHIN, tmp_path)
    assert (opened / "cipp_mcp" / "__main__.py").is_file()
    build(opened, tmp_path / "wheel")
    assert "cipp_mcp/manifests/kinds.toml" in contents(tmp_path / "wheel" / WHEEL)


def test_the_tool_would_say_no(npm: Npm, tmp_path: Path) -> None:
    wrong = json.loads((ROOT / packages.BUNDLE).read_text(encoding="utf-8")) | {"manifest_version": "9"}
    (tmp_path / "manifest.json").write_text(json.dumps(wrong), encoding="utf-8")

    with pytest.raises(AssertionError):
        run([*npm.command("@anthropic-ai/mcpb", "dist/cli/cli.js"), "validate", str(tmp_path / "manifest.json")], 60, tmp_path)
