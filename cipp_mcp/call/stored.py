"""Lists that did not fit into one answer, kept for a while so that their rest is read and not asked again.

Only rows as they may be seen come in here: chosen, masked and cleaned. They lie in files without a name that end with
this process, and whoever asks for them must be who asked for the list.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

KEPT_FOR = 15 * 60.0
MOST_KEPT = 16
IN_MEMORY = 2**17
"""Bytes up to which a list needs no file."""

_CURSOR = re.compile(r"(r[0-9a-f]{16})\.([0-9]{1,9})")


def _file() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)


@dataclass
class Sheet:
    """One list as JSON lines.

    Attributes:
        owner: who may read it; empty where there is only one client.
        facts: what holds for every page of it (tenant, total, matched, as_of).
        whole: with its last row the list is complete.
        follow: how CIPP's own next page is asked: tool and arguments.
        lost: not all rows could be kept, so it must not be read.
    """

    owner: str
    expires: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = True
    follow: tuple[str, Mapping[str, Any]] | None = None
    lost: bool = False
    id: str = field(default_factory=lambda: f"r{secrets.token_hex(8)}")
    _file: IO[bytes] = field(default_factory=_file, repr=False)
    _begins: array[int] = field(default_factory=lambda: array("Q"), repr=False)

    def __len__(self) -> int:
        return len(self._begins)

    def add(self, text: str) -> None:
        """One more row, as compact JSON."""
        try:
            self._begins.append(self._file.tell())
            self._file.write(text.encode("utf-8") + b"\n")
        except OSError:  # the disk is full: without its rest a list is still an answer
            self.lost = True

    def read(self, start: int) -> Iterator[str]:
        """The rows from number `start` (from 0) on."""
        if start < len(self):
            self._file.seek(self._begins[start])
            for _ in range(start, len(self)):
                yield self._file.readline().decode("utf-8")

    def cursor(self, row: int) -> str:
        """What leads to that row."""
        return f"{self.id}.{row}"

    def close(self) -> None:
        self._file.close()


class Shelf:
    """The lists of one process, each for 15 minutes.

    Args:
        clock: monotonic seconds.
        most: so many of the latest.
    """

    def __init__(self, clock: Callable[[], float], most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._sheets: dict[str, Sheet] = {}

    @property
    def keeps(self) -> bool:
        """Whether a list can be read on at all."""
        return self._most > 0

    def begin(self, owner: str) -> Sheet:
        """An empty sheet, which a worker thread may fill; nobody can read it yet."""
        return Sheet(owner, self._clock() + KEPT_FOR)

    def keep(self, sheet: Sheet) -> None:
        """All rows are in it; it can be read from now on."""
        self._drop_old()
        self._sheets[sheet.id] = sheet
        while len(self._sheets) > self._most:
            self._sheets.pop(next(iter(self._sheets))).close()

    def get(self, sheet_id: str, owner: str) -> Sheet | None:
        """The sheet; None where it is gone or belongs to somebody else."""
        self._drop_old()
        found = self._sheets.get(sheet_id)
        return found if found is not None and found.owner == owner else None

    def close(self) -> None:
        """Let go of all of them."""
        while self._sheets:
            self._sheets.popitem()[1].close()

    def _drop_old(self) -> None:
        for known in [k for k, sheet in self._sheets.items() if sheet.expires < self._clock()]:
            self._sheets.pop(known).close()


def parsed(cursor: str) -> tuple[str, int] | None:
    """Sheet and row of a cursor; None for what is none."""
    found = _CURSOR.fullmatch(cursor)
    return (found[1], int(found[2])) if found else None
