"""Whether there is a browser to open, and that opening one touches neither our streams nor our folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cipp_mcp.approval_page.browser import can_open, open_address

ADDRESS = "http://127.0.0.1:1/nonce-canary/"
NAMES = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "SSH_TTY", "CI")


@pytest.mark.parametrize(
    ("environment", "platform", "opens"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({"BROWSER": "firefox", "SSH_CONNECTION": "x", "CI": "true"}, "linux", True),
        ({"BROWSER": ""}, "linux", False),
        ({}, "win32", True),
        ({"SSH_CONNECTION": "x"}, "win32", False),
        ({}, "darwin", True),
        ({"SSH_TTY": "/dev/ttys001"}, "darwin", False),
        ({"CI": "1"}, "darwin", False),
    ],
)
def test_a_browser_is_opened_where_somebody_sits(environment: dict[str, str], platform: str, opens: bool) -> None:
    assert can_open(environment, platform) is opens


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    # What would be imported if the folder that we were started in were on the search path.
    (tmp_path / "webbrowser.py").write_text("raise SystemExit('hijacked')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def script(folder: Path, ends: int) -> str:
    """A browser that notes its address, is noisy on both streams and ends with that code."""
    (folder / "browser.py").write_text(
        "import sys\n"
        "with open(sys.argv[1], 'w', encoding='utf-8') as file:\n"
        "    file.write(sys.argv[2])\n"
        "print('noise', flush=True)\n"
        "print('noise', file=sys.stderr, flush=True)\n"
        f"sys.exit({ends})\n",
        encoding="utf-8",
    )
    return f"{Path(sys.executable).as_posix()} {(folder / 'browser.py').as_posix()} {(folder / 'seen').as_posix()} %s"


def test_the_browser_of_the_environment_gets_the_address_and_our_streams_stay_clean(
    bare: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bare.setenv("BROWSER", script(tmp_path, 0))
    assert open_address(ADDRESS)
    assert (tmp_path / "seen").read_text(encoding="utf-8") == ADDRESS
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows falls back to its own browsers when BROWSER fails")
def test_a_browser_that_fails_is_none(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("BROWSER", script(tmp_path, 3))
    bare.setenv("PATH", "")
    bare.delenv("TERM", raising=False)
    assert not open_address(ADDRESS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a desktop is taken for granted")
def test_without_a_desktop_nothing_is_started(bare: pytest.MonkeyPatch) -> None:
    bare.setattr("subprocess.run", lambda *_, **__: pytest.fail("a child was started"))
    assert not open_address(ADDRESS)
