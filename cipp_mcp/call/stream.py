"""JSON as this room takes it, strict and never deep: from a text, or row by row from a file that is too long for memory.

Both ways refuse the same: constants and numbers that JSON cannot carry, nesting without end, anything after the end.
What the rows mean is decided elsewhere.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

DEEPEST = 200
WINDOW = 2**16
"""Bytes that are read at once; a row that is larger makes the window grow."""

EDGE = 2
"""So near to the end of the window a number may go on: of 1.5e+9 the parser takes 1.5 while no digit follows."""

FIRST = 20
"""So many entries of a long list stay at hand, for what they say where they are no data."""

_BLANK = re.compile(r"[ \t\n\r]*")


def strict(text: str) -> Any:
    """The value that a whole text is.

    Raises:
        ValueError, RecursionError: it is none that we take.
    """
    _not_too_deep(text)
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    """A number that JSON can carry on: 1e999 would become infinity."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _not_too_deep(text: str) -> None:
    """Counts brackets outside strings, so that no parser is asked to recurse thousands deep.

    A string that never ends is taken whole: trying again at each of its quotes would take quadratic time.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for token in re.finditer(r'(?s)"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', text):
        match token.group()[0]:
            case "[" | "{":
                depth += 1
                if depth > DEEPEST:
                    raise ValueError("too deep")
            case "]" | "}":
                depth -= 1
            case _:
                continue


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


class LongList:
    """The rows of a list that stays in its file; every iteration reads them anew, and only one of them is in memory.

    Args:
        begin: the text from its beginning, checked before to its end.
        under: the name under which the list stands; None for a body that is the list.
        first: its first entries. rows: how many are rows.
    """

    def __init__(self, begin: Callable[[], _Window], under: str | None, first: list[Any], rows: int) -> None:
        self._begin = begin
        self._under = under
        self.first = first
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        text = self._begin()
        if self._under is not None:
            for name in text.names():
                if name == self._under:
                    break
                text.value()
        yield from (entry for entry in text.entries() if isinstance(entry, dict))


def outline(file: IO[bytes], under: str, beat: Callable[[], None] = lambda: None, window: int = WINDOW) -> Any:
    """The value that a file holds, with a `LongList` in the place of its list: the whole, or what stands under that name.

    Args:
        beat: called now and then while reading; what it raises ends the reading.
        window: bytes that are read at once.

    Raises:
        ValueError, RecursionError: it is no JSON that we take (UnicodeDecodeError is a ValueError).
    """

    def begin() -> _Window:
        return _Window(file, beat, window)

    text = begin()
    if text.peek() == "[":
        found: Any = _list(begin, None, text)
    elif text.peek() == "{":
        found = {}
        for name in text.names():
            if name in found:
                raise ValueError("a name twice")  # which of two lists would be read again?
            found[name] = _list(begin, name, text) if name == under and text.peek() == "[" else text.value()
    else:
        found = text.value()
    text.end()
    return found


def _list(begin: Callable[[], _Window], under: str | None, text: _Window) -> LongList:
    first: list[Any] = []
    rows = 0
    for entry in text.entries():
        rows += isinstance(entry, dict)
        if len(first) < FIRST:
            first.append(entry)
    return LongList(begin, under, first, rows)


class _Window:
    """A part of the file as text, and where in it the next value begins."""

    def __init__(self, file: IO[bytes], beat: Callable[[], None], window: int) -> None:
        self._file = file
        self._beat = beat
        self._window = window
        self._read = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._held = ""
        self._at = 0

    def _more(self) -> bool:
        """Let go of what was read and take more; False at the end of the file."""
        self._beat()
        self._file.seek(self._read)
        chunk = self._file.read(max(self._window, len(self._held) - self._at))
        self._read += len(chunk)
        self._held = self._held[self._at :] + self._decoder.decode(chunk, not chunk)
        self._at = 0
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            blank = _BLANK.match(self._held, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def _skip(self, character: str) -> None:
        if self.peek() != character:
            raise ValueError(character)
        self._at += 1

    def value(self) -> Any:
        """The next value."""
        self.peek()
        whole = False
        while True:
            try:
                found, end = _DECODER.raw_decode(self._held, self._at)
                if whole or end + EDGE < len(self._held):
                    _not_too_deep(self._held[self._at : end])
                    self._at = end
                    return found
            except json.JSONDecodeError:
                if whole:
                    raise
            whole = not self._more()

    def entries(self) -> Iterator[Any]:
        """The entries of the list that begins here, one by one."""
        self._skip("[")
        if self.peek() != "]":
            yield self.value()
            while self.peek() == ",":
                self._at += 1
                yield self.value()
        self._skip("]")

    def names(self) -> Iterator[str]:
        """The names of the object that begins here; the value of each is read before the next is asked for."""
        self._skip("{")
        if self.peek() != "}":
            yield self._name()
            while self.peek() == ",":
                self._at += 1
                yield self._name()
        self._skip("}")

    def _name(self) -> str:
        if self.peek() != '"':
            raise ValueError("no name")
        name = str(self.value())
        self._skip(":")
        return name

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek():
            raise ValueError("more after the end")
