"""What the README and the pages beside it tell people to do: links lead somewhere, commands run, examples load."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from cipp_mcp import cli
from cipp_mcp.call.guard.policy import parse_policy
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.serve import Box

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / ".github").rglob("*.md"))]
WITHIN = 120.0
NOT_OURS = re.compile(r"https?://|mailto:")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fenced(language: str) -> list[str]:
    """The README's blocks in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(README), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    outside = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"""(?:\]\(|src=")([^)"\s]+)[)"]""", text_of(page)):
        if NOT_OURS.match(target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_check_for_links_sees_headings() -> None:
    assert {"a-minute-to-try-it", "beside-cipps-own-mcp-server"} <= anchors(README)


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name != "reference"], ids=named)
def test_every_command_of_ours_that_is_named_parses(page: Path) -> None:
    lines = [*re.findall(r"`(?:\.venv/bin/)?(cipp-mcp [^`]+)`", text_of(page))]
    lines += [f"cipp-mcp {rest}" for rest in re.findall(r"`python -m cipp_mcp ([^`]+)`", text_of(page))]
    for line in lines:
        _, *words = shlex.split(line.partition(" > ")[0])
        try:
            cli._parser().parse_args(words if len(words) > 1 else [*words, "--help"])  # a name alone is a mention
        except SystemExit as ended:
            assert ended.code == 0, line


def test_the_commands_for_the_terminal_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = fenced("console")
    with Box.open() as box:
        for name in [n for n in os.environ if n.startswith("CIPP_")]:
            monkeypatch.delenv(name)
        for name, value in {**box.environment(), "CIPP_MCP_HOME": str(tmp_path / "home")}.items():
            monkeypatch.setenv(name, value)
        for line in block.splitlines():
            program, *words = shlex.split(line)
            assert program == "cipp-mcp"
            assert cli.main(words) == 0, line
            said = capsys.readouterr()
            assert said.out and not said.err, line


def test_the_configuration_of_a_client_starts_a_server(tmp_path: Path) -> None:
    (block,) = fenced("json")
    (entry,) = json.loads(block)["mcpServers"].values()
    assert Path(entry["command"]).name == "cipp-mcp"

    async def listed() -> int:
        with Box.open() as box, anyio.fail_after(WITHIN):
            environment = {**os.environ, **box.environment(), "CIPP_MCP_HOME": str(tmp_path)}
            server = StdioServerParameters(command=sys.executable, args=["-m", "cipp_mcp", *entry["args"]], env=environment)
            async with Client(stdio_client(server)) as client:
                return len((await client.list_tools()).tools)

    assert anyio.run(listed) >= 129


def test_the_policy_in_the_readme_loads(catalog: Catalog) -> None:
    (block,) = fenced("toml")
    rules = parse_policy(block, catalog=catalog)

    assert rules.effects == {"reveal": "refuse"} and rules.protected.objects == ("breakglass@*",)


def proofs() -> Iterator[tuple[str, list[str]]]:
    """Each promise and the words of its command."""
    for promise, line in re.findall(r"^\| ([^|]+) \| `python -m pytest ([^`]+)` \|$", text_of(README), re.MULTILINE):
        yield promise, shlex.split(line)


def collected(*words: str) -> list[str]:
    """The tests that pytest would run."""
    line = [sys.executable, "-m", "pytest", "--collect-only", "-q", *words]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, timeout=WITHIN, check=False)
    return [found for found in ended.stdout.decode().splitlines() if "::" in found]


def test_every_command_of_the_tests_own_is_there() -> None:
    named = set(re.findall(r"`python -m tests\.(\w+)", text_of(README)))
    assert named == {"comparison", "conformance"}
    assert [n for n in named if not (ROOT / "tests" / n / "__main__.py").is_file()] == []


def test_every_promise_names_tests_that_there_are() -> None:
    """One collection for the slow ones and one for the others; what `-k` means is looked for in the names."""
    rows = list(proofs())
    assert len(rows) >= 8
    for slow in (True, False):
        wanted = [(p, words) for p, words in rows if ("slow" in words) is slow]
        places = [w for _, words in wanted for w in words if w.startswith("tests/")]
        found = collected(*(["-m", "slow"] if slow else []), *dict.fromkeys(places))
        for promise, words in wanted:
            key = words[words.index("-k") + 1] if "-k" in words else ""
            for place in (w for w in words if w.startswith("tests/")):
                assert [f for f in found if f.startswith(place) and key in f], promise
