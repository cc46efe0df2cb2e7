"""The body of one answer while it arrives: in memory, or once it is long in a file that has no name.

A list of a large tenant is tens of megabytes. Only bytes and their number are known here; what they mean is read elsewhere.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO

from cipp_mcp.errors import TooLarge

LONG = 2**18
"""More bytes than this go into a file, where that is allowed."""

KEPT = 4096
"""What of them stays at hand to see what kind of thing it is."""


class Body:
    """What came of a body so far.

    Args:
        most_bytes: the largest that is accepted, decompressed.
        long: whether a long one may go into a file. It has no name and ends with this process or with `close`.

    Attributes:
        start: the whole body; of one in a file, its beginning.
        file: the whole body where it is long, else None.
    """

    def __init__(self, most_bytes: int, *, long: bool = False) -> None:
        self._most = most_bytes
        self._may_spill = long
        self._size = 0
        self.start = bytearray()
        self.file: IO[bytes] | None = None

    def take(self, chunk: bytes) -> None:
        """The next bytes.

        Raises:
            TooLarge: there are more than accepted, or the disk takes no more of them.
        """
        self._size += len(chunk)
        if self._size > self._most:
            hint = "Narrow the request by a filter or fewer columns."
            raise TooLarge(f"The answer is larger than {self._most / 2**20:g} MiB.", hint=hint)
        if self.file is not None:
            with _room():
                self.file.write(chunk)
            return
        self.start += chunk
        if self._may_spill and self._size > LONG:
            self._spill()

    def end(self) -> None:
        """No more bytes come: all of them are where they will be read.

        Raises:
            TooLarge: the disk has no room for them.
        """
        if self.file is not None:
            with _room():
                self.file.seek(0)

    def close(self) -> None:
        """Nobody will read it."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.close()

    def _spill(self) -> None:
        self._may_spill = False
        with contextlib.suppress(OSError):  # nowhere to put it: it stays in memory
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever reads the answer
        if self.file is not None:
            with _room():
                self.file.write(self.start)
            del self.start[KEPT:]


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError:
        hint = "Free some space there, or narrow the request by a filter or fewer columns."
        raise TooLarge("The folder for temporary files has no room for the answer.", hint=hint) from None
