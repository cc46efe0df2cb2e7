"""The official suite in both protocol years and the Inspector, over our server; what each one said, in figures."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.conformance.npm import Npm

BASELINE = Path(__file__).with_name("baseline.yml")
ROOT = Path(__file__).parent.parent.parent
WITHIN = 240.0
OLD, NEXT = "@modelcontextprotocol/conformance", "conformance-next"
INSPECTOR = "@modelcontextprotocol/inspector"
_TOTAL = re.compile(r"^Total: (\d+) passed, (\d+) failed", re.MULTILINE)
_FAILING = re.compile(r"^✗ (\S+): \d+ passed, [1-9]\d* failed", re.MULTILINE)
_UNSCORED = re.compile(r"^  [✓✗] (\S+) \(", re.MULTILINE)
_EXPECTED = re.compile(r"^\s*- (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What one run came to.

    Attributes:
        figures: what it counted, in words.
        passed: whether it may stand so.
        output: everything it said.
    """

    name: str
    figures: str
    passed: bool
    output: str


@dataclass(frozen=True)
class Suite:
    """One run of the official suite. `baseline`: the known exceptions count as expected."""

    name: str
    package: str
    arguments: tuple[str, ...] = ()
    baseline: bool = False

    def command(self, npm: Npm, url: str, results: str) -> list[str]:
        expected = ("--expected-failures", str(BASELINE)) if self.baseline else ()
        return npm.command(self.package, "dist/index.js", "server", "--url", url, *self.arguments, *expected, "-o", results)

    def judge(self, code: int, output: str) -> Verdict:
        """The suite's exit code decides; the figures are read from its summary, and no summary is no pass."""
        found = _TOTAL.search(output)
        expected = set(_EXPECTED.findall(BASELINE.read_text(encoding="utf-8"))) if self.baseline else set()
        unscored = set(_UNSCORED.findall(output))
        failing = set(_FAILING.findall(output)) - unscored
        if found is None:
            return Verdict(self.name, "no summary", False, output)
        figures = (
            f"{found[1]} checks passed, {found[2]} failed: {len(failing & expected)} scenarios as in baseline.yml, "
            f"{len(set(_FAILING.findall(output)) & unscored)} not scored, {len(failing - expected)} unexpected"
        )
        return Verdict(self.name, figures, code == 0 and failing == expected, output)


SUITES = (
    Suite("suite 0.1.16, 2025-11-25", OLD, baseline=True),
    Suite("suite 0.2.0-alpha.12, required by 2025-11-25", NEXT, ("--requirements", "2025-11-25"), baseline=True),
    Suite("suite 0.2.0-alpha.12, required by 2026-07-28", NEXT, ("--requirements", "2026-07-28")),
)


@dataclass(frozen=True)
class Look:
    """One method through the Inspector, over standard input and output of the installed command."""

    method: str
    key: str
    least: int
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"Inspector 2.12, {' '.join((self.method, *self.arguments))}"

    def command(self, npm: Npm) -> list[str]:
        ours = (sys.executable, "-m", "cipp_mcp", "serve", "--demo")
        return npm.command(INSPECTOR, _INSPECTOR_SCRIPT, "--cli", *ours, "--method", self.method, *self.arguments)

    def judge(self, code: int, output: str, errors: str) -> Verdict:
        """A list that is too short, a problem of `--strict` and anything but JSON are failures."""
        try:
            count = len(json.loads(output)[self.key])
        except (ValueError, KeyError):
            return Verdict(self.name, f"no list, exit {code}", False, output + errors)
        problems = [line for line in errors.splitlines() if line.strip()]
        figures = f"{count} {self.key}, {len(problems)} lines of complaint"
        return Verdict(self.name, figures, code == 0 and count >= self.least and not problems, errors)


_INSPECTOR_SCRIPT = "clients/launcher/build/index.js"
LOOKS = (
    Look("tools/list", "tools", 129, ("--strict",)),
    Look("prompts/list", "prompts", 8),
    Look("resources/list", "resources", 1),
    Look("resources/templates/list", "resourceTemplates", 2),
)


async def run_all(npm: Npm, tell: Callable[[Verdict], None]) -> list[Verdict]:
    """Every run, one after the other; each verdict is told as soon as it is there."""
    from tests.conformance.fixture import served

    verdicts: list[Verdict] = []

    def note(verdict: Verdict) -> None:
        verdicts.append(verdict)
        tell(verdict)

    with tempfile.TemporaryDirectory(prefix="cipp-mcp-conformance-") as results:
        async with served() as url:
            for suite in SUITES:
                code, output, errors = await _run(suite.command(npm, url, results))
                note(suite.judge(code, output + errors))
        for look in LOOKS:
            note(look.judge(*await _run(look.command(npm))))
    return verdicts


async def _run(command: list[str]) -> tuple[int, str, str]:
    with anyio.move_on_after(WITHIN):
        done = await anyio.run_process(command, check=False, cwd=ROOT)
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    return 124, "", f"It did not end within {WITHIN:g} seconds."
