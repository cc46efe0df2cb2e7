"""A pseudo terminal with one of our commands on it, and a person's hands at the keys. POSIX only."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

WITHIN = 60.0
_TAKE = (
    "import fcntl, os, signal, sys, termios\n"
    "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"  # a run in the background may have it ignored, and that is inherited
    "fd = os.open(sys.argv[1], os.O_RDWR)\n"
    "fcntl.ioctl(fd, termios.TIOCSCTTY, 0)\n"
    "for n in (0, 1, 2) if sys.argv[2] == 'all' else (): os.dup2(fd, n)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'cipp_mcp', *sys.argv[3:]])\n"
)


class Terminal:
    """What stands on the screen, and a way to type."""

    def __init__(self, keys: int, process: subprocess.Popen[bytes]) -> None:
        self._keys = keys
        self.process = process
        self.screen = ""

    def wait_for(self, text: str, *, after: int = 0) -> int:
        """Until the text stands on the screen behind that place; where it ends."""
        end = time.monotonic() + WITHIN
        while (at := self.screen.find(text, after)) < 0:
            assert self._more(end), f"{text!r} did not come; the screen shows: {self.screen[-2000:]}"
        return at + len(text)

    def type(self, text: str) -> None:
        os.write(self._keys, text.encode())

    def end(self) -> int:
        """Until the command has ended: its status."""
        end = time.monotonic() + WITHIN
        while self.process.poll() is None and time.monotonic() < end:
            self._more(time.monotonic() + 0.05)
        while self._more(time.monotonic()):  # what it wrote last
            pass
        return self.process.wait(1)

    def _more(self, end: float) -> bool:
        ready, _, _ = select.select([self._keys], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._keys, 65536)
        except OSError:  # Linux's way to say that the other side has gone
            return False
        self.screen += data.decode("utf-8", "replace")
        return bool(data)


@contextlib.contextmanager
def command(environment: Mapping[str, str], *argv: str, all_streams: bool = True) -> Iterator[Terminal]:
    """One command with a controlling terminal; with its streams elsewhere unless `all_streams`."""
    keys, screen = os.openpty()
    words = [sys.executable, "-c", _TAKE, os.ttyname(screen), "all" if all_streams else "none", *argv]
    process = subprocess.Popen(
        words,
        env={**os.environ, "TERM": "dumb", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        terminal = Terminal(keys, process)
        yield terminal
    finally:
        os.close(screen)
        if process.poll() is None:
            process.kill()
        process.wait(WITHIN)
        os.close(keys)
