"""A read's answer as an outcome: how much of it there is, how old it is, and why a list is empty.

A list that is not whole never reads like one that is, and "none" is only said of what was really read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import Answer, Line, Shape, Tone, tone_of
from cipp_mcp.call.judge import details
from cipp_mcp.call.results import cleaned, next_step, with_role
from cipp_mcp.call.secrets import Found, find_secrets
from cipp_mcp.call.shape import cached_at, coverage, fit, now_text, shape_rows
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.message import Outcome, Word

STALE_AFTER = 26 * 3600.0
"""CIPP renews its reporting database every night: what is older was missed by a run."""

NOT_LOADED = "not_loaded"
_NO_CACHE = re.compile(r"no cached .{0,80} found|run a cache sync", re.IGNORECASE)
_GRAPH = "https://graph.microsoft.com/"


def read_outcome(
    case: Case, answer: Answer, now: float, everyone: Sequence[Tenant] = (), gone: Mapping[str, str] | None = None
) -> Outcome:
    """A read's answer, judged and shaped.

    Args:
        everyone, gone: for AllTenants: the tenants that CIPP lists, and those that it left out.
    """
    action = case.action
    facts: dict[str, Any] = {"tenant": case.tenant.default_domain} if case.tenant else {}
    if answer.problem:
        return _failed(answer.problem, facts | next_step(with_role(answer.hint, answer, action.role)))
    if answer.shape is Shape.BROKEN:
        return _failed("CIPP's answer could not be read.", facts)
    found = find_secrets(answer.data, action.redact)
    told = {"details": cleaned(lines)} if (lines := details(answer, found.mask)) else {}
    if answer.status >= 400:
        return _refused(case, answer, facts, told)
    if answer.queue_message:
        return not_loaded(case, "", answer.queue_id, "")
    rows = answer.rows(action.rows)
    if case.effect is Effect.PROBE and not rows:
        return Outcome(Word.CLAIMED, "CIPP reports that it was started.", facts=facts | told)
    if not rows and any(line.tone in {Tone.BAD, Tone.UNCLEAR} for line in answer.lines):
        return _failed("CIPP answered with a text instead of data.", facts | told)
    if rows and all(_only_error(row) for row in rows):
        return _failed("CIPP answered with an error instead of data.", facts | told)
    if not rows and not isinstance(answer.at(action.rows), Mapping | list):
        if case.everywhere:
            return not_loaded(case, "", "", "", "CIPP's answer was empty. It says nothing about what there is.")
        return _failed("CIPP's answer was empty.", facts)
    if (said := _result_lines(rows)) and any(line.tone is not Tone.GOOD for line in said):
        texts = [{"reads_as": str(line.tone), "text": found.mask(line.text)} for line in said]
        facts |= {"complete": False, "details": cleaned(texts)}
        return Outcome(Word.PARTIAL, "CIPP answered with results, and not all of them read as good.", facts=facts)
    return _rows_outcome(case, answer, rows, found, facts, now, everyone, gone or {})


def _is_row(row: Mapping[str, Any]) -> bool:
    """Whether this is a row of the list, and not a tenant's error in the place of its rows."""
    return not (set(row) <= {"Tenant", "CippStatus"} and row.get("CippStatus"))


def not_loaded(case: Case, operation: str, queue: str, progress: str, says: str = "") -> Outcome:
    """A list that CIPP is still building: nothing is known about what there is."""
    facts: dict[str, Any] = {"tenant": case.tenant.default_domain} if case.tenant else {}
    facts |= {"items": [], "total": 0, "returned": 0, "next": None, "complete": False, "as_of": None}
    facts |= {"empty_because": NOT_LOADED}
    facts |= ({"queue_id": queue} if queue else {}) | ({"operation_id": operation} if operation else {})
    if operation:
        facts |= next_step(f"check_operation with operation_id {operation} gives the rows when they are there.")
    else:
        facts |= next_step("Call again in some minutes.")
    told = says or "Not loaded yet: CIPP is still building this list. It says nothing about what there is."
    return Outcome(Word.DONE, f"{told} {progress}.".strip() if progress else told, facts=facts)


def is_not_loaded(outcome: Outcome) -> bool:
    """Whether this is a list that was not there yet."""
    return outcome.facts.get("empty_because") == NOT_LOADED


def _refused(case: Case, answer: Answer, facts: Mapping[str, Any], told: Mapping[str, Any]) -> Outcome:
    if any(_NO_CACHE.search(line.text) for line in answer.lines):
        why = "Not loaded: CIPP's reporting database has none of this yet. It says nothing about what there is."
        step = next_step("CIPP fills it every night; a person can start a cache sync in CIPP.")
        return Outcome(Word.FAILED, why, facts={**facts, "empty_because": NOT_LOADED, **step, **told})
    return _failed(f"CIPP answered {answer.status} and reports a failure.", {**facts, **told})


def _rows_outcome(
    case: Case,
    answer: Answer,
    rows: list[dict[str, Any]],
    found: Found,
    facts: dict[str, Any],
    now: float,
    everyone: Sequence[Tenant],
    gone: Mapping[str, str],
) -> Outcome:
    every_row, rows = rows, [r for r in rows if _is_row(r)] if case.everywhere else rows
    shown, taken = shape_rows(case.action, rows, found, whole=case.action.whole_with in case.arguments)
    kept = fit(shown)
    link = str(answer.metadata.get("nextLink") or "")
    at = cached_at(rows)
    stale = at is not None and now - at > STALE_AFTER
    complete = len(kept) == len(rows) and not link and not stale
    follows = link.startswith(_GRAPH) and any(f.name == "next_link" for f in case.action.fields)
    facts |= {"items": kept, "total": len(rows), "returned": len(kept), "next": link if follows else None}
    notices = [f"{taken} hidden characters were taken out of the data."] if taken else []
    short = ""
    if case.everywhere:
        keys = [[t.default_domain, t.initial_domain, t.customer_id, t.name] for t in everyone]
        facts["coverage"], every = coverage(every_row, case.tenant_count, keys, gone)
        complete = complete and every
        reached = facts["coverage"]
        short = "" if every else f" from {reached['answered']} of {reached['tenants']} tenants"
        if every and rows and reached["with_rows"] < reached["answered"]:
            notices.append(f"{reached['with_rows']} of {reached['answered']} tenants have rows; the others show none.")
    facts |= {"complete": complete, "as_of": now_text(now if at is None else at)}
    if link:
        notices.append("CIPP has more pages than this one.")
    if stale:
        notices.append("This is CIPP's own copy, and it is older than a day: things may have changed since.")
    if notices:
        facts["notice"] = " ".join(notices)
    if not rows:
        facts["empty_because"] = "read_and_empty" if complete else "incomplete"
        says = "CIPP lists none. The list was read and is empty."
        return Outcome(Word.DONE, says if complete else f"No rows came{short}; the others are not known.", facts=facts)
    what = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    cut = "" if len(kept) == len(rows) else f", the first {len(kept)} shown; ask for less to see the rest"
    return Outcome(Word.DONE, f"{what}{short} read{cut}.", facts=facts)


def _failed(what: str, facts: Mapping[str, Any]) -> Outcome:
    return Outcome(Word.FAILED, f"Nothing was read. {what}", facts=facts)


def _result_lines(rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """What CIPP says about results, where it says that in the place of data."""
    said = []
    for row in rows:
        folded = {k.lower(): v for k, v in row.items()}
        if isinstance(text := folded.get("resulttext"), str):
            said.append(Line(tone_of(text, str(folded.get("state") or "")), text))
    return said if len(said) == len(rows) else []


def _only_error(row: Mapping[str, Any]) -> bool:
    """A row that is an error in the place of data: `{"error": …}`, `{"Results": "Failed …"}`."""
    folded = {k.lower(): v for k, v in row.items()}
    says = folded.get("results")
    if isinstance(says, str) and tone_of(says) is Tone.BAD:
        return not any(folded.get(k) for k in ("id", "defaultdomainname", "customerid"))
    return bool(folded.keys() & {"error", "errors"}) and not folded.keys() & {"id", "displayname", "defaultdomainname"}
