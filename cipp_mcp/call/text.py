"""Tenant data is untrusted text: what is taken out of it, and how it is marked as a value inside our sentences.

Display names, device names and rule names are written by anybody. Nothing that decides may enter.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

LONGEST_VALUE = 4000
MOST_UNSEEN = 10_000
"""Characters that nobody sees, up to which a long text is still shown at its full length."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 but tab and newline
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ud800-\udfff\ue000-\uf8ff\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)


_HOST = r"[^\s@/:?#<>\"'`()\[\]{},;|\\]+"
_HOSTS = re.compile(rf"(?<=[@\uff20]){_HOST}|(?<=://){_HOST}")
_ONLY_A_HOST = re.compile(rf"{_HOST}\.[A-Za-z]{{2,24}}\.?")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_ALIKE = re.compile("[A-Za-z][\u0370-\u058f\u13a0-\u13ff\uff21-\uff5a]|[\u0370-\u058f\u13a0-\u13ff\uff21-\uff5a][A-Za-z]")


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    """The text without escape sequences and characters that nobody sees, cut (with a sign) at `longest`.

    A domain in an address is shown in ASCII, since its letters may only look like those that are read.
    """
    begins = text[: longest + MOST_UNSEEN]  # what is cut off anyway must not keep everybody waiting
    seen = _HIDDEN.sub("", _ESCAPES.sub("", begins))
    if not seen.isascii():
        seen = _with_plain_hosts(seen)
    return seen if len(seen) <= longest and begins == text else f"{seen[: longest - 1]}…"


def _with_plain_hosts(text: str) -> str:
    """Elsewhere a dotted word may be a file or a sentence: alone it counts as a domain when a part of it mixes alphabets."""
    if _ALIKE.search(text) and _ONLY_A_HOST.fullmatch(text):
        return _plain_host(text)
    return _HOSTS.sub(lambda found: _plain_host(found[0]), text)


def _plain_host(host: str) -> str:
    return ".".join(_plain_label(label) for label in _DOTS.split(host))


def _plain_label(label: str) -> str:
    if label.isascii():
        return label
    folded = unicodedata.normalize("NFKC", label).casefold()
    return folded if folded.isascii() else f"xn--{folded.encode('punycode').decode('ascii')}"


def hidden_in(text: str) -> int:
    """How many characters `clean` takes out."""
    return len(text) - len(_HIDDEN.sub("", _ESCAPES.sub("", text)))


def quoted(text: str, longest: int = 80) -> str:
    """A value inside a sentence of ours: one line, cleaned, cut, and in quotes that it cannot close."""
    one_line = re.sub(r"\s+", " ", clean(text, longest)).strip().replace('"', "'")
    return f'"{one_line}"'


def marked(text: str) -> str:
    """A key such as a UPN, an id or a domain as it is; anything else, which anybody may have written, as a quoted value."""
    return text if re.fullmatch(r"[A-Za-z0-9._@#+-]{1,120}", text) else quoted(text, 120)


def clean_all(value: Any, longest: int = LONGEST_VALUE) -> tuple[Any, int, int]:
    """A JSON value with every text (and key) cleaned, how many characters were taken out, and how many texts were cut."""
    taken = cut = 0

    def walk(inner: Any) -> Any:
        nonlocal taken, cut
        if isinstance(inner, str):
            if inner.isascii() and inner.isprintable() and len(inner) <= longest:
                return inner
            taken += hidden_in(inner)
            seen = clean(inner, longest)
            cut += len(seen) == longest and seen.endswith("…")
            return seen
        if isinstance(inner, dict):
            return {walk(k): walk(v) for k, v in inner.items()}
        return [walk(v) for v in inner] if isinstance(inner, list | tuple) else inner

    return walk(value), taken, cut


_ORDER_WORDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("ignore", "disregard", "forget"),
        r"\b(ignore|disregard|forget)\b.{0,40}\b(previous|prior|above|earlier|instructions?|rules)\b",
    ),
    (
        ("system prompt", "you are now", "new instructions", "do not "),
        r"\b(system prompt|you are now|new instructions|do not (tell|ask) the (user|person|human))\b",
    ),
    (
        ("assistant", "claude", "copilot", "chatgpt", "ai agent"),
        r"\b(assistant|claude|copilot|chatgpt|ai agent)\b\s*[:,]\s*\w+",
    ),
    (("im_start", "system", "assistant", "inst]"), r"<\|?(im_start|system|assistant)\|?>|\[/?INST\]"),
)
"""What no text of an expression is without, and the expression: looking for words is much faster."""

_WORDS = tuple(dict.fromkeys(word for words, _ in _ORDER_WORDS for word in words))
_ORDERS = re.compile("|".join(expression for _, expression in _ORDER_WORDS), re.IGNORECASE)
_TAGS = re.compile("[\U000e0000-\U000e007f]")


def gives_orders(value: Any) -> bool:
    """Whether some text in a JSON value reads like an order to a model, or hides characters as such texts do."""
    texts: list[str] = []
    _collect(value, texts)
    # What stands in one text stands in all of them together; most answers hold nothing of it.
    together = "\n".join(texts).lower()
    if together.isascii() and not any(word in together for word in _WORDS):
        return False
    return any(_ORDERS.search(text) or _TAGS.search(text) for text in texts)


def _collect(value: Any, into: list[str]) -> None:
    if isinstance(value, str):
        into.append(value[:LONGEST_VALUE])
    elif isinstance(value, dict):
        for key, inner in value.items():
            into.append(key[:LONGEST_VALUE])
            _collect(inner, into)
    elif isinstance(value, list | tuple):
        for inner in value:
            _collect(inner, into)
