"""Terminal manners: help with examples, no traceback, quiet ends, narrow encodings, colours only on a terminal."""

from __future__ import annotations

import argparse
import io
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cipp_mcp import examples, terminal
from cipp_mcp.cli import _parser, main
from cipp_mcp.errors import NotSent, PlanRefused, SettingsError
from cipp_mcp.manners import well_mannered
from tests.setup.conftest import Main

WITHIN = 60.0


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_with_an_example_that_parses(name: str, main: Main) -> None:
    code, out, err = main(name, "--help")
    assert (code, err) == (0, "")
    assert "example" in out and f"cipp-mcp {name}" in out
    assert all(len(line) < 160 for line in out.splitlines())


def test_the_examples_are_of_commands_that_there_are() -> None:
    assert set(examples.EXAMPLES) == set(commands())
    for name, lines in examples.EXAMPLES.items():
        for line in lines:
            found = re.search(r"cipp-mcp (.*?)(\)\"| \||      |$)", line)
            assert found is not None
            words = shlex.split(found[1])
            _parser().parse_args(words)
            assert name in words


def test_the_usage_leaves_out_what_every_command_takes(main: Main) -> None:
    usage, _, below = main("call", "--help")[1].partition("Call one tool")
    assert "--hold" in usage and "--api-url" not in usage and "--api-url" in below


def test_our_help_shows_an_example(main: Main) -> None:
    code, out, _ = main("--help")
    assert code == 0 and "cipp-mcp setup" in out


@pytest.mark.parametrize(
    ("argv", "says", "help_of"),
    [
        (["docter"], "invalid choice: 'docter'", "cipp-mcp"),
        (["doctor", "--jsn", "--client-secret=canary"], "unrecognized arguments: --jsn --client-secret\n", "cipp-mcp doctor"),
        (["doctor", "--client-secret", "canary"], "unrecognized arguments: --client-secret\n", "cipp-mcp doctor"),
        (["tools", "more"], "unrecognized arguments: more\n", "cipp-mcp tools"),
        (["call", "list_users", "--args"], "expected one argument", "cipp-mcp call"),
        (["install"], "CLIENT", "cipp-mcp install"),
    ],
)
def test_a_wrong_command_line_names_the_way_on(argv: list[str], says: str, help_of: str, main: Main) -> None:
    code, out, err = main(*argv)
    assert (code, out) == (2, "") and says in err and "canary" not in err
    assert err.startswith(f"usage: {help_of} ") and err.endswith(f"\nSee `{help_of} --help`.\n")


def raising(error: BaseException) -> int:
    def run() -> int:
        raise error

    return well_mannered(run, as_json=False, debug=False)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (SettingsError("It is so.", hint="Do this."), 2, "cipp-mcp: It is so. Do this."),
        (PlanRefused("No."), 4, "cipp-mcp: No."),
        (ExceptionGroup("inner", [ExceptionGroup("x", [NotSent("Nothing left.", hint="")])]), 2, "cipp-mcp: Nothing left."),
        (ZeroDivisionError("secret inside"), 1, "cipp-mcp: an unexpected error (ZeroDivisionError). Add --debug"),
        (KeyboardInterrupt(), 130, ""),
        (BaseExceptionGroup("x", [KeyboardInterrupt()]), 130, ""),
    ],
)
def test_every_end_is_one_sentence_or_none(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(error) == code
    told = capsys.readouterr()
    assert told.out == "" and "Traceback" not in told.err and "secret inside" not in told.err
    assert told.err.startswith(says) and len(told.err.splitlines()) == bool(says)


@pytest.fixture
def log_level() -> Iterator[None]:
    before = logging.getLogger("cipp_mcp").level
    yield
    logging.getLogger("cipp_mcp").setLevel(before)


@pytest.mark.usefixtures("log_level")
def test_debug_shows_where_it_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise ZeroDivisionError

    assert well_mannered(run, as_json=True, debug=True) == 1
    told = capsys.readouterr()
    assert "Traceback" in told.err and '"outcome": "failed"' in told.out


@pytest.mark.parametrize("argv", [["tools"], ["tools", "--json"], ["tools", "--help"]])
def test_a_reader_that_goes_away_is_quiet(argv: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "cipp_mcp", *argv], stdout=write, stderr=subprocess.PIPE, timeout=WITHIN, check=False
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
@pytest.mark.parametrize("argv", [["tools"], ["doctor", "--help"], ["print", "json", "--demo"]])
def test_a_narrow_console_does_not_crash(argv: list[str], encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C"}
    ended = subprocess.run(
        [sys.executable, "-m", "cipp_mcp", *argv], env=environment, capture_output=True, timeout=WITHIN, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.decode("utf-8")


def test_a_pipe_of_windows_gets_the_lines_that_every_shell_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding="cp1252", newline="\r\n"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["completion", "bash"]) == 0
    assert pipe.getvalue().count(b"\n") > 5 and b"\r" not in pipe.getvalue()


def test_arguments_from_powershell_may_begin_with_a_mark() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cipp_mcp", "call", "list_tenants", "--demo", "--args", "-", "--json"],
        input=b"\xef\xbb\xbf{}",
        capture_output=True,
        timeout=WITHIN,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_and_progress_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen, pipe = Screen(), io.StringIO()
    for stream in (screen, pipe):
        progress = terminal.Progress(stream)
        progress("reading")
        progress.clear()
    assert "reading …" in screen.getvalue() and screen.getvalue().endswith("\r") and pipe.getvalue() == ""
    assert terminal.paint("x", "31", screen) == "\x1b[31mx\x1b[0m" and terminal.paint("x", "31", pipe) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.paint("x", "31", screen) == "x"


def test_long_texts_hang_below_their_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = terminal.hanging("fault  ", "word " * 30, width=7)
    assert len(lines) > 2 and all(len(line) <= 60 for line in lines)
    assert all(line.startswith("       word") for line in lines[1:])


WIDE = [["x" * 60, "7c9e6679-7425-40de-944b-e07fc1f90ae7", True, None, "y" * 90]]


def test_a_table_fits_a_terminal_and_keeps_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = ["displayName", "id", "accountEnabled", "jobTitle", "licences"]
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setattr("sys.stdout", Screen())
    lines = terminal.table(headers, WIDE).splitlines()
    assert max(map(len, lines)) <= 110 and WIDE[0][1] in lines[2] and lines[2].startswith("xxx") and "…" in lines[2]
    assert "  yes  " in lines[2]
    monkeypatch.setattr("sys.stdout", io.StringIO())
    whole = terminal.table(headers, WIDE)
    assert all(str(v) in whole for v in WIDE[0] if v and v is not True), "a pipe gets every letter"


def test_a_table_without_rows_or_room_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setattr("sys.stdout", Screen())
    assert terminal.table(["plan_id", "a"], []).splitlines() == ["plan_id  a", "-------  -"]
    assert terminal.table(["id"], [["z" * 50]]).splitlines()[2] == "z" * 50
