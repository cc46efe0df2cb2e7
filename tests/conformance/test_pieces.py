"""The pieces of the conformance command that can be checked without the suite: exceptions, verdicts, and the skip."""

from __future__ import annotations

import re
from pathlib import Path

import mcp_types as t
import pytest

from cipp_mcp.catalog.manifests import Catalog
from tests.conformance import __main__ as command
from tests.conformance import npm, scenes, suite
from tests.conformance.npm import Skipped

SAID = """
=== SUMMARY ===
✓ ping: 1 passed, 0 failed
✗ logging-set-level: 0 passed, 1 failed
✗ tasks-lifecycle: 1 passed, 8 failed
{more}
Total: 2 passed, 9 failed

Not scored for 2025-11-25: 1 scenario(s) run, 1 failing. These do not affect conformance.
  ✗ tasks-lifecycle (extension)
"""


def listed() -> list[str]:
    return re.findall(r"^\s*- (\S+)", suite.BASELINE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_exception_has_its_reason() -> None:
    lines = [line for line in suite.BASELINE.read_text(encoding="utf-8").splitlines() if line.strip().startswith("- ")]

    assert len(lines) == len(listed()) == 5
    assert [line for line in lines if not re.fullmatch(r"\s+- [a-z0-9-]+ # .{5,}", line)] == []


def test_only_the_exceptions_may_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = tmp_path / "baseline.yml"
    known.write_text("server:\n  - logging-set-level # for a test\n", encoding="utf-8")
    monkeypatch.setattr(suite, "BASELINE", known)
    run = suite.Suite("a run", suite.OLD, baseline=True)
    as_known, one_more = SAID.format(more=""), SAID.format(more="✗ ping-again: 0 passed, 1 failed")

    assert run.judge(0, as_known).passed
    assert not run.judge(1, as_known).passed
    assert not run.judge(0, one_more).passed
    assert not run.judge(0, as_known.replace("✗ logging-set-level: 0 passed, 1", "✓ logging-set-level: 1 passed, 0")).passed
    assert not run.judge(0, "nothing of the kind").passed
    assert not suite.Suite("without", suite.NEXT).judge(0, as_known).passed


def test_a_list_that_is_too_short_and_a_complaint_are_failures() -> None:
    look = suite.Look("tools/list", "tools", 1)

    assert look.judge(0, '{"tools": [1]}', "").passed
    assert not look.judge(0, '{"tools": []}', "").passed
    assert not look.judge(6, '{"tools": [1]}', "").passed
    assert not look.judge(0, '{"tools": [1]}', "a schema is not portable").passed
    assert not look.judge(1, "no json", "").passed


def test_without_npm_it_says_why_and_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIPP_MCP_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(Skipped, match="npm is not installed"):
        npm.installed()
    monkeypatch.setattr("logging.disable", lambda _: None)
    assert command.main() == 0
    assert capsys.readouterr().out == "conformance: skipped, because npm is not installed\n"


def test_the_suite_s_names_are_none_of_ours(catalog: Catalog) -> None:
    assert set(scenes.TOOLS) & set(catalog.actions) == set()
    assert all(isinstance(r, t.TextResourceContents | t.BlobResourceContents) for r in scenes.RESOURCES.values())
