"""One read: sent, shaped, and, where CIPP first has to build the list, waited for by its queue and never queued again.

An AllTenants list may take CIPP minutes. Some of its endpoints start building anew whenever they are asked, so while a
list is being built only CIPP's queue is asked. A read that goes on is kept without a row of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import anyio
import anyio.from_thread

from cipp_mcp.call import listing, results
from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import Answer, Tone, read_answer
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.encode import encode
from cipp_mcp.call.listing import Asked
from cipp_mcp.call.operations import Operation, key_of
from cipp_mcp.call.records import about, note_refusal
from cipp_mcp.call.resolve import case_of, listing_tool, read_case, resolve_tenants
from cipp_mcp.call.rows import Wanted
from cipp_mcp.call.stored import Sheet
from cipp_mcp.call.text import gives_orders
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import AuditUnavailable, CippMcpError, Refused, WireError
from cipp_mcp.message import Outcome, Repeat, Request, Response, Word

T = TypeVar("T")

LOADING_FOR = 3 * 3600.0
"""How long CIPP shows a queue whose id nobody knows."""

ASK_AGAIN_AFTER = 60.0
"""Seconds before a list is asked for again whose queue cannot be told from others."""


@dataclass(frozen=True)
class Reading:
    """One read of one caller.

    Attributes:
        patience: seconds for CIPP's answer.
        wanted: rows and columns of it.
    """

    desk: Desk
    operation: str
    action: Action
    arguments: Mapping[str, Any]
    patience: float
    caller: Caller
    wanted: Wanted = field(default_factory=Wanted)

    async def run(self) -> Outcome:
        """The outcome, whatever happens."""
        desk, effect = self.desk, self.action.effect_of(self.arguments)
        try:
            self.wanted.check(self.action)
            tenants = await resolve_tenants(desk, self.action, self.arguments)
            case = await read_case(desk, self.action, self.arguments, tenants)
            desk.policy.admit(case)
            if case.effect is Effect.READ:
                return await rows_of(desk, case, self.operation, self.patience, self.caller, self.wanted)
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
                shorter = self.patience < desk.bounds["timeout"]
                patience = self.patience if shorter else desk.write_timeout
                request = encode(case.action, case.arguments, case.tenants, case.objects, write_timeout=patience)
                answer = read_answer(await desk.send(request))
                outcome = listing.read_outcome(case, answer, Asked(desk.now(), wanted=self.wanted))
                if outcome.word is Word.FAILED and answer.reached and all(line.tone is not Tone.BAD for line in answer.lines):
                    says = f"{outcome.message} It may have been started all the same."
                    outcome = replace(outcome, word=Word.UNKNOWN, message=says)
            except CippMcpError as error:
                outcome = results.from_error(error, case.effect)
            await desk.record("outcome", facts | {"outcome": outcome.word.value})
        return warned(desk, results.with_notice(outcome, *case.remarks))


async def read_again(desk: Desk, kept: Operation, caller: Caller, wanted: Wanted) -> Outcome:
    """A read whose list was still being built: the rows when they are there, else how far CIPP is."""
    try:
        case = await case_of(desk, kept)
        wanted.check(case.action)
        return await rows_of(desk, case, kept.id, desk.bounds["timeout"], caller, wanted, kept)
    except CippMcpError as error:
        return results.from_error(error, Effect.READ)


async def rows_of(
    desk: Desk, case: Case, operation: str, patience: float, caller: Caller, wanted: Wanted, waiting: Operation | None = None
) -> Outcome:
    """Ask for the list, unless CIPP is known to be building it.

    Args:
        waiting: the read that started the building, where it is known.
    """
    if waiting is None and not desk.operations.no_read_waits():
        waiting = await anyio.to_thread.run_sync(desk.operations.waiting, key_of(case), LOADING_FOR)
    if waiting is not None and waiting.word == Word.ACCEPTED.value:
        progress = await _progress(desk, case.action, waiting)
        if progress is not None:
            return listing.not_loaded(case, waiting.id, waiting.queue, progress)
    request = encode(case.action, case.arguments, case.tenants, case.objects, timeout=patience)
    response = await desk.send(replace(request, long=True))
    try:
        answer = await _beside(response, read_answer, response, case.action.rows, _beat(response))
        if answer.queue_message and not answer.problem and answer.status < 400:
            return await _queued(desk, case, waiting.id if waiting else operation, answer.queue_id)
        everyone = await desk.tenants.all() if case.everywhere else ()
        outcome = await shaped(desk, case, response, answer, Asked(desk.now(), everyone, wanted=wanted), caller.principal)
        outcome = _with_list(desk, case, outcome)
    finally:
        if response.file is not None:
            response.file.close()
    if waiting is not None:
        await anyio.to_thread.run_sync(desk.operations.end, waiting, Outcome(outcome.word, ""))
    return warned(desk, results.with_notice(outcome, *case.remarks))


def _with_list(desk: Desk, case: Case, outcome: Outcome) -> Outcome:
    """A failure to read what was named, with the tool that lists what there is; CIPP says the same 500 of every cause."""
    named = [f.kind for f in case.action.fields if f.kind and f.kind != "tenant" and f.name in case.arguments]
    tool = next((t for kind in named if (t := listing_tool(desk, desk.catalog.kinds[kind]))), "")
    if not tool or "details" not in outcome.facts or outcome.facts.get("next_step") != listing.AGAIN:
        return outcome
    step = results.next_step(f"Look at details; if there is no such object, {tool} lists them with their ids.")
    return replace(outcome, facts={**outcome.facts, **step})


async def _queued(desk: Desk, case: Case, operation: str, queue: str) -> Outcome:
    try:
        kept = await anyio.to_thread.run_sync(desk.operations.begin_read, operation, case, queue)
    except AuditUnavailable:  # without a folder there is no handle, and a list is no reason to fail
        return listing.not_loaded(case, "", queue, "")
    return listing.not_loaded(case, kept.id, queue, "")


async def shaped(desk: Desk, case: Case, response: Response, answer: Answer, asked: Asked, owner: str) -> Outcome:
    """The outcome; rows that do not fit into it are kept for whoever asked."""
    begun: list[Sheet] = []

    def begin() -> Sheet:
        begun.append(desk.shelf.begin(owner))
        return begun[-1]

    gone = desk.tenants.gone if case.everywhere else {}
    asked = replace(asked, gone=gone, begin=begin if desk.shelf.keeps else None)
    try:
        outcome = await _beside(response, listing.read_outcome, case, answer, asked)
        while "next" in outcome.facts and begun:
            desk.shelf.keep(begun.pop())
        return outcome
    finally:
        for sheet in begun:
            sheet.close()


async def _beside(response: Response, work: Callable[..., T], *arguments: Any) -> T:
    """A long answer takes seconds of work, which must not keep everybody else waiting."""
    return await anyio.to_thread.run_sync(work, *arguments) if response.file is not None else work(*arguments)


def _beat(response: Response) -> Callable[[], None]:
    """Ends the work on a long answer when its call is cancelled."""
    return anyio.from_thread.check_cancelled if response.file is not None else lambda: None


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


def warned(desk: Desk, outcome: Outcome) -> Outcome:
    """The outcome, with a warning where its rows read like orders; the session has then seen such a text."""
    if not gives_orders(outcome.facts.get("items")):
        return outcome
    desk.session.tainted = True
    return results.with_warning(outcome)
