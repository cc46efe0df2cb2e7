"""Tenant data is untrusted text: what is taken out of it, and how it is marked as a value inside our sentences.

Display names, device names and rule names are written by anybody. Nothing that decides may enter.
"""

from __future__ import annotations

import re
from typing import Any

LONGEST_VALUE = 4000

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 but tab and newline
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ud800-\udfff\ue000-\uf8ff\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    """The text without escape sequences and characters that nobody sees, cut (with a sign) at `longest`."""
    seen = _HIDDEN.sub("", _ESCAPES.sub("", text))
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


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


def clean_all(value: Any, longest: int = LONGEST_VALUE) -> tuple[Any, int]:
    """A JSON value with every text (and key) cleaned, and how many characters were taken out."""
    taken = 0

    def walk(inner: Any) -> Any:
        nonlocal taken
        if isinstance(inner, str):
            taken += hidden_in(inner)
            return clean(inner, longest)
        if isinstance(inner, dict):
            return {walk(k): walk(v) for k, v in inner.items()}
        return [walk(v) for v in inner] if isinstance(inner, list | tuple) else inner

    return walk(value), taken


_ORDERS = re.compile(
    r"\b(ignore|disregard|forget)\b.{0,40}\b(previous|prior|above|earlier|instructions?|rules)\b"
    r"|\b(system prompt|you are now|new instructions|do not (tell|ask) the (user|person|human))\b"
    r"|\b(assistant|claude|copilot|chatgpt|ai agent)\b\s*[:,]\s*\w+"
    r"|<\|?(im_start|system|assistant)\|?>|\[/?INST\]",
    re.IGNORECASE,
)


def gives_orders(value: Any) -> bool:
    """Whether some text in a JSON value reads like an order to a model, or hides characters as such texts do."""
    if isinstance(value, str):
        return bool(_ORDERS.search(value[:LONGEST_VALUE])) or any(
            "\U000e0000" <= c <= "\U000e007f" for c in value[:LONGEST_VALUE]
        )
    if isinstance(value, dict):
        return any(gives_orders(k) or gives_orders(v) for k, v in value.items())
    return any(gives_orders(v) for v in value) if isinstance(value, list | tuple) else False
