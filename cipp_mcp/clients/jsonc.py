"""One member of a JSON or JSONC text set or taken away, with every other character left as it was.

Comments and trailing commas are understood where the client understands them. Files and clients are not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

DEEPEST = 100
_BLANK = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class NotJson(ValueError):
    """The text is not what it should be; the message says where, in our words."""


@dataclass
class Node:
    """One value and where it stands."""

    start: int
    end: int = 0
    value: Any = None
    members: list[Member] | None = None


@dataclass
class Member:
    """One member of an object: where its name begins, and the comma behind it, if there is one."""

    name: str
    at: int
    node: Node
    comma: int | None = field(default=None)


def parse(text: str, *, comments: bool) -> Node:
    """The text's only value.

    Raises:
        NotJson: it is no JSON (or JSONC with `comments`).
    """
    reader = _Reader(text, comments)
    at = reader.skip(0)
    node = reader.value(at, 0)
    if reader.skip(node.end) != len(text):
        raise reader.wrong(reader.skip(node.end))
    return node


def with_member(text: str, path: Sequence[str], value: Any, *, comments: bool) -> str:
    """The text with the value at this path; objects on the way are made.

    Raises:
        NotJson: the text is no JSON, or something on the path is no object.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    if not text.strip():
        for name in reversed(path):
            value = {name: value}
        return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", line_end) + line_end
    node = parse(text, comments=comments)
    unit = _unit(text, node)
    for depth, name in enumerate(path):
        found = _member(node, name, path[:depth])
        if found is None:
            rest = value
            for inner in reversed(path[depth + 1 :]):
                rest = {inner: rest}
            return _inserted(text, node, name, rest, unit, line_end)
        node = found.node
    return text[: node.start] + _dumped(value, _margin(text, node.start), unit, line_end) + text[node.end :]


def without_member(text: str, path: Sequence[str], *, comments: bool) -> str:
    """The text without what is at this path; unchanged where there is nothing.

    Raises:
        NotJson: as above.
    """
    if not text.strip():
        return text
    node, holder, found = parse(text, comments=comments), None, None
    for depth, name in enumerate(path):
        found = _member(node, name, path[:depth])
        if found is None:
            return text
        holder, node = node, found.node
    assert holder is not None and holder.members is not None and found is not None
    start = found.at
    while text[start - 1] in " \t":
        start -= 1
    if text[start - 1] == "\n":
        start -= 2 if text[start - 2] == "\r" else 1
    end = found.node.end if found.comma is None else found.comma + 1
    before = holder.members[: holder.members.index(found)]
    if found.comma is None and before and (comma := before[-1].comma) is not None:
        return text[:comma] + text[comma + 1 : start] + text[end:]
    return text[:start] + text[end:]


def member_of(text: str, path: Sequence[str], *, comments: bool) -> Any:
    """What is at this path, or None.

    Raises:
        NotJson: as above.
    """
    node = parse(text, comments=comments) if text.strip() else None
    for depth, name in enumerate(path):
        found = _member(node, name, path[:depth]) if node is not None else None
        node = found.node if found is not None else None
    return node.value if node is not None else None


def _member(node: Node, name: str, path: Sequence[str]) -> Member | None:
    if node.members is None:
        raise NotJson(f"{'.'.join(path) or 'the whole'} is no object")
    found = [m for m in node.members if m.name == name]
    if len(found) > 1:
        raise NotJson(f"{'.'.join([*path, name])} is there twice")
    return found[0] if found else None


def _inserted(text: str, node: Node, name: str, value: Any, unit: str, line_end: str) -> str:
    assert node.members is not None
    outer = _margin(text, node.start)
    first = node.members[0].at if node.members else None
    own_line = first is not None and not text[_line_start(text, first) : first].strip()
    margin = text[_line_start(text, first) : first] if own_line and first is not None else outer + unit
    member = f"{json.dumps(name)}: {_dumped(value, margin, unit, line_end)}"
    close = node.end - 1
    kept = len(text[:close].rstrip(" \t\r\n"))
    tail = text[kept:close] if "\n" in text[kept:close] else line_end + outer
    body = text[:kept]
    if node.members and node.members[-1].comma is None:
        last = node.members[-1].node.end
        body = f"{text[:last]},{text[last:kept]}"
    elif node.members:
        member += ","  # as its neighbours have it
    return f"{body}{line_end}{margin}{member}{tail}{text[close:]}"


def _dumped(value: Any, margin: str, unit: str, line_end: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", line_end + margin)


def _unit(text: str, node: Node) -> str:
    for member in node.members or []:
        before = text[_line_start(text, member.at) : member.at]
        if before and not before.strip():
            return before
    return "  "


def _margin(text: str, at: int) -> str:
    start = _line_start(text, at)
    return text[start : start + len(text[start:at]) - len(text[start:at].lstrip(" \t"))]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


class _Reader:
    def __init__(self, text: str, comments: bool) -> None:
        self._text = text
        self._comments = comments

    def wrong(self, at: int) -> NotJson:
        line = self._text.count("\n", 0, at) + 1
        return NotJson(f"line {line} cannot be read")

    def skip(self, at: int) -> int:
        while True:
            found = _BLANK.match(self._text, at) or (_COMMENT.match(self._text, at) if self._comments else None)
            if found is None:
                return at
            at = found.end()

    def value(self, at: int, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.wrong(at)
        match self._text[at : at + 1]:
            case "{":
                return self._object(at, depth)
            case "[":
                return self._list(at, depth)
            case '"':
                text, end = self._string(at)
                return Node(at, end, text)
            case _:
                found = _WORD.match(self._text, at)
                if found is None:
                    raise self.wrong(at)
                try:
                    return Node(at, found.end(), json.loads(found.group()))
                except ValueError:  # more digits than Python reads
                    raise self.wrong(at) from None

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self._text, at + 1, True)
        except ValueError:
            raise self.wrong(at) from None
        return text, end

    def _object(self, at: int, depth: int) -> Node:
        members: list[Member] = []
        here = self.skip(at + 1)
        while self._text[here : here + 1] != "}":
            if (members and members[-1].comma is None) or self._text[here : here + 1] != '"':
                raise self.wrong(here)
            name, end = self._string(here)
            colon = self.skip(end)
            if self._text[colon : colon + 1] != ":":
                raise self.wrong(colon)
            node = self.value(self.skip(colon + 1), depth + 1)
            members.append(Member(name, here, node))
            here = self.skip(node.end)
            if self._text[here : here + 1] == ",":
                members[-1].comma = here
                here = self.skip(here + 1)
        if members and members[-1].comma is not None and not self._comments:
            raise self.wrong(here)
        return Node(at, here + 1, {m.name: m.node.value for m in members}, members)

    def _list(self, at: int, depth: int) -> Node:
        items: list[Any] = []
        here, comma = self.skip(at + 1), True
        while self._text[here : here + 1] != "]":
            if not comma:
                raise self.wrong(here)
            node = self.value(here, depth + 1)
            items.append(node.value)
            here = self.skip(node.end)
            comma = self._text[here : here + 1] == ","
            if comma:
                here = self.skip(here + 1)
        if items and comma and not self._comments:
            raise self.wrong(here)
        return Node(at, here + 1, items)
