"""The world behind the demo's wire: tenants, CIPP's own tables, a clock, and the ledger of what really happened.

The ledger is the evidence of the whole test suite. It is written by the rules where state changes and
nowhere else, never from a request, and never for a write that left everything as it was. No HTTP may enter here.
"""

from __future__ import annotations

import copy
import pickle
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cipp_mcp.demo.tenant import Row, Table, Tenant

NAMES = ("deviceName", "serialNumber", "TelephoneNumber", "userPrincipalName", "displayName", "Product_Display_Name", "Name",
         "name", "AppName", "templateName", "title", "AlertComment", "id", "RowKey")  # fmt: skip
NAMESPACE = uuid.UUID("6f1d0f9e-52c0-4b3f-9a55-0d3a1c1bb0c5")


def stable_id(*parts: object) -> str:
    """The same words give the same id in every run, so that tests and screenshots agree."""
    return str(uuid.uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


@dataclass(frozen=True)
class Effect:
    """One change that really happened."""

    number: int
    at: datetime
    endpoint: str
    verb: str
    tenant: str
    target_type: str
    target_id: str
    target_name: str
    detail: str

    def __str__(self) -> str:
        what = f" ({self.detail})" if self.detail else ""
        target = f"{self.target_type} {self.target_name or self.target_id}"
        return f"{self.number}. {self.endpoint}: {self.verb} {target}{what} in {self.tenant}"


@dataclass
class State:
    """Everything that a request can change, in one object, so that it can be copied and thrown away."""

    tenants: list[Tenant] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)
    ledger: list[Effect] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)


def copied(state: State) -> State:
    """As deepcopy, and several times faster: a round trip through bytes."""
    again: State = pickle.loads(pickle.dumps(state, pickle.HIGHEST_PROTOCOL))
    return again


class World:
    """State and its rules. Every caller holds `lock` while it reads or changes more than one thing."""

    def __init__(self, state: State, start: datetime | None = None) -> None:
        self.lock = threading.RLock()
        self.state = state
        self._offset = timedelta(0) if start is None else start - datetime.now(UTC)
        # How many more scheduled tasks CIPP can store; None: any number. For an order that fails half way through its list.
        self.tasks_left: int | None = None
        # CIPP's reporting database: a copy of each tenant as it was when the night's run (or a cache sync) took it.
        self.nightly: dict[str, tuple[datetime, Tenant]] = {}
        self._acting = "world"
        self._rehearsing = False
        self._deferred: list[tuple[datetime, Callable[[], object]]] = []

    @classmethod
    def fresh(cls, start: datetime | None = None) -> World:
        """A new copy of the world that world.toml describes."""
        from cipp_mcp.demo.seed import seeded

        return seeded(cls(State(), start))

    # -- time -------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock; jobs that become due by it run, as the next request would have found them."""
        with self.lock:
            self._offset += timedelta(seconds=seconds)
            self.settle()

    def settle(self, ahead: float = 0) -> None:
        """Run what is due by now (or so many seconds ahead)."""
        from cipp_mcp.demo import schedule

        with self.lock:
            until = self.now() + timedelta(seconds=ahead)
            due = [act for at, act in self._deferred if at <= until]
            self._deferred = [(at, act) for at, act in self._deferred if at > until]
            for act in due:
                act()
            schedule.run_due(self, until)

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something when the clock has moved on by so much, under the name of whoever asked for it now."""
        if self._rehearsing:
            return
        name = self._acting

        def carried_out() -> None:
            with self.acting(name):
                act()

        self._deferred.append((self.now() + timedelta(seconds=seconds), carried_out))

    def forget_later(self) -> None:
        """Nothing that was to be done later is done."""
        with self.lock:
            self._deferred.clear()

    def run_due(self) -> None:
        """Run what is due and what was asked to run at once, without waiting for the clock."""
        from cipp_mcp.demo import schedule

        self.settle(ahead=schedule.SOON)

    # -- tenants ----------------------------------------------------------------------------------------

    @property
    def tenants(self) -> list[Tenant]:
        return self.state.tenants

    @property
    def partner(self) -> Tenant:
        return next(tenant for tenant in self.tenants if tenant.partner)

    def tenant(self, key: str) -> Tenant:
        """For tests and for reading: by domain, id or display name; KeyError where there is none."""
        for tenant in self.tenants:
            if tenant.answers_to(key) or tenant.display_name == key:
                return tenant
        raise KeyError(key)

    def known(self, allowed: frozenset[str] | None = None) -> list[Tenant]:
        """The tenants CIPP lists, in its order."""
        listed = [each for each in self.tenants if not each.excluded and (allowed is None or each.customer_id in allowed)]
        return sorted(listed, key=lambda each: each.display_name.lower())

    def reach(self, key: str | None, allowed: frozenset[str] | None = None) -> Tenant:
        """CIPP's tenant check: no name means the partner itself, an unknown or excluded one means nobody."""
        wanted = key or self.partner.customer_id
        for tenant in self.known(allowed):
            if tenant.answers_to(wanted):
                return tenant
        return Tenant("", wanted, "", "", ghost=True)

    def take_snapshot(self, tenant: Tenant, hours_ago: float = 0) -> None:
        """Renew a tenant's part of the reporting database."""
        self.nightly[tenant.customer_id] = (self.now() - timedelta(hours=hours_ago), copy.deepcopy(tenant))

    # -- what happened ----------------------------------------------------------------------------------

    @property
    def ledger(self) -> tuple[Effect, ...]:
        with self.lock:
            return tuple(self.state.ledger)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret that the world ever gave away: the canaries of a redaction test."""
        with self.lock:
            return tuple(self.state.secrets)

    def record(self, tenant: Tenant | None, verb: str, kind: str, row: Row, detail: str = "") -> None:
        """Write one effect. What was done to a ghost did not happen. No tenant means CIPP itself."""
        if tenant is not None and tenant.ghost:
            return
        name = next((str(row[key]) for key in NAMES if row.get(key)), "")
        self.state.ledger.append(
            Effect(
                number=len(self.state.ledger) + 1,
                at=self.now(),
                endpoint=self._acting,
                verb=verb,
                tenant="CIPP" if tenant is None else tenant.default_domain,
                target_type=kind,
                target_id=str(row.get("id") or row.get("RowKey") or ""),
                target_name=name,
                detail=detail,
            )
        )

    def change(self, tenant: Tenant | None, kind: str, row: Row, verb: str = "update", **changes: Any) -> bool:
        """Set properties; one effect if any of them was different before. Says whether anything changed."""
        moved = [key for key, value in changes.items() if row.get(key) != value]
        row.update(changes)
        if moved:
            self.record(tenant, verb, kind, row, ", ".join(key.lstrip("_") for key in moved))
        return bool(moved)

    @contextmanager
    def acting(self, endpoint: str) -> Iterator[None]:
        """Effects inside carry this name."""
        before, self._acting = self._acting, endpoint
        try:
            yield
        finally:
            self._acting = before

    def go_back(self, state: State) -> None:
        """Everything as it was in that copy; what was still to happen is forgotten."""
        with self.lock:
            self.state = copied(state)
            self._deferred.clear()
            self.tasks_left = None

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Let everything inside happen to a copy, and forget it: a success text with no effect behind it."""
        with self.lock:
            kept, self.state = self.state, copied(self.state)
            self._rehearsing = True
            try:
                yield
            finally:
                # What was said was said: its secrets stay canaries, and its ids are not given out twice.
                kept.secrets, kept.counters = self.state.secrets, self.state.counters
                self.state, self._rehearsing = kept, False

    # -- CIPP's own tables ------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        return self.state.tables.setdefault(name, {})

    def rows(self, name: str) -> list[Row]:
        return list(self.table(name).values())

    def count(self, kind: str) -> int:
        self.state.counters[kind] = self.state.counters.get(kind, 0) + 1
        return self.state.counters[kind]

    def new_id(self, kind: str) -> str:
        return stable_id("made", kind, self.count(kind))

    def secret(self, kind: str, shape: str = "password") -> str:
        """A new secret, remembered as a canary."""
        raw = uuid.uuid5(NAMESPACE, f"secret/{kind}/{self.count('secret')}").int
        if shape == "digits":
            made = "-".join(f"{(raw >> (20 * n)) % 1000000:06d}" for n in range(6)) + f"-{raw % 999983:06d}-{raw % 999979:06d}"
        else:
            alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
            made = "".join(alphabet[(raw >> (6 * n)) % len(alphabet)] for n in range(14)) + "#7"
        self.state.secrets.append(made)
        return made

    def log(self, api: str, message: str, tenant: str | None, severity: str, who: str) -> None:
        """A row of CIPP's log book. It is no effect: CIPP also logs what never happened."""
        now = self.now()
        found = next((each for each in self.tenants if tenant and each.answers_to(tenant)), None)
        row: Row = {
            "RowKey": self.new_id("log"), "PartitionKey": now.strftime("%Y%m%d"), "DateTime": stamp(now),
            "Tenant": tenant or "CIPP",
            "TenantID": "None" if found is None else found.customer_id, "API": api, "Message": message, "User": who,
            "Severity": severity, "AppId": who, "IP": "127.0.0.1", "LogData": None,
        }  # fmt: skip
        self.table("logs")[row["RowKey"]] = row


def stamp(moment: datetime) -> str:
    """A time as Graph and CIPP write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fine_stamp(moment: datetime) -> str:
    """As Intune writes it: two changes within one second are told apart."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
