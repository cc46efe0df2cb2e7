"""Settings -> a Desk: the rooms wired together, once, for whichever edge is used.

The only place that makes the real wire, the real clock and the real state folder. It imports httpx's room late, so
that listing tools and plans costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from cipp_mcp import __version__
from cipp_mcp.approval_page.site import ApprovalSite
from cipp_mcp.call.case import Case
from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard import pin
from cipp_mcp.call.guard.audit import AuditTrail
from cipp_mcp.call.guard.handover import Handle, SecretBook
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.guard.policy import read_policy
from cipp_mcp.call.guard.presence import Presence, close_orphans
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.call.guard.tally import Tally
from cipp_mcp.call.operations import OperationBook
from cipp_mcp.call.running import Running
from cipp_mcp.call.secrets import Found
from cipp_mcp.call.tenants import TenantBook
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.errors import AuditUnavailable
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.settings import Settings, os_login

if TYPE_CHECKING:
    from cipp_mcp.catalog.whole import Whole

log = logging.getLogger("cipp_mcp")


@cache
def vault_of(home: Path) -> Vault:
    """The one vault of a folder, so that its key is fetched once."""
    return Vault(home)


def owner_of(settings: Settings) -> Owner:
    """Who this process acts for."""
    return Owner(os_login(), settings.operator, settings.client_id)


def plans_of(settings: Settings, now: Callable[[], float] = time.time) -> PlanStore:
    """The plans of the state folder."""
    return PlanStore(vault_of(settings.home), now)


def tally_of(settings: Settings, now: Callable[[], float] = time.time) -> Tally:
    """The counts of the state folder."""
    return Tally(vault_of(settings.home), now, os_login())


def trail_of(settings: Settings, catalog: Catalog | None = None, instance: str = "") -> AuditTrail:
    """The audit trail of the state folder."""
    policy = read_policy(settings, catalog)
    common = {
        "os_user": os_login(),
        "operator": settings.operator,
        "cipp_client": settings.client_id,
        "version": __version__,
        "instance": instance,
        "policy": policy.digest,
    }
    return AuditTrail(vault_of(settings.home), time.time, common | ({"catalog": catalog.digest} if catalog else {}))


@asynccontextmanager
async def open_desk(
    settings: Settings,
    catalog: Catalog,
    *,
    answer_within: float | None,
    serves: bool = False,
    whole: bool = False,
    wire: Callable[[Settings], Any] | None = None,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Desk]:
    """The desk of one process; leaving it waits for writes that are under way.

    Args:
        whole: calls may name any operation of CIPP's API, not only the catalog's tools.
        serves: a server: its start and stop stand in the trail, and what dead processes left open is closed first.
        answer_within: seconds until a call hands out a plan or a handle; None waits to the end.
        wire: makes the wire of these settings; the real one by default.
        now: epoch seconds, for everything that expires or is counted.
    """
    with Presence(vault_of(settings.home)) as presence:
        trail = trail_of(settings, catalog, presence.instance)
        try:
            async with (
                _desk(settings, catalog, trail, presence, answer_within, serves, whole, _LateWire(settings, wire), now) as desk,
                anyio.create_task_group() as beside,
            ):
                if serves:
                    # Beside, not before: a client that starts must not wait for a disk.
                    beside.start_soon(anyio.to_thread.run_sync, _begin, desk, trail, presence)
                yield desk
        finally:
            # After the desk: writes that were under way have their outcome on disk by now.
            if serves:
                with anyio.CancelScope(shield=True), contextlib.suppress(AuditUnavailable):
                    await anyio.to_thread.run_sync(trail.append, "stop", {})


def _begin(desk: Desk, trail: AuditTrail, presence: Presence) -> None:
    """What a server writes and looks for at its start; a folder that cannot be written stops writes, not reads."""
    try:
        trail.append("start", {"tools": len(desk.catalog)})
        orphans = close_orphans(trail, presence)
    except AuditUnavailable as error:
        log.warning("%s", error)
        return
    desk.session.left_unknown = orphans
    for record in orphans:  # not the session's: the first answer takes those away at any moment
        names = ", ".join(str(t.get("name") or t.get("id")) for t in record.get("targets") or [])
        log.warning("unknown end: %s on %s (%s): check it", record.get("action"), names, record.get("operation"))


@asynccontextmanager
async def _desk(
    settings: Settings,
    catalog: Catalog,
    trail: AuditTrail,
    presence: Presence,
    answer_within: float | None,
    serves: bool,
    whole: bool,
    wire: _LateWire,
    now: Callable[[], float],
) -> AsyncIterator[Desk]:
    policy = read_policy(settings, catalog)
    tally = tally_of(settings, now)
    book = SecretBook(now)

    def count(case: Case, flag: bool, really: bool) -> None:
        tally.admit(case, policy.rules.ceilings, flag=flag, count=really)

    def take(handle: str) -> tuple[str, ...] | None:
        values = book.take(handle)
        if values is not None:
            trail.append("reveal", {"handle": handle})
        return values

    async def record(kind: str, facts: Mapping[str, Any]) -> None:
        await anyio.to_thread.run_sync(trail.append, kind, facts)

    async def wait(seconds: float) -> None:
        await anyio.sleep(seconds * settings.wait_scale)

    plans = plans_of(settings, now)

    def shown(handle: str) -> str | None:
        return "\n".join(take(handle) or ()) or None

    page = ApprovalSite(plans, owner_of(settings), record, pin=pin.check_of(settings.home), take_secret=shown)

    async def hand_over(found: Found) -> Handle | None:
        if policy.rules.dangerously_inline_secrets:
            return None
        handle = book.keep(found.values)
        if serves:
            await _offer(page, handle, settings.home)
        return handle

    try:
        async with anyio.create_task_group() as tasks, page:
            desk = Desk(
                catalog=catalog,
                send=wire.send,
                tenants=TenantBook(wire.send, time.monotonic),
                policy=policy,
                plans=plans,
                record=record,
                operations=OperationBook(vault_of(settings.home), now, owner_of(settings), presence.instance, presence.is_dead),
                running=Running(tasks, wait),
                count=count,
                note_unknown=tally.note_unknown,
                hand_over=hand_over,
                take_secret=take,
                open_page=page.open_for if serves else None,
                owner=owner_of(settings),
                clock=time.monotonic,
                now=now,
                wait=wait,
                answer_within=answer_within,
                bounds={
                    "timeout": settings.timeout,
                    "batch_size": settings.batch_size,
                    "batch_interval": settings.batch_interval,
                },
                whole=cache(partial(_whole, settings, catalog, wire)) if whole else None,
            )
            try:
                yield desk
            finally:
                desk.running.stop()
                desk.shelf.close()
    finally:
        with anyio.CancelScope(shield=True):
            await wire.close()


def _whole(settings: Settings, catalog: Catalog, wire: _LateWire) -> Whole:
    from cipp_mcp import document
    from cipp_mcp.catalog.whole import Whole

    return Whole(catalog, partial(document.api_of, settings, catalog, wire.send))


async def _offer(page: ApprovalSite, handle: Handle, home: Path) -> None:
    """Show the secret's page beside the client, and leave the way there for `cipp-mcp reveal`, in a file of its owner."""
    try:
        await page.open_secret(handle.id)
        where = {"address": await page.address_of(handle.id), "expires": handle.expires}
        vault_of(home).replace(f"reveal/{handle.id}.json", json.dumps(where).encode())
    except (OSError, RuntimeError, AuditUnavailable) as error:
        log.warning("the secret's page cannot be offered (%s)", type(error).__name__)


class _LateWire:
    """The wire, made at the first request."""

    def __init__(self, settings: Settings, make: Callable[[Settings], Any] | None) -> None:
        self._settings = settings
        self._make = make
        self._wire: Any = None

    async def send(self, request: Request) -> Response:
        if self._wire is None:
            self._wire = await (self._make or _shared_wire)(self._settings).__aenter__()
        if request.repeat is Repeat.FREELY and request.timeout > self._settings.timeout:
            request = replace(request, timeout=self._settings.timeout)  # our own reads keep to the operator's bound too
        response: Response = await self._wire.send(request)
        return response

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.__aexit__(None, None, None)


def _shared_wire(settings: Settings) -> Any:
    """The real wire, which keeps to CIPP's limits together with the other processes of this folder."""
    from cipp_mcp.wire.client import Wire

    try:
        shared = vault_of(settings.home).ready("run")
    except AuditUnavailable:  # reads are served all the same
        shared = None
    return Wire(settings, shared=shared)
