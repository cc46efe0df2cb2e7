"""A read's answer as an outcome: how much of it there is, how old it is, and why a list is empty.

A list that is not whole never reads like one that is, and "none" is only said of what was really read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import Answer, Line, Shape, Tone
from cipp_mcp.call.judge import details
from cipp_mcp.call.results import next_step, with_role
from cipp_mcp.call.rows import LONGEST_ASKED, MOST_NAMED, Choice, Gist, Page, Wanted, is_row, look_over, named
from cipp_mcp.call.shape import Coverage, now_text
from cipp_mcp.call.stored import Sheet
from cipp_mcp.call.stream import LongList
from cipp_mcp.call.tenants import Tenant
from cipp_mcp.call.text import clean, quoted
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.message import Outcome, Word

STALE_AFTER = 26 * 3600.0
"""CIPP renews its reporting database every night: what is older was missed by a run."""

NOT_LOADED = "not_loaded"
AGAIN = "Call again; if it stays so, CIPP's own logs say more."
"""The next step where nothing better is known."""

MOST_DETAILS, LONGEST_DETAIL = 20, 800
MOST_COLUMNS_TOLD = 150  # where no rows take the room
_NO_CACHE = re.compile(r"no cached .{0,80} found|run a cache sync", re.IGNORECASE)
_GRAPH = "https://graph.microsoft.com/"


@dataclass(frozen=True)
class Asked:
    """What a read's answer is held against, beside its case.

    Attributes:
        now: epoch seconds.
        everyone, gone: for AllTenants: the tenants that CIPP lists, and those that it left out.
        wanted: rows and columns.
        begin: makes the sheet that keeps the rows which do not fit; None keeps none.
    """

    now: float
    everyone: Sequence[Tenant] = ()
    gone: Mapping[str, str] = field(default_factory=dict)
    wanted: Wanted = Wanted()
    begin: Callable[[], Sheet] | None = None


def read_outcome(case: Case, answer: Answer, asked: Asked) -> Outcome:
    """A read's answer, judged and shaped. Takes seconds for a long one, and then belongs into a worker thread."""
    action = case.action
    facts: dict[str, Any] = {"tenant": case.tenant.default_domain} if case.tenant else {}
    if answer.problem:
        return _failed(answer.problem, facts | next_step(with_role(answer.hint, answer, action.role)))
    if answer.shape is Shape.BROKEN:
        return _failed("CIPP's answer could not be read.", facts)
    keys = [[t.default_domain, t.initial_domain, t.customer_id, t.name] for t in asked.everyone]
    coverage = Coverage(case.tenant_count, keys, asked.gone) if case.everywhere else None
    gist = look_over(answer, action, coverage)
    lines = details(answer, gist.found.mask)
    told: dict[str, Any] = {"details": _short(lines)} if lines else {}
    if len(lines) > MOST_DETAILS:
        told["notice"] = f"{MOST_DETAILS} of {len(lines)} lines of details are shown."
    if answer.status >= 400:
        return _refused(answer, facts, told)
    if answer.queue_message:
        return not_loaded(case, "", answer.queue_id, "")
    if not gist.any and any(line.tone in {Tone.BAD, Tone.UNCLEAR} for line in answer.lines):
        return _failed("CIPP answered with a text instead of data.", facts | told)
    if case.effect is Effect.PROBE and not gist.any and answer.lines:
        return Outcome(Word.CLAIMED, "CIPP reports that it was started.", facts=facts | told)
    if gist.any and gist.only_errors:
        return _failed("CIPP answered with an error instead of data.", facts | told)
    if not gist.any and not isinstance(answer.at(action.rows), Mapping | list | LongList):
        if case.everywhere:
            return not_loaded(case, "", "", "", "CIPP's answer was empty. It says nothing about what there is.")
        return _failed("CIPP's answer was empty.", facts)
    if gist.said and any(line.tone is not Tone.GOOD for line in gist.said):
        return _said(gist, facts, gist.said)
    return _rows_outcome(case, answer, gist, coverage, facts, asked)


def _said(gist: Gist, facts: Mapping[str, Any], said: Sequence[Line]) -> Outcome:
    first = sorted(said, key=lambda line: line.tone is Tone.GOOD)[:MOST_DETAILS] if len(said) > MOST_DETAILS else said
    texts = [{"reads_as": str(line.tone), "text": gist.found.mask(line.text)} for line in first]
    more = {} if len(first) == gist.total else {"notice": f"{len(first)} of {gist.total} results are shown."}
    says = "CIPP answered with results, and not all of them read as good."
    return Outcome(Word.PARTIAL, says, facts={**facts, "complete": False, "details": _short(texts), **more})


def _short(lines: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{**line, "text": clean(line["text"], LONGEST_DETAIL)} for line in lines[:MOST_DETAILS]]


def not_loaded(case: Case, operation: str, queue: str, progress: str, says: str = "") -> Outcome:
    """A list that CIPP is still building: nothing is known about what there is."""
    facts: dict[str, Any] = {"tenant": case.tenant.default_domain} if case.tenant else {}
    facts |= {"items": [], "total": 0, "returned": 0, "complete": False}
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


def _refused(answer: Answer, facts: Mapping[str, Any], told: Mapping[str, Any]) -> Outcome:
    if any(_NO_CACHE.search(line.text) for line in answer.lines):
        why = "Not loaded: CIPP's reporting database has none of this yet. It says nothing about what there is."
        step = next_step("CIPP fills it every night; a person can start a cache sync in CIPP.")
        return Outcome(Word.FAILED, why, facts={**facts, "empty_because": NOT_LOADED, **step, **told})
    return _failed(f"CIPP answered {answer.status} and reports a failure.", {**facts, **told})


def _rows_outcome(
    case: Case, answer: Answer, gist: Gist, coverage: Coverage | None, facts: dict[str, Any], asked: Asked
) -> Outcome:
    wanted = asked.wanted
    whole = case.action.whole_with in case.arguments
    choice = Choice(case.action, wanted, gist.found, gist.columns, whole=whole)
    if gist.total and (choice.unknown_filter or (wanted.fields and len(choice.unknown) == len(wanted.fields))):
        return _no_such_column(choice.unknown_filter or choice.unknown, gist, facts)
    at, link = gist.oldest, str(answer.metadata.get("nextLink") or "")
    follow = _next_page(case, link, wanted)
    page, sheet, matched = _chosen(case, answer, choice, wanted, asked.begin, keep_all=follow is not None)
    shown = len(page.rows)
    stale = at is not None and asked.now - at > STALE_AFTER
    every = coverage is None or coverage.every
    doubt, unsure = _doubt(case, gist.total)
    known = not link and not stale and every and not unsure
    facts |= {"items": page.rows, "total": gist.total}
    facts |= ({"matched": matched} if wanted.filter else {}) | {"returned": shown}
    as_of = now_text(asked.now if at is None else at)
    if sheet is not None and not sheet.lost:
        head = {k: facts[k] for k in ("tenant", "total", "matched") if k in facts}
        sheet.facts, sheet.whole, sheet.follow = head | {"as_of": as_of}, known, follow
        facts["next"] = sheet.cursor(shown)
    notices = [f"{choice.taken} hidden characters were taken out of the data."] if choice.taken else []
    notices += [_cut(choice.cut, wanted.longest)] if choice.cut else []
    notices += [doubt] if doubt else []
    short = ""
    if coverage is not None:
        reached = facts["coverage"] = coverage.facts()
        short = "" if every else f" from {reached['answered']} of {reached['tenants']} tenants"
        if gist.total and not reached["with_rows"]:
            del reached["with_rows"]  # these rows do not name their tenant
        elif every and gist.total and reached["with_rows"] < reached["answered"]:
            notices.append(f"{reached['with_rows']} of {reached['answered']} tenants have rows; the others show none.")
    complete = known and shown == matched and not page.left_out
    facts |= {"complete": complete, "as_of": as_of}
    if link:
        step = "; read_more with next asks for the next one" if follow and "next" in facts else _by_hand(case)
        notices.append(f"CIPP has more pages than this one{step}.")
    if stale:
        notices.append("This is CIPP's own copy, and it is older than a day: things may have changed since.")
    if choice.unknown and gist.total:
        notices.append("Of the fields asked for, those in no_such_column are in no row.")
        facts |= {"no_such_column": _names(choice.unknown, gist), "columns": _names(gist.columns, gist)}
    if page.left_out:
        notices.append("What left_out names is too long to show; request_options.fields takes dotted paths into it.")
        facts["left_out"] = page.left_out
    if notices:
        facts["notice"] = " ".join(notices)
    if not gist.total:
        facts["empty_because"] = "read_and_empty" if complete else "unsure" if unsure and every else "incomplete"
        says = "CIPP lists none. The list was read and is empty."
        if unsure and every:
            says = "CIPP lists none, which it also does when it could not read them."
        elif not complete:
            says = f"No rows came{short}; the others are not known."
        return Outcome(Word.DONE, says, facts=facts)
    what = "1 row" if gist.total == 1 else f"{gist.total} rows"
    if not matched:
        facts["empty_because"] = "none_matches" if known else "incomplete"
        says = "none matches the filter" if known else "none of them matches the filter; the others are not known"
        if nothing_at := choice.without_value:
            says += f"; no row has a value at {' or '.join(map(quoted, nothing_at))}"
        elif _by_whole_text(wanted):
            facts |= next_step("A text of the filter is the whole value; with * it is a part: *ana*.")
        return Outcome(Word.DONE, f"{what}{short} read, {says}.", facts=facts)
    match = f", {matched} match{'es' if matched == 1 else ''}" if wanted.filter else ""
    cut = f", {shown} shown. {_more('next' in facts)}" if shown < matched else "."
    return Outcome(Word.DONE, f"{what}{short} read{match}{cut}", facts=facts)


def _by_whole_text(wanted: Wanted) -> bool:
    """Whether the filter has a text without `*`, which many take for one that only has to be a part."""
    given = (v for value in wanted.filter.values() for v in (value if isinstance(value, list | tuple) else [value]))
    return any(isinstance(v, str) and v and "*" not in v for v in given)


def _doubt(case: Case, total: int) -> tuple[str, bool]:
    """What the answer does not say about itself, in words, and whether this list may not be all there is."""
    doubt = case.action.doubt
    if doubt is None:
        return "", False
    see = f" {doubt.see} tells." if doubt.see else ""
    if doubt.most and total >= doubt.most:
        return f"CIPP cuts this list at {doubt.most} rows and does not say whether there are more.{see}", True
    if not total and (doubt.empty or doubt.parts):
        return f"An empty list may mean here that CIPP could not read it.{see}", True
    return (f"CIPP leaves out {doubt.parts} that it cannot read, and does not say so.{see}" if doubt.parts else ""), False


def _cut(texts: int, longest: int) -> str:
    says = f"{texts} text{'s were' if texts > 1 else ' was'} cut at {longest} characters and end{'' if texts > 1 else 's'} in …"
    return f"{says}; request_options with fields and limit shows {LONGEST_ASKED}." if longest < LONGEST_ASKED else f"{says}."


def _more(kept: bool) -> str:
    rest = "The rest: read_more(next). " if kept else ""
    return f"{rest}Shorter: request_options fields, filter."


def _chosen(
    case: Case, answer: Answer, choice: Choice, wanted: Wanted, begin: Callable[[], Sheet] | None, *, keep_all: bool
) -> tuple[Page, Sheet | None, int]:
    """The rows shown, the sheet with all of them where they are not all shown, and how many are wanted."""
    page, matched = Page(wanted.limit), 0
    texts: list[str] = []
    sheet = begin() if keep_all and begin is not None else None
    for row in answer.each(case.action.rows):
        if (case.everywhere and not is_row(row)) or not choice.wants(row):
            continue
        matched += 1
        shown, text = choice.shown(row)
        taken = page.take(shown, text)
        if not taken and sheet is None and begin is not None:
            sheet = begin()
            for earlier in texts:
                sheet.add(earlier)
        if sheet is not None:
            sheet.add(text)
        elif taken:
            texts.append(text)
    return page, sheet, matched


def _next_page(case: Case, link: str, wanted: Wanted) -> tuple[str, Mapping[str, Any]] | None:
    """How CIPP's next page is asked, where it takes its own link."""
    by_place = {f.to.casefold(): f.name for f in case.action.fields}
    takes, manual = by_place.get("query.nextlink"), by_place.get("query.manualpagination")
    if not link.startswith(_GRAPH) or takes is None or manual is None or not case.arguments.get(manual):
        return None
    return case.action.name, {**case.arguments, takes: link, "request_options": wanted.of_every_page}


def _by_hand(case: Case) -> str:
    """What makes a list that was asked for as one page readable page by page, where the tool has it."""
    name = next((f.name for f in case.action.fields if f.to.casefold() == "query.manualpagination"), "")
    return f"; with {name} read_more gives them" if name and not case.arguments.get(name) else ""


def _no_such_column(unknown: Sequence[str], gist: Gist, facts: Mapping[str, Any]) -> Outcome:
    """Rows that are chosen by what none of them has would read like none at all."""
    step = next_step("Call again with names among columns.")
    says = f"Nothing is shown: no row has the column {' or '.join(quoted(name) for name in unknown)}."
    return Outcome(Word.FAILED, says, facts={**facts, "columns": _names(gist.columns, gist, MOST_COLUMNS_TOLD), **step})


def _names(names: Iterable[str], gist: Gist, most: int = MOST_NAMED) -> list[str]:
    return named(map(gist.found.mask, names), most)


def _failed(what: str, facts: Mapping[str, Any]) -> Outcome:
    return Outcome(Word.FAILED, f"Nothing was read. {what}", facts=next_step(AGAIN) | dict(facts))
