"""One read: sent, shaped, and, where CIPP first has to build the list, waited for by its queue and never queued again.

An AllTenants list may take CIPP minutes. Some of its endpoints start building anew whenever they are asked, so while a
list is being built only CIPP's queue is asked. A read that goes on is kept without a row of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from cipp_mcp.call import listing, results
from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.encode import encode
from cipp_mcp.call.operations import Operation, key_of
from cipp_mcp.call.records import about, note_refusal
from cipp_mcp.call.resolve import case_of, read_case, resolve_tenants
from cipp_mcp.call.text import gives_orders
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import AuditUnavailable, CippMcpError, Refused, WireError
from cipp_mcp.message import Outcome, Repeat, Request, Word

LOADING_FOR = 3 * 3600.0
"""How long CIPP shows a queue whose id nobody knows."""

ASK_AGAIN_AFTER = 60.0
"""Seconds before a list is asked for again whose queue cannot be told from others."""


@dataclass(frozen=True)
class Reading:
    """One read of one caller.

    Attributes:
        patience: seconds for CIPP's answer.
    """

    desk: Desk
    operation: str
    action: Action
    arguments: Mapping[str, Any]
    patience: float
    caller: Caller

    async def run(self) -> Outcome:
        """The outcome, whatever happens."""
        desk, effect = self.desk, self.action.effect_of(self.arguments)
        try:
            tenants = await resolve_tenants(desk, self.action, self.arguments)
            case = await read_case(desk, self.action, self.arguments, tenants)
            desk.policy.admit(case)
            if case.effect is Effect.READ:
                return await rows_of(desk, case, self.operation, self.patience)
            return await self._probed(case)
        except CippMcpError as error:
            if isinstance(error, Refused) and effect is not Effect.READ:
                await note_refusal(desk, self.action.name, error, self.caller)
            return results.from_error(error, effect)

    async def _probed(self, case: Case) -> Outcome:
        """A read that an argument raises to a probe is counted and stands in the trail."""
        desk, facts = self.desk, about(case, None, self.caller) | {"operation": self.operation}
        await anyio.to_thread.run_sync(desk.count, case, False, True)
        await desk.record("intent", facts)
        with anyio.CancelScope(shield=True):
            try:
                request = encode(
                    case.action,
                    case.arguments,
                    case.tenants,
                    case.objects,
                    timeout=self.patience,
                    write_timeout=desk.write_timeout,
                )
                outcome = listing.read_outcome(case, read_answer(await desk.send(request)), desk.now())
            except CippMcpError as error:
                outcome = results.from_error(error, case.effect)
            await desk.record("outcome", facts | {"outcome": outcome.word.value})
        return _warned(desk, outcome)


async def read_again(desk: Desk, kept: Operation) -> Outcome:
    """A read whose list was still being built: the rows when they are there, else how far CIPP is."""
    try:
        return await rows_of(desk, await case_of(desk, kept), kept.id, desk.bounds["timeout"], kept)
    except CippMcpError as error:
        return results.from_error(error, Effect.READ)


async def rows_of(desk: Desk, case: Case, operation: str, patience: float, waiting: Operation | None = None) -> Outcome:
    """Ask for the list, unless CIPP is known to be building it.

    Args:
        waiting: the read that started the building, where it is known.
    """
    waiting = waiting or await anyio.to_thread.run_sync(_waiting, desk, case)
    if waiting is not None and waiting.word == Word.ACCEPTED.value:
        progress = await _progress(desk, case.action, waiting)
        if progress is not None:
            return listing.not_loaded(case, waiting.id, waiting.queue, progress)
    answer = read_answer(await desk.send(encode(case.action, case.arguments, case.tenants, case.objects, timeout=patience)))
    if answer.queue_message and not answer.problem and answer.status < 400:
        try:
            begin = desk.operations.begin_read
            kept = await anyio.to_thread.run_sync(begin, waiting.id if waiting else operation, case, answer.queue_id)
        except AuditUnavailable:  # without a folder there is no handle, and a list is no reason to fail
            return listing.not_loaded(case, "", answer.queue_id, "")
        return listing.not_loaded(case, kept.id, answer.queue_id, "")
    everyone = await desk.tenants.all() if case.everywhere else ()
    outcome = listing.read_outcome(case, answer, desk.now(), everyone, desk.tenants.gone if case.everywhere else {})
    if waiting is not None:
        await anyio.to_thread.run_sync(desk.operations.end, waiting, Outcome(outcome.word, ""))
    return _warned(desk, outcome)


def _waiting(desk: Desk, case: Case) -> Operation | None:
    """An earlier read of exactly this whose list CIPP was still building."""
    kept = desk.operations.latest(key_of(case), LOADING_FOR)
    return kept if kept is not None and kept.word == Word.ACCEPTED.value else None


async def _progress(desk: Desk, action: Action, waiting: Operation) -> str | None:
    """How far CIPP's queue is, in words (empty when nobody can tell); None when it has ended."""
    if not waiting.queue and not action.queue:
        return None if desk.now() - waiting.ended >= ASK_AGAIN_AFTER else ""
    query = {"QueueId": waiting.queue} if waiting.queue else {}
    try:
        answer = read_answer(await desk.send(Request("GET", "/api/ListCippQueue", query, repeat=Repeat.FREELY)))
    except WireError:
        return ""
    if answer.problem or answer.status >= 400:
        return ""
    column, wanted = ("RowKey", waiting.queue) if waiting.queue else ("Name", action.queue)
    own = next((row for row in answer.rows() if row.get(column) == wanted), None)
    if own is None or str(own.get("Status") or "").startswith(("Completed", "Failed")):
        return None
    done, of = own.get("CompletedTasks"), own.get("TotalTasks")
    return f"{done} of {of} parts are there" if isinstance(done, int) and isinstance(of, int) else ""


def _warned(desk: Desk, outcome: Outcome) -> Outcome:
    if not gives_orders(outcome.facts.get("items")):
        return outcome
    desk.session.tainted = True
    return results.with_warning(outcome)
