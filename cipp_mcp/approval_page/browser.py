"""Opening the person's browser, or knowing that there is none to open.

In a child process of its own: browsers and their start scripts write to standard output, which belongs to the MCP
client, some stay in the foreground, and a module search path must not lead into the folder that we were started in.
The address travels through a pipe. What is on the page may not enter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

WITHIN = 12.0

# Standard library only, because -I leaves everything else out. A browser that stays in the foreground counts as open.
_CHILD = """
import os, sys, threading, webbrowser
address, said = sys.stdin.readline().strip(), []
def run():
    try:
        said.append(webbrowser.open(address))
    except Exception:
        said.append(False)
thread = threading.Thread(target=run, daemon=True)
thread.start()
thread.join(8)
os._exit(0 if said in ([], [True]) else 1)
"""


def can_open(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether somebody sits at a desktop that a browser can open on.

    BROWSER, as Python's webbrowser knows it, is the operator's own word and outranks the guesses.
    """
    if environment.get("BROWSER"):
        return True
    if any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "CI")):
        return False
    if platform in {"win32", "darwin"}:
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_address(address: str) -> bool:
    """Open it in the default browser. Blocks for some seconds at most; False when no browser took it."""
    if not sys.executable or not can_open(os.environ):
        return False
    environment = dict(os.environ)
    if not environment.get("BROWSER"):
        environment.pop("TERM", None)  # else webbrowser may settle for a text browser, on no terminal
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD],
            input=f"{address}\n".encode("ascii"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=WITHIN,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
