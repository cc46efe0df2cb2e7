"""The person at the terminal: questions, hidden answers, yes or no. The seam through which tests play that person.

The controlling terminal is read, never standard input, so that a pipe answers nothing. What the answers mean may not
enter.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, TextIO

from cipp_mcp.errors import SettingsError

TERMINAL = ("CONIN$", "CONOUT$") if sys.platform == "win32" else ("/dev/tty", "/dev/tty")


class Person(Protocol):
    """Somebody who can be asked."""

    def say(self, text: str = "") -> None:
        """Show a line."""

    def ask(self, question: str) -> str:
        """One line typed in sight, without its end."""
        ...

    def ask_hidden(self, question: str) -> str:
        """One line typed unseen."""
        ...


class AtTerminal:
    """The person at the controlling terminal."""

    def __init__(self, source: TextIO, screen: TextIO) -> None:
        self._source = source
        self._screen = screen

    def say(self, text: str = "") -> None:
        self._screen.write(f"{text}\n")
        self._screen.flush()

    def ask(self, question: str) -> str:
        self._screen.write(question)
        self._screen.flush()
        line = self._source.readline()
        if not line:
            raise _cut_off()
        return line.strip()

    def ask_hidden(self, question: str) -> str:
        import getpass

        try:
            with warnings.catch_warnings():
                # getpass would fall back to showing what is typed; then it must not be typed at all.
                warnings.simplefilter("error", getpass.GetPassWarning)
                return getpass.getpass(question).strip()
        except (EOFError, getpass.GetPassWarning):
            raise _cut_off() from None


@contextmanager
def at_terminal(command: str) -> Iterator[Person]:
    """The person at the controlling terminal, for this command.

    Raises:
        SettingsError: there is no terminal.
    """
    with ExitStack() as stack:
        try:
            # A terminal is not seekable, so it is opened twice: once for each direction.
            source = stack.enter_context(open(TERMINAL[0], encoding="utf-8", errors="replace"))
            screen = stack.enter_context(open(TERMINAL[1], "w", encoding="utf-8", errors="replace"))
        except OSError:
            raise SettingsError(
                f"{command} asks on a terminal, and there is none.", hint="Run it in a terminal window of your own."
            ) from None
        yield AtTerminal(source, screen)


def with_default(person: Person, question: str, default: str = "") -> str:
    """An answer, or the default when only Enter is pressed."""
    return person.ask(f"{question}{f' [{default}]' if default else ''}: ") or default


def agrees(person: Person, question: str, *, default: bool) -> bool:
    """Yes or no, asked until it is one of the two."""
    while True:
        typed = person.ask(f"{question} [{'Y/n' if default else 'y/N'}]: ").casefold()
        if typed in {"", "y", "yes", "n", "no"}:
            return default if not typed else typed.startswith("y")
        person.say("Type y or n.")


def _cut_off() -> SettingsError:
    return SettingsError("The terminal ended before the answer.", hint="Run the command again.")
