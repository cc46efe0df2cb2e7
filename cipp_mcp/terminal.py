"""What a person at a terminal sees: tables, plans, outcomes. Plain text that also survives a narrow Windows console.

Presentation only; nothing that decides, sends or stores may enter.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from cipp_mcp.call.text import clean

_GOOD = frozenset({"done", "unchanged", "claimed", "accepted"})
_WAITING = frozenset({"needs_approval", "pending", "partial"})


def prepare_streams() -> None:
    """UTF-8 on both streams whatever the console's code page; what cannot be shown is replaced, never fatal."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None and not sys.stdin.isatty():
        reconfigure(encoding="utf-8-sig")  # PowerShell may put a mark in front
    if sys.platform == "win32":
        os.system("")  # switches colour sequences on in consoles that know them


def colours(stream: TextIO) -> bool:
    """Only on a terminal, and not where NO_COLOR says no."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO | None = None) -> str:
    """The text in a colour, where colours are shown."""
    return f"\x1b[{code}m{text}\x1b[0m" if colours(stream or sys.stdout) else text


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
    """Left-aligned columns; the last one is cut to the terminal's width."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max(len(h), *(len(r[n]) for r in cells)) if cells else len(h) for n, h in enumerate(headers)]
    room = max(20, shutil.get_terminal_size((120, 24)).columns - sum(widths[:-1]) - 2 * (len(widths) - 1))
    lines = [list(headers), ["-" * w for w in widths[:-1]] + ["-" * min(widths[-1], room)], *cells]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(r[:-1], widths, strict=False)), _cut(r[-1], room)]).rstrip() for r in lines
    )


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
        lines.append(f"  {key}: {_inline(value)}")
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
        if isinstance(value, list | tuple):
            lines.append(f"{indent}{label.replace('_', ' ')}:")
            lines += [f"{indent}  - {clean(str(v))}" for v in value]
        else:
            lines.append(f"{indent}{label.replace('_', ' ')}: {clean(str(value))}")
    return lines
