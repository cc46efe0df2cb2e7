"""Settings -> a Desk: the rooms wired together, once, for whichever edge is used.

The only place that makes the real wire, the real clock and the real state folder. It imports httpx's room late, so
that listing tools and plans costs nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from cipp_mcp import __version__
from cipp_mcp.call.desk import Desk
from cipp_mcp.call.guard.audit import AuditTrail
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.call.operations import Operations
from cipp_mcp.call.tenants import TenantBook
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.message import Request, Response
from cipp_mcp.settings import Settings, os_login


def owner_of(settings: Settings) -> Owner:
    """Who this process acts for."""
    return Owner(os_login(), settings.operator, settings.client_id)


def policy_of(settings: Settings) -> Policy:
    """The rules in force."""
    return Policy(read_only=settings.read_only, approval=settings.approval)


def plans_of(settings: Settings) -> PlanStore:
    """The plans of the state folder."""
    return PlanStore(Vault(settings.home), time.time)


def trail_of(settings: Settings, catalog: Catalog | None = None) -> AuditTrail:
    """The audit trail of the state folder."""
    policy = policy_of(settings)
    common = {
        "os_user": os_login(),
        "operator": settings.operator,
        "cipp_client": settings.client_id,
        "version": __version__,
        "pid": os.getpid(),
        "policy": policy.digest,
    }
    return AuditTrail(Vault(settings.home), time.time, common | ({"catalog": catalog.digest} if catalog else {}))


@asynccontextmanager
async def open_desk(settings: Settings, catalog: Catalog, *, answer_within: float | None) -> AsyncIterator[Desk]:
    """The desk of one process; leaving it waits for writes that are under way.

    Args:
        answer_within: seconds until a call hands out a plan or a handle; None waits to the end.
    """
    trail = trail_of(settings, catalog)
    wire = _LateWire(settings)

    async def record(kind: str, facts: Mapping[str, Any]) -> None:
        await anyio.to_thread.run_sync(trail.append, kind, facts)

    async def wait(seconds: float) -> None:
        await anyio.sleep(seconds * settings.wait_scale)

    try:
        async with anyio.create_task_group() as tasks:
            yield Desk(
                catalog=catalog,
                send=wire.send,
                tenants=TenantBook(wire.send, time.monotonic),
                policy=policy_of(settings),
                plans=plans_of(settings),
                record=record,
                operations=Operations(tasks),
                owner=owner_of(settings),
                clock=time.monotonic,
                now=time.time,
                wait=wait,
                answer_within=answer_within,
                bounds={
                    "timeout": settings.timeout,
                    "batch_size": settings.batch_size,
                    "batch_interval": settings.batch_interval,
                },
            )
    finally:
        with anyio.CancelScope(shield=True):
            await wire.close()


class _LateWire:
    """The wire, made at the first request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wire: Any = None

    async def send(self, request: Request) -> Response:
        if self._wire is None:
            from cipp_mcp.wire.client import Wire

            self._wire = await Wire(self._settings).__aenter__()
        response: Response = await self._wire.send(request)
        return response

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.__aexit__(None, None, None)
