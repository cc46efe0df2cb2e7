"""The Desk: everything a call needs from outside, handed in. And the Caller: who asks, and how a person can be asked.

The same walk runs in a unit test with a function for `send`, in the demo over loopback and in production over TLS.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.encode import WRITE_TIMEOUT
from cipp_mcp.call.guard.approve import Channel
from cipp_mcp.call.guard.handover import Handle
from cipp_mcp.call.guard.plan import Owner, Plan
from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.call.operations import OperationBook
from cipp_mcp.call.running import Running
from cipp_mcp.call.secrets import Found
from cipp_mcp.call.stored import Shelf
from cipp_mcp.call.targets import Send
from cipp_mcp.call.tenants import TenantBook
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog

if TYPE_CHECKING:
    from cipp_mcp.catalog.whole import Whole

log = logging.getLogger("cipp_mcp.call")

Record = Callable[[str, Mapping[str, Any]], Awaitable[None]]


@dataclass
class Session:
    """What this process has seen so far.

    Attributes:
        tainted: a result held text that tries to give orders; from then on approvals are one level stronger.
        left_unknown: intents of dead processes; shown with the first answer.
    """

    tainted: bool = False
    left_unknown: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Desk:
    """The collaborators of the walk, as plain callables and values.

    Attributes:
        send: one request to CIPP.
        record: one audit record, on disk when it returns. Raises AuditUnavailable.
        count: checks ceilings and the breaker for (case, by the flag, count it). Raises PolicyRefused.
        note_unknown: counts an unknown end; True when that stops remove and destroy.
        hand_over: keeps secrets for a person to open once; None when the operator wants them in the result.
        take_secret: opens a handle, once.
        open_page: shows a plan beside the client; False where no browser can be opened.
        clock: monotonic seconds. now: epoch seconds.
        wait: sleeps that many seconds, scaled by CIPP_MCP_WAIT_SCALE.
        answer_within: seconds until a call hands out a plan or a handle; None waits to the end.
        write_timeout: seconds for CIPP's answer to a write.
        bounds: the operator's bound for each request option.
        shelf: keeps the rows that did not fit into an answer.
        whole: all of CIPP's API, made at the first need; None where only the catalog's tools are called.
    """

    catalog: Catalog
    send: Send
    tenants: TenantBook
    policy: Policy
    plans: PlanStore
    record: Record
    operations: OperationBook
    running: Running
    count: Callable[[Case, bool, bool], None]
    note_unknown: Callable[[], bool]
    hand_over: Callable[[Found], Awaitable[Handle | None]]
    owner: Owner
    clock: Callable[[], float]
    now: Callable[[], float]
    wait: Callable[[float], Awaitable[None]]
    answer_within: float | None = 45.0
    write_timeout: float = WRITE_TIMEOUT
    take_secret: Callable[[str], tuple[str, ...] | None] = lambda _: None
    open_page: Callable[[Plan], Awaitable[bool]] | None = None
    session: Session = field(default_factory=Session)
    shelf: Shelf = field(default_factory=lambda: Shelf(time.monotonic))
    bounds: Mapping[str, float] = field(default_factory=lambda: {"timeout": 120.0, "batch_size": 4, "batch_interval": 0.0})
    whole: Callable[[], Whole] | None = None

    async def action(self, name: str) -> Action:
        """The action of that name. Raises UnknownAction."""
        if self.whole is None or self.catalog.has(name):
            return self.catalog.get(name)
        return await self.whole().find(name)


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
        principal: who has signed in to this server over HTTP; empty where it serves one client. Rows that are kept are theirs.
        ticket: a reference for every record.
    """

    channels: Sequence[Channel] = ()
    hold: bool = False
    progress: Callable[[str], Awaitable[None]] = _silent
    client: str = ""
    principal: str = ""
    ticket: str = ""

    async def tell(self, message: str) -> None:
        """Progress. A client that has gone is no reason to stop anything."""
        try:
            await self.progress(message)
        except Exception as error:
            log.debug("progress could not be told (%s)", type(error).__name__)
