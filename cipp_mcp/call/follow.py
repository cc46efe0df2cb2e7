"""What became of an operation: waits for it, follows CIPP's job to its end, or reads back what is in doubt.

Nothing is ever sent again here; only reads leave. An accepted job is done when it ended, its steps read well and the
state shows it; until then it stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from cipp_mcp.call import results
from cipp_mcp.call.case import Case
from cipp_mcp.call.compare import row_matches
from cipp_mcp.call.decode import Line, Tone, read_answer, tone_of
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.judge import LOOK_AT_IT, SEE_THE_REST, SHOWN_IN_PART, Verdict, was_already
from cipp_mcp.call.listing import is_not_loaded
from cipp_mcp.call.operations import LOCKED_FOR, OPEN_WORDS, Operation
from cipp_mcp.call.reading import read_again
from cipp_mcp.call.resolve import case_of
from cipp_mcp.call.rows import Wanted
from cipp_mcp.call.secrets import Found, find_secrets
from cipp_mcp.call.targets import path_value, place_queries
from cipp_mcp.call.verify import Evidence, already_so, can_verify, look, place_of
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.proof import Follow
from cipp_mcp.errors import CippMcpError, Refused
from cipp_mcp.message import Changed, Outcome, Repeat, Request, Word


@dataclass(frozen=True, slots=True)
class Job:
    """CIPP's side of an accepted operation.

    Attributes:
        state: as CIPP words it, per job.
        ended, failed: all jobs ended; one of them failed.
        steps: what each step said.
    """

    state: Mapping[str, str]
    ended: bool
    failed: bool
    steps: tuple[Line, ...] = ()


async def check(
    desk: Desk,
    operation_id: str,
    wait: float | None,
    within: float | None,
    caller: Caller | None = None,
    wanted: Wanted | None = None,
) -> Outcome:
    """The operation's outcome so far.

    Args:
        caller, wanted: for the rows of a read whose list is there by now.
        wait: seconds for what this process is still at.
        within: seconds in all; when they are over, what was known stands.
    """
    began = desk.clock()
    waiting = desk.running.knows(operation_id)
    if waiting:
        ended = await desk.running.wait_for(operation_id, wait)
        if ended is not None and ended.word.value not in OPEN_WORDS and not is_not_loaded(ended):
            return ended
    within = None if within is None else max(within - (desk.clock() - began), 0.0)
    kept = await anyio.to_thread.run_sync(desk.operations.get, operation_id)
    if kept is None:
        if waiting:
            return results.read_pending(operation_id)
        raise Refused("There is no such operation here.", hint="An operation is kept for 8 days in the folder of CIPP_MCP_HOME.")
    if kept.effect == Effect.READ.value:
        again = partial(read_again, desk, kept, caller or Caller(), wanted or Wanted())
        return await desk.running.run(kept.id, again, within) or results.read_pending(kept.id)
    if kept.word not in OPEN_WORDS or desk.running.is_running(operation_id):
        return results.as_kept(kept)
    if kept.word == Word.PENDING.value and not kept.ended and not await anyio.to_thread.run_sync(desk.operations.is_left, kept):
        return results.as_kept(kept)  # another process has it on the wire
    with anyio.move_on_after(within):
        return await follow(desk, kept)
    return results.as_kept(kept)


async def follow(desk: Desk, kept: Operation) -> Outcome:
    """One look at an open operation; what it shows is kept."""
    case = await case_of(desk, kept)
    before = {k: frozenset(v) for k, v in kept.before.items()}
    job = await _put_off(desk, case, kept.job) if kept.job else None
    if job is None or (job.ended and case.follow is not None):
        job = await _job(desk, case, before)
    if job is not None and job.state:
        verdict, evidence = await _judge_job(desk, kept, case, job, before)
    else:
        evidence = await _look(desk, case, before)
        verdict = _judge_look(kept, case, evidence, desk.now())
    secrets = find_secrets([line.text for line in job.steps] if job else None, case.action.redact, sentences=True)
    outcome = results.followed(case, kept, verdict, evidence, job.steps if job else (), secrets if job else Found())
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(desk.operations.end, kept, outcome)
        if outcome.word.value != kept.word or not kept.ended:
            await _record(desk, kept, outcome)
    return outcome


async def _record(desk: Desk, kept: Operation, outcome: Outcome) -> None:
    facts = {"operation": kept.id, "action": kept.action, "tenant": kept.tenant, "outcome": outcome.word.value}
    await desk.record("outcome", facts | {"changed": outcome.changed, "found_by": "check"})
    if outcome.word is Word.UNKNOWN and await anyio.to_thread.run_sync(desk.note_unknown):
        await desk.record("breaker", facts | {"open": True})


async def _look(desk: Desk, case: Case, before: Mapping[str, frozenset[str]]) -> Evidence | None:
    if not can_verify(case):
        return None
    return await look(desk.send, desk.catalog.kinds, case, before, looks=(0.0,), wait=desk.wait)


def _judge_look(kept: Operation, case: Case, evidence: Evidence | None, now: float) -> Verdict:
    """What a look at the state says where no job of CIPP can be found."""
    of_job = case.follow is not None or (evidence is not None and evidence.of_job)
    if evidence is not None and evidence.all_shown and not of_job:
        if already_so(case):
            return was_already(case)
        if evidence.partly and kept.word == Word.ACCEPTED.value:
            return Verdict(Word.ACCEPTED, "yes", SHOWN_IN_PART, SEE_THE_REST)
        if not evidence.was_so and evidence.partly and (kept.word == Word.UNKNOWN.value or not kept.ended):
            return Verdict(Word.PARTIAL, "yes", SHOWN_IN_PART, LOOK_AT_IT)
        if not evidence.was_so or (kept.ended and kept.word == Word.PENDING.value):  # pending: CIPP called it a success
            return Verdict(Word.DONE, "yes", "A read-back shows it.")
    word = Word(kept.word)
    if word is Word.PENDING and (not kept.ended or now - kept.began >= LOCKED_FOR):
        word = Word.UNKNOWN
    if of_job and evidence is not None and evidence.of_job and evidence.all_shown:
        return Verdict(Word.ACCEPTED, "unknown", "A read-back shows the job.", "Check again later; do not send it again.")
    if evidence is None:
        reason = next((f": {v.claimed}" for v in case.action.verify if v.claimed), "")
        step = f"Do not send it again. Check by hand{reason}."
        return Verdict(word, "unknown", "No read can show more than was known.", step)
    if of_job:
        return Verdict(word, "unknown", "CIPP lists no job for it.", "Check by hand; do not send it again.")
    seen = "could not be made" if evidence.unreadable else "does not show it (yet)"
    return Verdict(word, "unknown", f"A read-back {seen}.", "Check again later; do not send it again.")


async def _judge_job(
    desk: Desk, kept: Operation, case: Case, job: Job, before: Mapping[str, frozenset[str]]
) -> tuple[Verdict, Evidence | None]:
    states = ", ".join(sorted(set(job.state.values())))
    if not job.ended:
        return Verdict(Word.ACCEPTED, "unknown", f"CIPP's job is {states}.", "Check again later; do not send it again."), None
    evidence = await _look(desk, case, before)
    doubt = Word.PENDING if kept.word == Word.ACCEPTED.value or desk.now() - kept.began < LOCKED_FOR else Word.UNKNOWN
    bad = [s for s in job.steps if s.tone is Tone.BAD]
    good = [s for s in job.steps if s.tone in {Tone.GOOD, Tone.NONE_NEEDED, Tone.QUEUED}]
    seen = evidence is not None and evidence.news
    if (bad or job.failed) and not good and not seen:
        return Verdict(Word.FAILED, "unknown", "CIPP's job failed.", "Read its steps in details."), evidence
    if bad or job.failed:
        says = f"CIPP's job ended; {len(bad) or 'some'} of its steps failed."
        changed: Changed = "yes" if seen or evidence is None else "unknown"
        return Verdict(Word.PARTIAL, changed, says, "Read its steps in details."), evidence
    if evidence is not None and not evidence.all_shown and any(s.tone is Tone.QUEUED for s in job.steps):
        says = "CIPP's job ended and put a part of it off; a read-back does not show that part yet."
        return Verdict(Word.ACCEPTED, "unknown", says, "Check again later; do not send it again."), evidence
    if evidence is not None and not evidence.all_shown:
        says = "CIPP's job ended, but a read-back does not show all of it (yet)."
        return Verdict(doubt, "unknown", says, "Check again later; do not send it again."), evidence
    if evidence is None and case.effect is Effect.DESTROY:
        return Verdict(Word.UNKNOWN, "unknown", "CIPP's job ended, and no read can show what it did.", "Check by hand."), None
    if evidence is None:
        return Verdict(Word.CLAIMED, "yes", "CIPP's job ended well."), None
    return Verdict(Word.DONE, "yes", "CIPP's job ended, and a read-back shows it."), evidence


async def _job(desk: Desk, case: Case, before: Mapping[str, frozenset[str]]) -> Job | None:
    """CIPP's jobs for this operation; None when the action has none to follow or they cannot be read."""
    spec = case.follow
    if spec is None:
        return None
    facts = {"tenant": case.tenant.default_domain if case.tenant else ""}
    rows = await _read_rows(desk, spec.read, spec.send, facts)
    states: dict[str, str] = {}
    steps: list[Line] = []
    for target in case.targets or (None,):
        check = spec.accepted.expect[0]
        known = before.get(place_of(0, 0, target, target), frozenset())
        own = [r for r in rows if row_matches(r, check, target, case) and str(r.get(spec.key)) not in known]
        for row in own:
            states[str(row.get(spec.key))] = str(path_value(row, spec.state) or "")
            steps += await _steps(desk, spec, row)
    ended = bool(states) and all(s in {*spec.ended, *spec.failed} for s in states.values()) and len(states) >= len(case.targets)
    return Job(states, ended, any(s in spec.failed for s in states.values()), tuple(steps))


_RETRY = Follow(
    read="GET /api/ListScheduledItems",
    send={"query.tenantFilter": "$tenant", "query.ShowHidden": "true"},
    row={},
    key="RowKey",
    state="TaskState",
    ended=("Completed",),
    failed=("Failed",),
    steps="GET /api/ListScheduledItemDetails",
    steps_send={"query.RowKey": "$RowKey"},
    steps_texts="Details.Results",
)
"""How CIPP keeps a call to Graph that it put off: as a hidden task, whose reference ends with the id that it told."""


async def _put_off(desk: Desk, case: Case, job: str) -> Job | None:
    """The task of a call that CIPP put off because Graph was busy."""
    rows = await _read_rows(desk, _RETRY.read, _RETRY.send, {"tenant": case.tenant.default_domain if case.tenant else ""})
    own = next((r for r in rows if job in (r.get("RowKey"), str(r.get("Reference") or "")[-len(job) :])), None)
    if own is None:
        return None
    state = str(own.get("TaskState") or "")
    ended = state in {*_RETRY.ended, *_RETRY.failed}
    return Job({str(own.get("RowKey")): state}, ended, state in _RETRY.failed, tuple(await _steps(desk, _RETRY, own)))


async def _steps(desk: Desk, spec: Follow, row: Mapping[str, Any]) -> list[Line]:
    """What each step of one job said."""
    if not spec.steps or str(path_value(row, spec.state)) not in {*spec.ended, *spec.failed}:
        return []
    facts = {spec.key: str(row.get(spec.key))}
    rows = await _read_rows(desk, spec.steps, spec.steps_send, facts)
    texts = [path_value(r, spec.steps_texts) for r in rows]
    return [Line(tone_of(t), t) for t in _flat(texts)]


def _flat(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Mapping):
        return _flat(value.get("resultText") or value.get("Results") or "")
    return [t for inner in value for t in _flat(inner)] if isinstance(value, list) else []


async def _read_rows(desk: Desk, read: str, send: Mapping[str, str], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    request = Request("GET", read.removeprefix("GET "), place_queries(send, facts), repeat=Repeat.FREELY)
    try:
        answer = read_answer(await desk.send(request))
    except CippMcpError:
        return []
    return [] if answer.problem or answer.status >= 400 else answer.rows()
