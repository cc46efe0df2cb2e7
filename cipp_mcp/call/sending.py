"""One write on its way: prepare, commit, send, decode, read back, record.

It runs to its end whoever stops waiting: until the first byte a cancellation undoes it, from then on it is finished,
and what happened is on disk before anybody is told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import anyio

from cipp_mcp.call import results
from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import Answer, read_answer
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.encode import encode
from cipp_mcp.call.follow import check
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.judge import Verdict, carries_data, judge_write, with_evidence
from cipp_mcp.call.listing import Asked
from cipp_mcp.call.operations import Operation, key_of
from cipp_mcp.call.planning import same_case
from cipp_mcp.call.reading import shaped, warned
from cipp_mcp.call.records import about, note_refusal
from cipp_mcp.call.rows import Wanted
from cipp_mcp.call.secrets import Found, find_secrets
from cipp_mcp.call.verify import LOOKS, Evidence, Seen, already_so, can_verify, look, note_before
from cipp_mcp.catalog.action import API
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import CippMcpError, PlanRefused, Refused, WireError, Withdrawn
from cipp_mcp.message import Outcome, Response, Word

log = logging.getLogger("cipp_mcp.call")

End = tuple[Outcome, Answer | None, Evidence | None, str]
"""The outcome, what it rests on, and CIPP's id of work that it put off."""


@dataclass
class Sending:
    """One write that may go out.

    Attributes:
        patience: seconds for CIPP's answer that the caller asked for; None leaves it to the operator. What has not come by
            then is looked for, never sent again.
        known: the id of the latest same call that was taken into account; another one in between is answered instead.
        wanted: rows and columns, where the answer may be a list.
        stale: time has passed since the targets were read.
        withdrawn: the caller gave up; nothing leaves any more.
    """

    desk: Desk
    operation: str
    case: Case
    caller: Caller
    plan: Plan | None = None
    flag: bool = False
    patience: float | None = None
    known: str = ""
    wanted: Wanted = field(default_factory=Wanted)
    stale: bool = False
    withdrawn: bool = field(default=False, init=False)

    def withdraw(self) -> None:
        """Nobody waits any more: undo what has not left."""
        self.withdrawn = True

    async def run(self) -> Outcome:
        """The outcome, whatever happens. To be run shielded."""
        try:
            case, before = await self._prepared()
            kept = await self._committed(case, before)
        except CippMcpError as error:
            if isinstance(error, Refused):
                await note_refusal(self.desk, self.case.action.name, error, self.caller)
            return results.from_error(error, self.case.effect)
        if kept.id != self.operation:
            return results.same_again(await check(self.desk, kept.id, 1.0, None))
        return await self._sent(case, kept, before)

    async def _prepared(self) -> tuple[Case, Mapping[str, frozenset[str]]]:
        """The case as it is now, with our mark, and what was there before. Only reads leave here."""
        case = self.case
        if self.stale and self.plan is not None:
            case = await same_case(self.desk, case, self.plan)
        mark = case.action.mark
        if mark is not None and not case.arguments.get(mark.field) and (mark.when is None or mark.when.met(case.arguments)):
            case = replace(case, arguments={**case.arguments, mark.field: self.operation})
        return case, await note_before(self.desk.send, self.desk.catalog.kinds, case)

    async def _committed(self, case: Case, before: Mapping[str, frozenset[str]]) -> Operation:
        """The step after which it goes out: the plan is used up and the intent is on disk.

        Raises:
            Refused: the plan is used up already, a ceiling is met, or the trail cannot be written.
            Withdrawn: the caller gave up; the plan stays as it is.
        """
        desk = self.desk
        if self.withdrawn:
            raise Withdrawn("The call was cancelled before it was sent.", hint="Nothing was sent.")
        if self.plan is not None and not await anyio.to_thread.run_sync(desk.plans.claim, self.plan):
            raise PlanRefused("This plan was used already; a plan runs once.")
        await anyio.to_thread.run_sync(desk.count, case, self.flag, True)
        begin = desk.operations.begin
        kept = await anyio.to_thread.run_sync(begin, self.operation, key_of(self.case), case, before, self.known)
        if kept.id == self.operation:
            try:
                # Before the first byte: without this record nothing goes out.
                await desk.record("intent", about(self.case, self.plan, self.caller) | {"operation": self.operation})
            except Refused:
                await anyio.to_thread.run_sync(desk.operations.drop, kept)
                raise
        return kept

    async def _sent(self, case: Case, kept: Operation, before: Mapping[str, frozenset[str]]) -> Outcome:
        try:
            end = await self._made(case, before)
        except Exception:  # a bug of ours after the first byte must not lose the call: its end is unknown
            log.exception("operation %s failed", self.operation)
            verdict = Verdict(Word.UNKNOWN, "unknown", "Something in this server went wrong after it was sent; see its log.")
            end = results.write_outcome(case, verdict, None, None, self.operation, Found(), None), None, None, ""
        return await self._recorded(kept, *end)

    async def _made(self, case: Case, before: Mapping[str, frozenset[str]]) -> End:
        desk = self.desk
        answer: Answer | None = None
        was_so = already_so(case)
        try:
            patience = min(self.patience or desk.write_timeout, desk.write_timeout)
            request = encode(case.action, case.arguments, case.tenants, case.objects, case.stored, write_timeout=patience)
            response = await desk.send(replace(request, wanted=lambda: not self.withdrawn))
            answer = read_answer(response)
            verdict = judge_write(case, answer)
        except WireError as error:
            word = Word.UNKNOWN if error.sent else Word.FAILED
            verdict = Verdict(word, "unknown" if error.sent else "no", error.message, error.hint)
        evidence = None
        proofs = case.proofs
        if can_verify(case, proofs) and not (verdict.word is Word.FAILED and verdict.changed == "no"):
            await self.caller.tell("Reading back whether it happened")
            looks = LOOKS if verdict.word is not Word.FAILED else LOOKS[:2]
            evidence = Evidence({t.id: Seen.UNREADABLE for t in case.targets} or {"": Seen.UNREADABLE})
            with anyio.move_on_after(desk.write_timeout):  # reads that hang must not keep the answer for ever
                evidence = await look(desk.send, desk.catalog.kinds, case, before, proofs=proofs, looks=looks, wait=desk.wait)
        verdict = with_evidence(case, verdict, evidence, was_so)
        found = find_secrets(answer.data if answer else None, case.action.redact, sentences=case.action.returns_secret)
        if case.effect is Effect.REVEAL and verdict.word is Word.CLAIMED and found.values:
            verdict = Verdict(Word.DONE, verdict.changed, "The answer holds what was asked for.")
        handle = await desk.hand_over(found) if found.values else None
        outcome = results.write_outcome(case, verdict, answer, evidence, self.operation, found, handle)
        if answer is not None and case.action.group == API and verdict.word in {Word.CLAIMED, Word.UNKNOWN}:
            outcome = await self._with_rows(case, outcome, response, answer)
        outcome = results.with_notice(outcome, *case.remarks)
        return outcome, answer, evidence, verdict.job or ""

    async def _with_rows(self, case: Case, outcome: Outcome, response: Response, answer: Answer) -> Outcome:
        """What an operation that nobody has reviewed answered: often a list, and then it was called for that."""
        if case.action.returns_secret or answer.problem or answer.lines or not carries_data(case, answer):
            return outcome
        asked, owner = Asked(self.desk.now(), wanted=self.wanted), self.caller.principal
        rows = await shaped(self.desk, case, response, answer, asked, owner)
        notice = ""
        if rows.word is Word.FAILED:  # columns that are not there; to call again would be to do it again
            notice = rows.message
            rows = await shaped(self.desk, case, response, answer, Asked(self.desk.now()), owner)
        return warned(self.desk, results.with_rows(outcome, rows, notice))

    async def _recorded(
        self, kept: Operation, outcome: Outcome, answer: Answer | None, evidence: Evidence | None, job: str
    ) -> Outcome:
        facts = about(self.case, self.plan, self.caller) | {"operation": self.operation}
        try:
            await self.desk.record("outcome", facts | results.for_trail(outcome, answer, evidence))
            await anyio.to_thread.run_sync(lambda: self.desk.operations.end(kept, outcome, job=job))
            if outcome.word is Word.UNKNOWN and await anyio.to_thread.run_sync(self.desk.note_unknown):
                await self.desk.record("breaker", facts | {"open": True})
        except Refused:
            # It has happened and cannot be taken back: say so, and that the trail lacks it.
            return results.unrecorded(outcome)
        return outcome
