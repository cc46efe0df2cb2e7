"""What a person at a terminal sees: tables, plans, outcomes. Plain text that also survives a narrow Windows console.

Presentation only; nothing that decides, sends or stores may enter.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, NoReturn, TextIO

from cipp_mcp.call.text import clean
from cipp_mcp.settings import Settings

_ID = re.compile(r"(^|_)id$|Id$")
_KEY = re.compile(r"principalname$|domainname$|mail$|targets$|tenant$", re.IGNORECASE)
_NARROWEST = 12
_GOOD = frozenset({"done", "unchanged", "claimed", "accepted"})
_WAITING = frozenset({"needs_approval", "pending", "partial"})


def prepare_streams() -> None:
    """UTF-8 on both streams whatever the console's code page; what cannot be shown is replaced, never fatal.

    A program that starts us without one (`>&-`, a Windows program without a console) gives us one that leads nowhere.
    """
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
            if not stream.isatty():
                reconfigure(newline="\n")  # in a pipe on Windows too, for a shell that reads a completion, or a table in a file
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None and not sys.stdin.isatty():
        reconfigure(encoding="utf-8-sig")  # PowerShell may put a mark in front
    if sys.platform == "win32":
        os.system("")  # switches colour sequences on in consoles that know them


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")


def colours(stream: TextIO) -> bool:
    """Only on a terminal, and not where NO_COLOR says no."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO | None = None) -> str:
    """The text in a colour, where colours are shown."""
    return f"\x1b[{code}m{text}\x1b[0m" if colours(stream or sys.stdout) else text


class Help(argparse.RawDescriptionHelpFormatter):
    """A command's help whose usage leaves out the settings: every command takes them, and they stand below it."""

    def add_usage(self, usage: Any, actions: Iterable[argparse.Action], groups: Any, prefix: str | None = None) -> None:
        common = {f.name for f in fields(Settings)}
        super().add_usage(usage, [a for a in actions if a.dest not in common], groups, prefix)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are said by the command that they are about, with the next step."""

    def parsed(self, given: Sequence[str]) -> argparse.Namespace:
        """What was given, all of it understood."""
        found, unknown = self.parse_known_args(given)
        if unknown:
            flags = [word.partition("=")[0] for word in unknown if word.startswith("-")]  # what follows one may be a secret
            command: Parser = getattr(found, "parser", self)
            command.error(f"unrecognized arguments: {' '.join(flags or unknown)}")
        return found

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\nSee `{self.prog} --help`.\n")


class Progress:
    """One line on standard error that says what is being waited for; nothing where that is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._width = 0

    def __call__(self, text: str) -> None:
        if self._stream.isatty():
            self.clear()
            shown = _cut(f"{text} …", shutil.get_terminal_size((80, 24)).columns - 1)
            self._width = len(shown)
            print(shown, end="", file=self._stream, flush=True)

    def clear(self) -> None:
        """Take the line away again."""
        if self._width:
            print(f"\r{' ' * self._width}\r", end="", file=self._stream, flush=True)
            self._width = 0


def hanging(head: str, text: str, *, width: int) -> list[str]:
    """A text behind a head of that width, wrapped to the terminal with its further lines below its first."""
    room = max(40, min(shutil.get_terminal_size((120, 24)).columns, 120) - width)
    lines = textwrap.wrap(clean(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{head if n == 0 else ' ' * width}{line}".rstrip() for n, line in enumerate(lines)]


def difference(lines: Iterable[str]) -> list[str]:
    """A difference of texts, coloured where colours are shown."""
    colour = {"+": "32", "-": "31", "@": "36"}
    return [paint(clean(line), colour[line[0]]) if line[:1] in colour else clean(line) for line in lines]


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Left-aligned columns. On a terminal they are cut until a row fits a line, keys last, ids never; a pipe gets all."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max([len(h), *(len(r[n]) for r in cells)]) for n, h in enumerate(headers)]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size((120, 24)).columns
        texts = [n for n, h in enumerate(headers) if not _ID.search(h)]
        _fit(widths, [n for n in texts if not _KEY.search(headers[n])], room)
        _fit(widths, texts, room)
    lines = [list(headers), ["-" * w for w in widths], *cells]
    return "\n".join("  ".join(_cut(c, w).ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in lines)


def _fit(widths: list[int], columns: Sequence[int], room: int) -> None:
    """Take what is too much from the widest of these columns, down to a width that still tells something."""
    over = sum(widths) + 2 * (len(widths) - 1) - room
    while over > 0 and columns and widths[widest := max(columns, key=lambda n: widths[n])] > _NARROWEST:
        widths[widest] -= 1
        over -= 1


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(str(value)).replace("\n", " ")


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def outcome(envelope: Mapping[str, Any]) -> str:
    """An envelope for reading: the word and the sentence, then the rest in indented lines."""
    word = str(envelope.get("outcome"))
    colour = "32" if word in _GOOD else "33" if word in _WAITING else "31"
    lines = [f"{paint(word, colour)}: {clean(str(envelope.get('message', '')))}"]
    items = envelope.get("items")
    for key, value in envelope.items():
        if key in {"outcome", "message", "items", "plan"} or value is None:
            continue
        lines.append(f"  {key}: {_cell(_inline(value))}")
    if isinstance(envelope.get("plan"), Mapping):
        lines += ["", *plan_lines(envelope["plan"], indent="  ")]
    if isinstance(items, list) and items and all(isinstance(i, Mapping) for i in items):
        headers = list(dict.fromkeys(k for i in items for k in i))[:6]
        lines += ["", table(headers, [[_inline(i.get(h)) for h in headers] for i in items])]
    return "\n".join(lines)


def _inline(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | Mapping) else value


def plan_lines(preview: Mapping[str, Any], indent: str = "") -> list[str]:
    """A plan's preview, one label a line."""
    lines = []
    for label, value in preview.items():
        if label == "what_if":  # a sentence that says itself what it is
            lines.append(f"{indent}{clean(str(value))}")
        elif isinstance(value, list | tuple):
            lines.append(f"{indent}{label.replace('_', ' ')}:")
            lines += [f"{indent}  - {clean(str(v))}" for v in value]
        else:
            lines.append(f"{indent}{label.replace('_', ' ')}: {clean(str(value))}")
    return lines
