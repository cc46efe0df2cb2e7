"""The approval page of one process: listening on 127.0.0.1 and showing a person where.

Cheap to import and to enter, because every start of the server pays for it and few need it: the rooms behind the
door are loaded at the first opening. What is answered there may not enter.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import anyio
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from cipp_mcp.approval_page import browser
from cipp_mcp.call.desk import Record
from cipp_mcp.call.guard.plan import APPLY_WITHIN, Owner, Plan
from cipp_mcp.call.guard.store import PlanStore

if TYPE_CHECKING:
    from cipp_mcp.approval_page.reception import Reception

OPEN_WITHIN = 15.0
READ_WITHIN = 10.0
SECRET_WITHIN = 10 * 60.0
SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class ApprovalSite:
    """The page of one process. Enter it; it listens from the first opening on.

    Args:
        record: one audit record, on disk when it returns.
        opener: shows an address to the person; False when it cannot. Runs in a thread.
        pin: whether that is the operator's PIN; None asks for none.
        take_secret: the secret of that id, once.
        now: epoch seconds.
        read_within: seconds until a request must be complete.
    """

    def __init__(
        self,
        store: PlanStore,
        owner: Owner,
        record: Record,
        *,
        opener: Callable[[str], bool] = browser.open_address,
        pin: Callable[[str], bool] | None = None,
        take_secret: Callable[[str], str | None] | None = None,
        now: Callable[[], float] = time.time,
        read_within: float = READ_WITHIN,
    ) -> None:
        self._behind = (store, owner, record, now, pin, take_secret)
        self._opener = opener
        self._now = now
        self._read_within = read_within
        self._opening = anyio.Lock()
        self._reception: Reception | None = None
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(*error)

    @property
    def port(self) -> int | None:
        """Where it listens, which is no secret; None before the first opening."""
        return self._reception.port if self._reception else None

    async def open_for(self, plan: Plan) -> bool:
        """Show the page to the person with this plan on top. False: no browser here; name `cipp-mcp approve`.

        A plan that has a page already gets no second one.
        """
        return await self._open(plan=plan.id, until=plan.expires + APPLY_WITHIN)

    async def open_secret(self, secret_id: str) -> bool:
        """Show the page with the button behind which that secret is."""
        if not SECRET_ID.fullmatch(secret_id):
            return False
        return await self._open(secret=secret_id, until=self._now() + SECRET_WITHIN)

    async def address_of(self, secret_id: str) -> str:
        """An address of that secret's page for one terminal, which keeps it to itself (`cipp-mcp reveal`).

        Raises:
            OSError: nothing can listen here.
        """
        async with self._opening:
            reception = self._reception or await self._listen()
            opening = reception.openings.add(plan="", secret=secret_id, until=self._now() + SECRET_WITHIN)
        return f"http://127.0.0.1:{reception.port}/{opening.nonce}/secret/{secret_id}"

    async def _open(self, *, plan: str = "", secret: str = "", until: float) -> bool:
        async with self._opening:
            try:
                reception = self._reception or await self._listen()
            except OSError:
                return False
            if reception.openings.of(plan=plan, secret=secret) is not None:
                return True
            opening = reception.openings.add(plan=plan, secret=secret, until=until)
            address = f"http://127.0.0.1:{reception.port}/{opening.nonce}/" + (f"secret/{secret}" if secret else "")
            opened = False
            try:
                with anyio.move_on_after(OPEN_WITHIN):
                    opened = await run_sync(self._opener, address, abandon_on_cancel=True)
            finally:
                if not opened:
                    reception.openings.drop(opening)
            return opened

    async def _listen(self) -> Reception:
        from cipp_mcp.approval_page.answers import refusal
        from cipp_mcp.approval_page.listener import Listener
        from cipp_mcp.approval_page.reception import Reception

        reception = Reception(*self._behind)
        listener = Listener(reception.answer, refusal, read_within=self._read_within)
        reception.port = await listener.start(self._tasks)
        self._reception = reception
        return reception
