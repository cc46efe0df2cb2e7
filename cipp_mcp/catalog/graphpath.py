"""Which Graph paths a raw query may not ask for: credentials, mail, chats and files.

Compared after undoing every disguise that a path can wear. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

_HOST = re.compile(r"^(https?:)?//[^/]*", re.IGNORECASE)
_VERSION = re.compile(r"^(v1\.0|beta)/", re.IGNORECASE)
# A key may be named and quoted, and a quote in it is doubled: users(userPrincipalName='o''brien@x'). Nothing is tried twice.
_KEY = re.compile(r"\((?:[^()']|'[^']*')*+\)")


def normalised(path: str) -> str:
    """Host, version, percent-encoding, letter case, doubled slashes, dots and `('key')` forms undone."""
    for _ in range(4):
        undone = unquote(path)
        if undone == path:
            break
        path = undone
    path = _HOST.sub("", path.replace("\\", "/").strip()).lower()
    for _ in range(4):  # a key inside a key
        path = _KEY.sub(lambda found: "/" + found[0].strip("()'").replace("/", " "), path)
    path = re.sub(r"[()]", "/", path)
    parts: list[str] = []
    for part in path.split("?")[0].split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part.strip())
    return _VERSION.sub("", "/".join(parts) + "/").rstrip("/")


def denied(texts: Iterable[str], patterns: Iterable[str]) -> str | None:
    """The first pattern that one of the texts (a path, a link, a select or expand list) falls under.

    A pattern is a path with `*` for one part; `path?$select=x` denies x in any text beside that path. What follows the first
    part of a pattern may stand in any text too: an expand list leads on from where the path ends.
    """
    given = list(texts)
    paths = [normalised(t) for t in given]
    whole = " ".join(unquote(unquote(t)).lower() for t in given)
    if any(p.startswith("$batch") for p in paths):
        return "$batch"
    words = set(re.split(r"[^a-z0-9]+", whole))
    for pattern in patterns:
        path, _, select = pattern.lower().partition("?$select=")
        first, *rest = [part for part in path.split("/") if part != "*"]
        if select and select not in whole:
            continue
        if any(_under(p, path) or (words.issuperset(rest) and _under(p, first)) for p in paths):
            return pattern
        if not select and "/" not in path and first in words:
            return pattern
    return None


def _under(path: str, pattern: str) -> bool:
    """Whether the pattern's parts stand one after the other anywhere in the path."""
    have, want = path.split("/"), pattern.split("/")
    return any(
        all(w in {"*", h} or h.endswith(f".{w}") for w, h in zip(want, have[at : at + len(want)], strict=True))
        for at in range(len(have) - len(want) + 1)
    )
