"""Which Graph paths a raw query may not ask for: credentials, mail, chats and files.

Compared after undoing every disguise that a path can wear. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

_HOST = re.compile(r"^(https?:)?//[^/]*", re.IGNORECASE)
_VERSION = re.compile(r"^(v1\.0|beta)/", re.IGNORECASE)


def normalised(path: str) -> str:
    """Host, version, percent-encoding, letter case, doubled slashes, dots and `('key')` forms undone."""
    for _ in range(4):
        undone = unquote(path)
        if undone == path:
            break
        path = undone
    path = _HOST.sub("", path.replace("\\", "/").strip()).lower()
    path = re.sub(r"\('?([^')]*)'?\)", r"/\1", path)
    parts: list[str] = []
    for part in path.split("?")[0].split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part.strip())
    return _VERSION.sub("", "/".join(parts) + "/").rstrip("/")


def denied(texts: Iterable[str], patterns: Iterable[str]) -> str | None:
    """The first pattern that one of the texts (a path, a link, a select or expand list) falls under.

    A pattern is a path with `*` for one part; `path?$select=x` denies x in any text beside that path.
    """
    given = list(texts)
    paths = [normalised(t) for t in given]
    whole = " ".join(unquote(unquote(t)).lower() for t in given)
    if any(p.startswith("$batch") for p in paths):
        return "$batch"
    for pattern in patterns:
        path, _, select = pattern.lower().partition("?$select=")
        if select:
            if select in whole and any(_under(p, path) for p in paths):
                return pattern
        elif any(_under(p, path) for p in paths) or ("/" not in path and path in re.split(r"[^a-z0-9]+", whole)):
            return pattern
    return None


def _under(path: str, pattern: str) -> bool:
    """Whether the pattern's parts stand one after the other anywhere in the path."""
    have, want = path.split("/"), pattern.split("/")
    return any(
        all(w in {"*", h} or h.endswith(f".{w}") for w, h in zip(want, have[at:], strict=False))
        for at in range(len(have) - len(want) + 1)
    )
