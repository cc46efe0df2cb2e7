"""The README's transcript is a screen of the demo: a person on a real terminal types the answer and reads what comes back.

`pytest --update` puts a new one in when it says something else.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from cipp_mcp.handbook.readme import block_of, replaced

if sys.platform == "win32":
    pytest.skip("needs a pseudo terminal", allow_module_level=True)

from tests.setup.terminals import command

README = Path(__file__).parent.parent.parent / "README.md"
FIRST, LAST = "Clear her immutable ID", "The audit trail is whole"
WIDEST = 125
VARIES = [
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\bPlan [0-9a-f]{8}\b", "Plan DIGEST"),
    (r"\bop_[0-9a-f]{16}\b", "OPERATION"),
]


def test_the_transcript_in_the_readme_is_what_the_demo_shows(tmp_path: Path, update: bool) -> None:
    with command({"HOME": str(tmp_path), "CIPP_MCP_WAIT_SCALE": "0.01"}, "demo") as terminal:
        terminal.wait_for("Type exactly: ana@fabrikam.example")
        terminal.wait_for("    > ")
        terminal.type("ana@fabrikam.example\n")
        assert terminal.end() == 0
    shown = transcript(terminal.screen)
    text = README.read_text(encoding="utf-8")
    if update and alike(block_of(text, "transcript")) != alike(shown):
        README.write_text(text := replaced(text, "transcript", shown), encoding="utf-8", newline="\n")

    assert alike(block_of(text, "transcript")) == alike(shown), "the demo shows something else: pytest --update"
    assert len(shown.splitlines()) <= 30


def transcript(screen: str) -> str:
    """The part of the screen about the one change, without escape sequences; wide lines are cut, with a sign."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen).replace("\r", "").splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(FIRST))
    last = next(n for n, line in enumerate(lines) if LAST in line)
    cut = [line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…" for line in lines[first : last + 1]]
    return "\n".join(["```text", *cut, "```"])


def alike(text: str) -> str:
    """The text without what is another one each time."""
    for found, put in VARIES:
        text = re.sub(found, put, text)
    return text
