"""The secret addresses: who was sent to the page, for what, until when.

An address's nonce goes to the browser that is opened and nowhere else. It can still be seen in a process list, so the
first browser that comes with it gets a cookie, and from then on the nonce alone opens nothing. What a plan is or how
a page looks may not enter.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MOST = 256
NONCE_BYTES = 32
COOKIE = "cipp_mcp_page"


def _secret() -> str:
    return secrets.token_urlsafe(NONCE_BYTES)


@dataclass(slots=True)
class Opening:
    """One opened link.

    Attributes:
        plan, secret: the id of what it was opened for; the other one is empty.
        until: epoch seconds; afterwards the address does not exist.
        taken: a browser has come with it.
    """

    plan: str
    secret: str
    until: float
    nonce: str = field(default_factory=_secret, repr=False)
    cookie: str = field(default_factory=_secret, repr=False)
    taken: bool = False
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(NONCE_BYTES), repr=False)

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether this is the browser that came first."""
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and _same(value, self.cookie):
                return True
        return False

    def token(self, thing: str) -> str:
        """What a form carries back: good for this thing on this opening only."""
        return hmac.new(self._key, thing.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def vouches(self, thing: str, token: str) -> bool:
        """Whether that form was ours and about that thing."""
        return _same(token, self.token(thing))


class Openings:
    """The links that are good now.

    Args:
        now: epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._all: list[Opening] = []

    def add(self, *, plan: str = "", secret: str = "", until: float) -> Opening:
        """A new link. The oldest goes when there are too many."""
        self._sweep()
        self._all = [*self._all[-(MOST - 1) :], Opening(plan, secret, until)]
        return self._all[-1]

    def drop(self, opening: Opening) -> None:
        self._all = [o for o in self._all if o is not opening]

    def of(self, *, plan: str = "", secret: str = "") -> Opening | None:
        """The link that was opened for that thing, if it is still good."""
        self._sweep()
        return next((o for o in self._all if (o.plan, o.secret) == (plan, secret)), None)

    def find(self, nonce: str) -> Opening | None:
        """The link with that nonce; takes as long whichever it is."""
        self._sweep()
        found = None
        for opening in self._all:
            if _same(nonce, opening.nonce):
                found = opening
        return found

    def _sweep(self) -> None:
        self._all = [o for o in self._all if self._now() <= o.until]


def _same(given: str, kept: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), kept.encode())
