"""Shell completion: made from the parser, and true in a shell that sources it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cipp_mcp.cli import main

WITHIN = 30


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=WITHIN, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["de"], {"demo"}),
        (["--ver"], {"--version"}),
        (["serve", "--tools", ""], {"all", "lean"}),
        (["serve", "--read-o"], {"--read-only"}),
        (["audit", "ver"], {"verify"}),
        (["call", "clear_user"], {"clear_user_immutable_id"}),
        (["call", "check_"], {"check_operation"}),
        (["completion", "p"], {"powershell"}),
        (["demo", "nothing"], set()),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="there is no bash here, or one of WSL")
def test_bash_offers_what_the_parser_knows(
    words: list[str], offers: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "completion.bash"
    file.write_text(script("bash", capsys), encoding="utf-8")
    typed = " ".join(f"'{w}'" for w in ["cipp-mcp", *words])

    said = run(
        "bash",
        "--norc",
        "-c",
        f"source {file}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _cipp_mcp; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
    )

    assert set(said.split()) == offers


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_script_knows_every_command_and_tool(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)

    words = ["serve", "demo", "completion", "offboard_user", "teams_sharepoint", "lean", "read-only"]
    assert [w for w in words if w not in text] == []
    assert text.endswith("\n")
    assert text.isascii()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_its_shell(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None or sys.platform == "win32":
        pytest.skip(f"there is no {shell} here, or one of WSL")
    file = tmp_path / "script"
    file.write_text(script(shell, capsys), encoding="utf-8")

    assert run(shell, "-n", str(file)) == ""
