"""The only values that cross rooms: a Request before it is HTTP, a Response after it was, an Outcome.

Plain frozen data. No behaviour that needs a network, a clock or a catalog may enter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Any, Literal

Json = dict[str, Any] | list[Any] | str | int | float | bool | None


class Repeat(StrEnum):
    """What may be sent again after an answer or a fault that does not prove that nothing happened."""

    FREELY = "freely"  # reads
    AFTER_429 = "after_429"  # sets one value: waits out a 429 or 503 once
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to CIPP, as data.

    Attributes:
        method: GET or POST.
        path: below the host root, for instance `/api/ExecClrImmId`.
        query: query names and texts, unencoded.
        body: JSON value; None sends no body.
        repeat: what the wire may do after a fault.
        timeout: seconds to wait for bytes of the answer.
        deadline: seconds for everything, tries and waits included; None leaves it to `timeout`.
        wanted: asked when the first byte is about to leave; when it says no, none does.
        long: whoever sends it reads a long answer from a file, and closes that.
    """

    method: Literal["GET", "POST"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    repeat: Repeat = Repeat.NEVER
    timeout: float = 120.0
    deadline: float | None = None
    wanted: Callable[[], bool] | None = field(default=None, compare=False, repr=False)
    long: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, undecoded. Header names are in lower case.

    Attributes:
        body: all of it, or of a long one that was wanted so only the beginning.
        file: all of a long one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    tries: int = 1
    elapsed: float = 0.0
    file: IO[bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Word(StrEnum):
    """The outcome words. `done` and `unchanged` are the only ones that a ticket may call finished."""

    DONE = "done"
    UNCHANGED = "unchanged"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    PENDING = "pending"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NEEDS_APPROVAL = "needs_approval"


Changed = Literal["yes", "no", "unknown"]

_SUCCESS: Mapping[Word, bool] = {
    Word.DONE: True,
    Word.UNCHANGED: True,
    Word.FAILED: False,
    Word.REFUSED: False,
    Word.PARTIAL: False,
    Word.NEEDS_APPROVAL: False,
}

ERROR_WORDS = frozenset({Word.FAILED, Word.UNKNOWN, Word.REFUSED})
"""The words that MCP's `isError` is true for."""

EXIT_CODES: Mapping[Word, int] = {
    Word.DONE: 0,
    Word.UNCHANGED: 0,
    Word.CLAIMED: 0,
    Word.ACCEPTED: 0,
    Word.FAILED: 1,
    Word.PARTIAL: 1,
    Word.NEEDS_APPROVAL: 3,
    Word.PENDING: 3,
    Word.REFUSED: 4,
    Word.UNKNOWN: 5,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, in our words, with CIPP's data kept apart from them.

    Attributes:
        word: one of the outcome words.
        message: one or two sentences of ours; never CIPP's text.
        writes: False for reads, whose envelope has rows instead of `success` and `changed`.
        changed: whether anything was changed (writes).
        facts: further envelope entries (`tenant`, `target`, `items`, `details`, `plan` …), in order.
    """

    word: Word
    message: str
    writes: bool = False
    changed: Changed = "no"
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_error(self) -> bool:
        return self.word in ERROR_WORDS

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.word]

    def envelope(self) -> dict[str, Any]:
        """The JSON object that every edge shows: the `structuredContent` of MCP, `--json` of the terminal."""
        head: dict[str, Any] = {"outcome": self.word.value, "message": self.message}
        if self.writes:
            head["success"] = _SUCCESS.get(self.word)
            head["changed"] = self.changed
        return head | dict(self.facts)
