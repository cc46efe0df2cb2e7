"""Writes and what became of them: on disk, so that a handle outlives the call, the client and the process.

What is kept is what a later look needs: who was meant, how they were before, what was said. No secret may enter, and no
row of a list: a read is kept only as far as it can be made again.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.guard.seal import Vault, digest
from cipp_mcp.call.targets import Target
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import AuditUnavailable
from cipp_mcp.message import Outcome, Word

OPERATION_ID = re.compile(r"op_[0-9a-f]{16}")
LOCKED_FOR = 15 * 60.0
SAME_CALL_WITHIN = 10 * 60.0
KEPT_FOR = 8 * 24 * 3600.0
OPEN_WORDS = frozenset({Word.PENDING.value, Word.ACCEPTED.value, Word.UNKNOWN.value})
NOT_KEPT = frozenset({"secret", "items", "next", "left_out"})
LOCK_SECONDS = 10.0
SETTLED_AFTER = 2.0


def new_operation_id() -> str:
    """The handle of one write: stands in the trail, in the answer and, where CIPP keeps a mark, in CIPP."""
    return f"op_{secrets.token_hex(8)}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One write as it is kept.

    Attributes:
        key: digest of action, arguments, tenant and targets: the same call again has the same key.
        began, ended: epoch seconds; ended is 0 while it runs.
        word: the outcome word so far; `pending` while it runs.
        targets: the objects with their state before the call, for a later read-back.
        others: further objects that the call named.
        before: rows that existed before, for checks that want a fresh one.
        envelope: the answer, once there is one.
        instance: the process that sent it.
        job: CIPP's own id of the work that it put off.
        queue: of a read: CIPP's id of the list that it is still building.
    """

    id: str
    key: str
    action: str
    effect: str
    arguments: Mapping[str, Any]
    tenant: str
    targets: tuple[Mapping[str, Any], ...]
    owner: Owner
    instance: str
    began: float
    ended: float = 0.0
    word: str = Word.PENDING.value
    before: Mapping[str, list[str]] = field(default_factory=dict)
    envelope: Mapping[str, Any] = field(default_factory=dict)
    job: str = ""
    queue: str = ""
    others: tuple[Mapping[str, Any], ...] = ()

    def resolved(self) -> tuple[Target, ...]:
        """The targets as they were."""
        return tuple(Target(**t) for t in self.targets)

    def resolved_others(self) -> tuple[Target, ...]:
        """Whom else the call named, as they were."""
        return tuple(Target(**t) for t in self.others)

    @property
    def named(self) -> str:
        names = [str(t.get("name") or t.get("id")) for t in self.targets]
        return ", ".join(names[:3]) or self.tenant or "this CIPP"


def _kept(target: Target) -> Mapping[str, Any]:
    return {k: v for k, v in asdict(target).items() if k != "row"}


def key_of(case: Case) -> str:
    """The same for the same call, however its tenant and targets were written."""
    written = {f.name for f in case.action.fields if f.kind}
    plain = {k: v for k, v in case.arguments.items() if k not in written}
    tenants = sorted(t.customer_id for t in case.tenants.values())
    return digest([case.action.name, plain, tenants, [t.id for t in case.targets], [t.id for t in case.others]])


class OperationBook:
    """The operations of one state folder.

    Args:
        vault: the private folder.
        now: epoch seconds.
        instance: this process.
    """

    def __init__(
        self,
        vault: Vault,
        now: Callable[[], float],
        owner: Owner,
        instance: str,
        is_dead: Callable[[Any], bool] = lambda instance: True,
    ) -> None:
        self._vault = vault
        self._now = now
        self._owner = owner
        self._instance = instance
        self._is_dead = is_dead
        self._seen: dict[str, tuple[tuple[int, int, int], Operation | None]] = {}
        self._quiet: int | None = None

    def begin(self, operation: str, key: str, case: Case, before: Mapping[str, frozenset[str]], known: str) -> Operation:
        """Keep a write that is about to go out; or return the same call of somebody else that came first.

        Args:
            key: from `key_of`.
            known: the latest operation of this key that the caller has taken into account.

        Raises:
            AuditUnavailable: it cannot be kept.
        """
        with _locked(self._vault):
            same = self.latest(key)
            if same is not None and same.id != known:
                return same
            kept = self._made(operation, key, case, before)
            self._write(kept)
        return kept

    def begin_read(self, operation: str, case: Case, queue: str) -> Operation:
        """Keep a read whose list CIPP is still building.

        Raises:
            AuditUnavailable: it cannot be kept.
        """
        kept = replace(self._made(operation, key_of(case), case, {}), word=Word.ACCEPTED.value, ended=self._now(), queue=queue)
        self._write(kept)
        return kept

    def end(self, kept: Operation, outcome: Outcome, *, job: str = "") -> Operation:
        """Keep what became of it."""
        envelope = {k: v for k, v in outcome.envelope().items() if k not in NOT_KEPT}
        ended = replace(kept, ended=self._now(), word=outcome.word.value, envelope=envelope, job=job or kept.job)
        self._write(ended)
        return ended

    def drop(self, kept: Operation) -> None:
        """Forget one that did not go out, or a read that has its answer."""
        with contextlib.suppress(OSError):
            (self._vault.folder / f"operations/{kept.id}.json").unlink()

    def is_left(self, kept: Operation) -> bool:
        """Whether nobody is going to end it: its process is gone, or it is this one, which does not run it any more."""
        return not kept.ended and (kept.instance == self._instance or self._is_dead(kept.instance))

    def _made(self, operation: str, key: str, case: Case, before: Mapping[str, frozenset[str]]) -> Operation:
        return Operation(
            id=operation,
            key=key,
            action=case.action.name,
            effect=str(case.effect),
            arguments=case.kept_arguments(),
            tenant=case.tenant.default_domain if case.tenant else "",
            targets=tuple(_kept(t) for t in case.targets),
            others=tuple(_kept(t) for t in case.others),
            owner=self._owner,
            instance=self._instance,
            began=self._now(),
            before={k: sorted(v) for k, v in before.items()},
        )

    def get(self, operation: Any) -> Operation | None:
        """An operation of this owner, or None."""
        if not isinstance(operation, str) or not OPERATION_ID.fullmatch(operation):
            return None
        found = self._load(operation)
        return found if found is not None and found.owner == self._owner else None

    def latest(self, key: str, within: float = SAME_CALL_WITHIN) -> Operation | None:
        """The latest operation of exactly this call within ten minutes."""
        return next((o for o in self._recent(within) if o.key == key), None)

    def waiting(self, key: str, within: float) -> Operation | None:
        """An earlier read of exactly this call whose list CIPP was still building."""
        version = self._version()
        recent = self._recent(within)
        reads = [o for o in recent if o.word == Word.ACCEPTED.value and o.effect == Effect.READ]
        # Two changes in one tick of the file system's clock leave one time: what has just changed is looked at again.
        settled = time.time() - version / 1e9 > SETTLED_AFTER
        self._quiet = version if settled and not reads else None
        latest = next((o for o in recent if o.key == key), None)
        return latest if latest in reads else None

    def no_read_waits(self) -> bool:
        """Whether no read waits for its list, as far as one look at the folder tells: every read asks this first."""
        return self._quiet is not None and self._quiet == self._version()

    def _version(self) -> int:
        """Changes with every file that comes, goes or is replaced; 0 while there is no folder."""
        try:
            return (self._vault.folder / "operations").stat().st_mtime_ns
        except OSError:
            return 0

    def lock_on(self, case: Case) -> Operation | None:
        """An operation of this action on one of these targets whose end is unknown, within fifteen minutes."""
        ids = {t.id for t in case.targets}
        tenant = case.tenant.default_domain if case.tenant else ""
        for known in self._recent(LOCKED_FOR):
            unknown = known.word == Word.UNKNOWN.value or (known.word == Word.PENDING.value and self.is_left(known))
            if unknown and known.action == case.action.name and known.tenant == tenant:
                theirs = {str(t.get("id")) for t in known.targets}
                if ids & theirs or (not ids and not theirs):
                    return known
        return None

    def all(self) -> list[Operation]:
        """This owner's operations, latest first."""
        return self._recent(KEPT_FOR)

    def _recent(self, within: float) -> list[Operation]:
        folder = self._vault.folder / "operations"
        found, young = [], set()
        for file in folder.glob("op_*.json") if folder.is_dir() else []:
            try:
                stat = file.stat()
            except OSError:
                continue
            age = self._now() - stat.st_mtime
            if age < LOCKED_FOR:
                young.add(file.stem)
            if age > KEPT_FOR:
                with contextlib.suppress(OSError):  # Windows keeps what another process has open; it goes the next time
                    file.unlink()
            elif age < within + 1:
                kept = self._known(file.stem, (stat.st_mtime_ns, stat.st_ino, stat.st_size))
                if kept is not None and self._now() - kept.began < within:
                    found.append(kept)
        for old in set(self._seen) - young:
            self._seen.pop(old, None)
        return sorted(found, key=lambda o: o.began, reverse=True)

    def _known(self, operation: str, version: tuple[int, int, int]) -> Operation | None:
        """As `get`, without reading the same file again while it has not changed."""
        known = self._seen.get(operation)
        if known is None or known[0] != version:
            known = self._seen[operation] = (version, self.get(operation))
        return known[1]

    def _write(self, kept: Operation) -> None:
        record = json.loads(json.dumps(asdict(kept), default=str))
        content = json.dumps({"operation": record, "mac": self._vault.seal("operation", record)}).encode()
        self._vault.replace(f"operations/{kept.id}.json", content)

    def _load(self, operation: str) -> Operation | None:
        raw = self._vault.read(f"operations/{operation}.json")
        try:
            parsed = json.loads(raw) if raw else {}
            record = parsed["operation"]
            if not self._vault.sealed("operation", record, parsed.get("mac")):
                return None
            known = dict(record) | {"owner": Owner(**record["owner"]), "targets": tuple(record["targets"])}
            known |= {"others": tuple(record.get("others", ()))}
            # A version that kept more or less than this one must not take the handle, and the lock, with it.
            return Operation(**{k: v for k, v in known.items() if k in Operation.__dataclass_fields__})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


@contextlib.contextmanager
def _locked(vault: Vault) -> Iterator[None]:
    """One at a time, among all processes of the folder."""
    from filelock import FileLock, Timeout

    try:
        lock = FileLock(vault.ready("operations") / ".lock", timeout=LOCK_SECONDS, mode=0o600)
        lock.acquire()
    except (OSError, Timeout):
        raise AuditUnavailable("The operations of this folder are locked or cannot be written.") from None
    try:
        yield
    finally:
        lock.release()
