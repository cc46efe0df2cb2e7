"""The Desk: everything a call needs from outside, handed in. And the Caller: who asks, and how a person can be asked.

The same walk runs in a unit test with a function for `send`, in the demo over loopback and in production over TLS.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.call.guard.approve import Channel
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.call.operations import Operations
from cipp_mcp.call.targets import Send
from cipp_mcp.call.tenants import TenantBook
from cipp_mcp.catalog.manifests import Catalog

Record = Callable[[str, Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Desk:
    """The collaborators of the walk, as plain callables and values.

    Attributes:
        send: one request to CIPP.
        record: one audit record, on disk when it returns. Raises AuditUnavailable.
        clock: monotonic seconds. now: epoch seconds.
        wait: sleeps that many seconds, scaled by CIPP_MCP_WAIT_SCALE.
        answer_within: seconds until a call hands out a plan or a handle; None waits to the end.
        bounds: the operator's bound for each request option.
    """

    catalog: Catalog
    send: Send
    tenants: TenantBook
    policy: Policy
    plans: PlanStore
    record: Record
    operations: Operations
    owner: Owner
    clock: Callable[[], float]
    now: Callable[[], float]
    wait: Callable[[float], Awaitable[None]]
    answer_within: float | None = 45.0
    bounds: Mapping[str, float] = field(default_factory=lambda: {"timeout": 120.0, "batch_size": 4, "batch_interval": 0.0})


async def _silent(_: str) -> None:
    return None


@dataclass(frozen=True)
class Caller:
    """One caller's side of one call.

    Attributes:
        channels: ways to ask a person through this client, best first; empty when there is none.
        hold: make the plan and leave it for a person, ask nobody now.
        progress: tells the client what is being waited for.
        client: the MCP client's (or terminal's) name and version, for the trail.
        ticket: a reference for every record.
    """

    channels: Sequence[Channel] = ()
    hold: bool = False
    progress: Callable[[str], Awaitable[None]] = _silent
    client: str = ""
    ticket: str = ""
