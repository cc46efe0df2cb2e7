"""Words of a technician -> the stems that the search compares.

One spelling for British and American, for plural and singular, and for what people write together or apart. Small on
purpose: a stem need not be a word, it must only be the same on both sides. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_WORD = re.compile(r"[a-z0-9]+")
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_LONGEST = 2000
_BETWEEN = "zq0"

_SAYS_NOTHING = """
a an the of in on at to for from with by and or is are was were be been am do does did how what i we you he she it they me
us him them my our your his her its their this that these those there here can could may might must should would will
shall want wants need needs please have has had having get gets let lets make makes made some somebody someone anybody
so as if than then too also just only any no not now own per into out up off over about again still yet via every everyone
everybody another other others anyone anything something nothing always really actually back all both each such more most
much s t d ll re ve m
"""
_SAYS_NOTHING_ELSEWHERE = """
der die das den dem des ein eine einen einem einer und von vom mit ohne fur im zu zum zur ist hat kein keine keinen
le la les de du un une et au aux en sur pour dans sans avec est pas el los las del al y con para por sin es una
"""
STOP = frozenset((_SAYS_NOTHING + _SAYS_NOTHING_ELSEWHERE).split())
"""Words that say nothing about what is wanted, also in German, French and Spanish. `who` and `which` stay out of it: they show
that it is a question."""

_SAME = {
    "mail": "email",
    "mails": "email",
    "emails": "email",
    "licence": "license",
    "licences": "license",
    "licensing": "license",
    "organisation": "organization",
    "colour": "color",
    "centre": "center",
    "behaviour": "behavior",
    "enrol": "enroll",
    "enrolment": "enroll",
    "enrollment": "enroll",
    "programme": "program",
    "wifi": "wireless",
}
_JOINED = {
    "e mail": "email",
    "sign in": "signin",
    "sign ins": "signin",
    "signed in": "signin",
    "signing in": "signin",
    "log in": "signin",
    "logged in": "signin",
    "log on": "signin",
    "sign out": "signout",
    "log out": "signout",
    "sign off": "signout",
    "out of office": "outofoffice",
    "one drive": "onedrive",
    "share point": "sharepoint",
    "bit locker": "bitlocker",
    "auto pilot": "autopilot",
    "white list": "whitelist",
    "black list": "blacklist",
    "right now": "",
    "set up": "setup",
    "take over": "takeover",
    "back up": "backup",
    "left over": "leftover",
    "log book": "logbook",
    "sub scription": "subscription",
}
_WHOLE = {"signins": "signin", "login": "signin", "logins": "signin", "logon": "signin", "signon": "signin", "logout": "signout"}
_ELISION = re.compile(r"\b(?:[dlnsjm]|qu)['’](?=[a-z]{2})")
_TOGETHER = re.compile(rf"\b(?:{'|'.join(sorted(_JOINED, key=len, reverse=True))})\b")


def stems(text: str) -> list[str]:
    """The stems of a text, in its order, without words that say nothing."""
    return _stems(text[:_LONGEST])


def words(text: str) -> list[str]:
    """The words of a text as they are written, in small letters, without those that say nothing."""
    return [w for w in _WORD.findall(plain(text[:_LONGEST])) if w not in STOP]


def plain(text: str) -> str:
    """The text in small letters without accents: what people leave out and what others type must meet."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    return "".join(c for c in parts if not unicodedata.combining(c))


def stems_of_each(texts: Iterable[str]) -> list[list[str]]:
    """The stems of several texts, in one go."""
    found: list[list[str]] = [[]]
    for word in _stems(f" {_BETWEEN} ".join(text[:_LONGEST] for text in texts)):
        if word == _BETWEEN:
            found.append([])
        else:
            found[-1].append(word)
    return found


def _stems(text: str) -> list[str]:
    even = plain(text).replace("-", " ").replace("/", " ")
    if "’" in even or "'" in even:
        even = re.sub(r"['’]s?\b", "", _ELISION.sub("", even))
    together = _TOGETHER.sub(lambda found: _JOINED[found[0]], even)
    return [stem(word) for word in _WORD.findall(together) if word not in STOP]


def pieces(name: str) -> str:
    """`ListMailboxRules`, `list_mailbox_rules` -> the words in it."""
    return " ".join(_PIECE.findall(name))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Endings off: enough of Porter's rules that all forms of a word meet."""
    word = _SAME.get(word, word)
    word = _WHOLE.get(word, word)
    if len(word) <= 3 or word.isdigit():
        return word
    word = re.sub(r"is(e|ed|es|ing|ation|ations)$", r"iz\1", word)
    for ending, put in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: len(word) - len(ending)] + put
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aelosz":
        word = word[:-1]
    return _SAME.get(word, word).removesuffix("e") if len(word) > 4 else _SAME.get(word, word)


_ENDINGS: tuple[tuple[str, str], ...] = (
    ("izations", "iz"),
    ("ization", "iz"),
    ("ications", "y"),
    ("ication", "y"),
    ("ations", "at"),
    ("ation", "at"),
    ("ities", "ity"),
    ("ments", "ment"),
    ("ingly", ""),
    ("edly", ""),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ies", "y"),
    ("ied", "y"),
    ("ings", ""),
    ("ing", ""),
    ("ers", "er"),
    ("ed", ""),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("es", "e"),
    ("s", ""),
)


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that differs by one slip of the finger (two in a long one)."""
    if len(word) < 4 or word.isdigit():
        return None
    allowed = 2 if len(word) >= 8 else 1
    best: tuple[int, str] | None = None
    for other in known:
        if abs(len(other) - len(word)) <= allowed and other[:1] == word[:1] and len(other) >= 4:
            away = _distance(word, other, allowed)
            if away <= allowed and (best is None or away < best[0]):
                best = (away, other)
    return best[1] if best is not None else None


def _distance(one: str, other: str, most: int) -> int:
    """Damerau-Levenshtein; above `most` any larger number."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]
