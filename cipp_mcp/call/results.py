"""Outcomes in the one envelope: the sentence is ours, the data is CIPP's, and the two never mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import Answer, Shape, Tone
from cipp_mcp.call.desk import Caller
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.call.judge import Verdict, details
from cipp_mcp.call.secrets import Found, find_secrets
from cipp_mcp.call.shape import coverage, fit, now_text, shape_rows
from cipp_mcp.call.text import clean
from cipp_mcp.call.verify import Evidence
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import CippMcpError, InvalidArguments, Refused, UnknownTenant, WireError
from cipp_mcp.message import Outcome, Word


def read_outcome(case: Case, answer: Answer, now: float) -> Outcome:
    """A read's answer, judged and shaped."""
    action = case.action
    facts: dict[str, Any] = {"tenant": case.tenant.default_domain} if case.tenant else {}
    if answer.problem:
        return Outcome(Word.FAILED, _failed(answer.problem), facts=facts | _next(_with_role(answer.hint, answer, action.role)))
    if answer.shape is Shape.BROKEN:
        return Outcome(Word.FAILED, _failed("CIPP's answer could not be read."), facts=facts)
    found = find_secrets(answer.data, action.redact)
    told = details(answer, found.mask)
    if answer.status >= 400:
        message = f"CIPP answered {answer.status} and reports a failure."
        return Outcome(Word.FAILED, _failed(message), facts=facts | ({"details": _clean(told)} if told else {}))
    if answer.queue_message:
        facts |= {"items": [], "total": 0, "returned": 0, "next": None, "complete": False, "as_of": None}
        facts |= {"queue_id": answer.queue_id} if answer.queue_id else {}
        return Outcome(
            Word.DONE,
            "Not loaded yet: CIPP is still building this list. It says nothing about what there is.",
            facts=facts | _next("Call again in some minutes."),
        )
    if case.effect is Effect.PROBE and not answer.rows(action.rows):
        return Outcome(
            Word.CLAIMED, "CIPP reports that it was started.", facts=facts | ({"details": _clean(told)} if told else {})
        )
    rows = answer.rows(action.rows)
    if not rows and answer.lines and any(line.tone in {Tone.BAD, Tone.UNCLEAR} for line in answer.lines):
        return Outcome(
            Word.FAILED, _failed("CIPP answered with a text instead of data."), facts=facts | {"details": _clean(told)}
        )
    if rows and all(_only_error(row) for row in rows):
        return Outcome(
            Word.FAILED, _failed("CIPP answered with an error instead of data."), facts=facts | {"details": _clean(told)}
        )
    if not rows and answer.shape is Shape.EMPTY:
        return Outcome(Word.FAILED, _failed("CIPP's answer was empty."), facts=facts)
    return _rows_outcome(case, answer, rows, found, facts, now)


def _rows_outcome(
    case: Case, answer: Answer, rows: list[dict[str, Any]], found: Found, facts: dict[str, Any], now: float
) -> Outcome:
    shown, taken = shape_rows(case.action, rows, found)
    kept = fit(shown)
    more = bool(answer.metadata.get("nextLink"))
    complete = len(kept) == len(rows) and not more
    facts |= {"items": kept, "total": len(rows), "returned": len(kept), "next": None}
    if case.everywhere:
        facts["coverage"], every = coverage(rows, case.tenant_count)
        complete = complete and every
    facts |= {"complete": complete, "as_of": now_text(now)}
    notices = []
    if taken:
        notices.append(f"{taken} hidden characters were taken out of the data.")
    if more:
        notices.append("CIPP has more pages than this one.")
    if notices:
        facts["notice"] = " ".join(notices)
    if not rows:
        return Outcome(Word.DONE, "CIPP lists none. The list was read and is empty.", facts=facts)
    what = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    cut = "" if len(kept) == len(rows) else f", the first {len(kept)} shown; ask for less to see the rest"
    return Outcome(Word.DONE, f"{what} read{cut}.", facts=facts)


def write_outcome(
    case: Case, verdict: Verdict, answer: Answer | None, evidence: Evidence | None, operation: str, secrets: Found
) -> Outcome:
    """A write's end."""
    facts = _write_facts(case) | {"operation_id": operation}
    facts |= _next(_with_role(verdict.next_step, answer, case.action.role))
    if evidence is not None and evidence.shows:
        facts["evidence"] = secrets.mask_all(evidence.shows)
    if answer is not None and (told := details(answer, secrets.mask)):
        facts["details"] = _clean(told)
    message = f"{case.action.title}, {case.shown_target}: {verdict.word.value}. {verdict.says}"
    return Outcome(verdict.word, message, writes=True, changed=verdict.changed, facts=facts)


def needs_approval(case: Case, plan: Plan, caller: Caller, policy: Policy) -> Outcome:
    """A plan waits for a person. Nothing was sent."""
    if policy.flag_may(case) and not caller.hold:
        how = f"the same call with confirm = {plan.id}"
    else:
        how = f"cipp-mcp approve {plan.id}"
    step = f"A person runs `{how}`" if how.startswith("cipp") else f"Make {how}"
    facts = _write_facts(case) | {
        "plan": dict(plan.preview) | {"digest": plan.short},
        "plan_id": plan.id,
        "expires_at": now_text(plan.expires),
        "approve_with": how,
        "next_step": f"{step}{f'; then make the same call with confirm = {plan.id}' if how.startswith('cipp') else ''}.",
    }
    message = f"Nothing was sent. {case.action.title}, {case.shown_target}, needs a person's yes to this plan."
    return Outcome(Word.NEEDS_APPROVAL, message, writes=True, changed="no", facts=facts)


def still_running(case: Case, operation: str) -> Outcome:
    """The write is on its way and goes on; the foreground budget is used up."""
    facts = _write_facts(case) | {"operation_id": operation}
    facts |= _next("Do not send it again. It is finished in the background and recorded in the audit trail.")
    message = f"{case.action.title}, {case.shown_target}: sent, and CIPP has not answered yet."
    return Outcome(Word.PENDING, message, writes=True, changed="unknown", facts=facts)


def from_error(error: CippMcpError, writes: bool) -> Outcome:
    """An error of ours as an outcome. Errors before a write leaves are always `changed: no`."""
    facts: dict[str, Any] = {}
    if isinstance(error, InvalidArguments):
        facts["problems"] = error.problems
    if isinstance(error, UnknownTenant) and error.candidates:
        facts["candidates"] = error.candidates
    word = Word.REFUSED if isinstance(error, Refused) else Word.FAILED
    if isinstance(error, WireError) and not error.hint:
        facts |= _next("Try again; if it stays so, check the connection to CIPP.")
    return Outcome(word, clean(error.message), writes=writes, facts=facts | _next(error.hint))


def for_trail(outcome: Outcome, answer: Answer | None, evidence: Evidence | None) -> dict[str, Any]:
    """What the trail keeps of an end."""
    return {
        "outcome": outcome.word.value,
        "changed": outcome.changed,
        "http_status": answer.status if answer else None,
        "evidence": {k: str(v) for k, v in evidence.seen.items()} if evidence else None,
    }


def _write_facts(case: Case) -> dict[str, Any]:
    facts: dict[str, Any] = {"tenant": case.tenant.default_domain} if case.tenant else {}
    if len(case.targets) == 1:
        facts["target"] = _clean(case.targets[0].fact())
    elif case.targets:
        facts["targets"] = _clean([t.fact() for t in case.targets])
    if len(case.targets) == 1 and case.targets[0].kind == "user":
        facts["userId"] = case.targets[0].id
    return facts


def _failed(what: str) -> str:
    return f"Nothing was read. {what}"


def _next(hint: str) -> dict[str, str]:
    return {"next_step": hint} if hint else {}


def _with_role(hint: str, answer: Answer | None, role: str) -> str:
    """On a role refusal, the role that the tool needs."""
    if answer is not None and answer.status == 403 and "role" in answer.problem and "needs" in hint:
        return f"Give the API client the role {role} in CIPP."
    return hint


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {k: _clean(v) for k, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list) else value


def _only_error(row: Mapping[str, Any]) -> bool:
    """A row that is an error in the place of data: `{"error": …}`, `{"Results": "Failed …"}`."""
    folded = {k.lower() for k in row}
    return bool(folded & {"error", "errors"}) and not folded & {"id", "displayname", "defaultdomainname"}
