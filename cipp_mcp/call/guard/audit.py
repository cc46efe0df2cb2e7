"""The audit trail: append-only JSON Lines, each record sealed and with the hash of the one before.

Intent is on disk before the first byte leaves, the outcome before the answer. If a record cannot be written, the
write that it announces does not go out. CIPP logs every call under the API client's name, so this trail is the only
link to the person. No secret, token or unredacted argument may enter.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cipp_mcp.call.guard.seal import Vault, canonical, write_whole
from cipp_mcp.errors import AuditUnavailable

FORMAT = 1
GENESIS = "0" * 64
CHECKPOINT_EVERY = 100
FILE = "audit.jsonl"
END = "audit.end"
LOCK_SECONDS = 10.0


class AuditTrail:
    """One trail in one state folder, shared by every process that uses the folder.

    Args:
        vault: the private folder and its sealing key.
        now: epoch seconds.
        common: facts that stand in every record (OS user, operator, version, catalog and policy digest).
    """

    def __init__(self, vault: Vault, now: Callable[[], float], common: Mapping[str, Any]) -> None:
        self._vault = vault
        self._now = now
        self._common = dict(common)

    @property
    def path(self) -> Path:
        return self._vault.folder / FILE

    def append(self, kind: str, facts: Mapping[str, Any]) -> int:
        """Write one record and see it on disk; returns its number.

        Raises:
            AuditUnavailable: it could not be written.
        """
        from filelock import FileLock, Timeout

        self._vault.ready()
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=LOCK_SECONDS, mode=0o600):
                return self._append(kind, facts)
        except (OSError, Timeout):
            raise AuditUnavailable("The audit trail cannot be written.") from None

    def _append(self, kind: str, facts: Mapping[str, Any]) -> int:
        number, before, ended = _tail(self.path)
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        size = os.fstat(handle).st_size
        try:
            if not ended:  # a record that a crash cut short stays on its own line
                write_whole(handle, b"\n")
                if (confirmed := _end(self._vault)) is None or confirmed <= number:
                    facts = {**facts, "after_cut": True}  # it never was confirmed, so nothing is missing
            number, before = self._line(handle, kind, facts, number, before)
            own = number
            if number % CHECKPOINT_EVERY == 0 or kind == "stop":
                mac = self._vault.seal("audit", [number, before])
                number, before = self._line(handle, "checkpoint", {"of": number, "mac": mac}, number, before)
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)  # what is said not to be written does not stay by half
            raise
        finally:
            os.close(handle)
        end = {"n": number, "hash": before}
        self._vault.replace(END, canonical(end | {"mac": self._vault.seal("audit end", end)}))
        return own

    def _line(self, handle: int, kind: str, facts: Mapping[str, Any], number: int, before: str) -> tuple[int, str]:
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        record = {"v": FORMAT, "n": number + 1, "at": at, "kind": kind, **self._common, **facts, "prev": before}
        line = canonical(record | {"seal": self._vault.seal("audit record", record)})
        write_whole(handle, line + b"\n")
        return number + 1, hashlib.sha256(line).hexdigest()

    def records(self) -> Iterator[dict[str, Any]]:
        """Every readable record, oldest first."""
        for line in _lines(self.path):
            if isinstance(record := _parse(line), dict):
                yield record

    def open_intents(self) -> list[dict[str, Any]]:
        """Intents without an outcome: what a crash left unknown."""
        waiting: dict[str, dict[str, Any]] = {}
        for record in self.records():
            if record.get("kind") == "intent":
                waiting[str(record.get("operation"))] = record
            elif record.get("kind") == "outcome":
                waiting.pop(str(record.get("operation")), None)
        return list(waiting.values())


@dataclass(frozen=True, slots=True)
class Damage:
    """One finding of `verify`: which line (from 1), what kind, in words."""

    line: int
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found."""

    records: int
    damages: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        return not self.damages


def verify(path: Path, vault: Vault) -> Verdict:
    """Recompute the chain: finds edited, removed, added and reordered records, a cut end, and a seal that is not ours."""
    damages: list[Damage] = []
    cut: Damage | None = None
    before, number = GENESIS, 0
    at = 0
    for at, line in enumerate(_lines(path), 1):
        record = _parse(line)
        if not _as_written(record, line):
            damages += [cut] if cut else []
            cut = Damage(at, "unreadable", "is not a record as it was written")
            continue
        found = list(_wrong(record, at, number, before, vault))
        if cut is not None and (record.get("after_cut") is not True or found):
            damages.append(cut)
        cut = None
        damages += found
        number = record["n"] if isinstance(record.get("n"), int) else number + 1
        before = hashlib.sha256(line).hexdigest()
    damages += [cut] if cut else []
    return Verdict(number, tuple(damages) + tuple(_cut_end(at, number, vault)))


def _wrong(record: Mapping[str, Any], at: int, number: int, before: str, vault: Vault) -> Iterator[Damage]:
    """What is wrong with one record, given the one before it."""
    if not isinstance(record.get("v"), int) or record["v"] > FORMAT:
        yield Damage(at, "format", "was written by a newer version; update cipp-mcp to check it")
    if record.get("n") != number + 1:
        yield Damage(at, "sequence", f"has number {record.get('n')} where {number + 1} belongs: records are missing or moved")
    if record.get("prev") != before:
        yield Damage(at, "chain", "does not follow from the line before: one of the two was changed")
    body = {k: v for k, v in record.items() if k != "seal"}
    if not vault.sealed("audit record", body, record.get("seal")):
        yield Damage(at, "seal", "was changed, or written by somebody else: its seal is not ours")
    if record.get("kind") == "checkpoint" and not vault.sealed(
        "audit", [record.get("of"), record.get("prev")], record.get("mac")
    ):
        yield Damage(at, "checkpoint", "carries a checkpoint that is not ours")


def _cut_end(lines: int, number: int, vault: Vault) -> Iterator[Damage]:
    """Records that were written and are gone from the end. A crash may leave the mark of the end one append behind."""
    written = _end(vault)
    if written is None and number > 2:
        yield Damage(lines + 1, "end", f"the mark of the trail's end ({END}) is missing or not ours")
    elif written is not None and written > number:
        yield Damage(lines + 1, "cut", f"the trail ends at record {number}, but {written} were written")


def _end(vault: Vault) -> int | None:
    """The number of the last record that was confirmed; None without a mark of ours."""
    end = _parse(vault.read(END) or b"null")
    if not isinstance(end, dict) or not vault.sealed("audit end", {k: v for k, v in end.items() if k != "mac"}, end.get("mac")):
        return None
    return int(end["n"])


def _lines(path: Path) -> Iterator[bytes]:
    try:
        content = path.read_bytes()
    except OSError:
        return
    yield from (line for line in content.split(b"\n") if line)


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _as_written(record: Any, line: bytes) -> bool:
    try:
        return isinstance(record, dict) and canonical(record) == line
    except ValueError:  # 1e999 is no number that we write
        return False


def _tail(path: Path) -> tuple[int, str, bool]:
    """The last record's number and hash, and whether its line is ended; read from the end of the file."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            size, chunk = 0, b""
            while size < end:
                size = min(end, max(4096, size * 4))
                file.seek(end - size)
                chunk = file.read(size)
                if chunk.count(b"\n") > 2:
                    break
    except FileNotFoundError:
        return 0, GENESIS, True
    ended = chunk.endswith(b"\n") or not chunk
    for line in reversed([line for line in chunk.split(b"\n") if line]):
        record = _parse(line)
        if isinstance(record, dict) and isinstance(record.get("n"), int):
            return int(record["n"]), hashlib.sha256(line).hexdigest(), ended
    return 0, GENESIS, ended
