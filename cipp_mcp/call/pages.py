"""The rest of a list, by the cursor of its answer: read from what was kept, never asked of CIPP again.

Where CIPP itself gives a list in pages, the next of them is asked through the walk like any other read. What CIPP said of a
write is a list too: a line for each step of each target.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from cipp_mcp.call.decode import Tone
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.reading import warned
from cipp_mcp.call.results import with_notice
from cipp_mcp.call.rows import SHOWN, Page, Wanted, as_json
from cipp_mcp.call.shape import now_text
from cipp_mcp.call.stored import Sheet, Shelf, parsed
from cipp_mcp.catalog.options import MOST_LIMIT
from cipp_mcp.errors import Refused
from cipp_mcp.message import Outcome, Word

Perform = Callable[[Desk, str, Mapping[str, Any], Caller], Awaitable[Outcome]]


async def read_more(desk: Desk, cursor: str, wanted: Wanted, caller: Caller, perform: Perform) -> Outcome:
    """The next rows of a list.

    Args:
        wanted: its limit; rows and columns were chosen when the list was read.
        perform: the walk, for CIPP's own next page.

    Raises:
        Refused: the cursor leads nowhere, or other rows or columns are asked for.
    """
    if wanted.fields or wanted.filter:
        raise Refused(
            "The rows and columns of this list were chosen when it was read.",
            hint="Call the tool that gave the list with these request_options; read_more takes limit.",
        )
    place = parsed(cursor)
    sheet = desk.shelf.get(place[0], caller.principal) if place else None
    if sheet is None or place is None or place[1] > len(sheet):
        raise Refused(
            "This cursor leads to no list that is kept here.",
            hint="A list is kept for 15 minutes by the server that read it. Call the tool that gave the list again. "
            "What was said of a change comes again with check_operation.",
        )
    start = place[1]
    if start == len(sheet) and sheet.follow is not None:
        tool, arguments = sheet.follow
        limit = {"limit": wanted.limit} if wanted.limit else {}
        return await perform(desk, tool, {**arguments, "request_options": arguments["request_options"] | limit}, caller)
    return warned(desk, _page(sheet, start, wanted.limit))


def _page(sheet: Sheet, start: int, limit: int | None) -> Outcome:
    page = Page(limit)
    for text in sheet.read(start):
        if not page.take(json.loads(text), text):
            break
    end = start + len(page.rows)
    more = end < len(sheet) or sheet.follow is not None
    facts = {k: v for k, v in sheet.facts.items() if k != "as_of"} | {"items": page.rows, "returned": len(page.rows)}
    facts |= {"next": sheet.cursor(end)} if more else {}
    facts |= {"complete": sheet.whole and not more and not page.left_out, "as_of": sheet.facts["as_of"]}
    if page.left_out:
        facts |= {"left_out": page.left_out, "notice": "What left_out names is too long to show."}
    says = f"Rows {start + 1} to {end} of {len(sheet)}." if page.rows else f"There are no rows after number {len(sheet)}."
    return Outcome(Word.DONE, says, facts=facts)


def fitted(desk: Desk, outcome: Outcome, owner: str) -> Outcome:
    """The outcome with as many of CIPP's lines as one answer holds, those that do not read as good first; the rest by cursor.

    Args:
        owner: who may read the rest; empty where there is only one client.
    """
    lines: list[dict[str, str]] = outcome.facts.get("details") or []
    if sum(len(as_json(line)) + 1 for line in lines) <= SHOWN or "next" in outcome.facts:
        return outcome
    page, sheet = Page(None), desk.shelf.begin(owner)
    for line in sorted(lines, key=lambda line: line.get("reads_as") == Tone.GOOD):
        text = as_json(line)
        page.take(line, text)
        sheet.add(text)
    shown = len(page.rows)
    rest = "" if sheet.lost else " read_more(next) gives the rest."
    notice = f"{shown} of {len(lines)} lines of details are shown, what does not read as good first.{rest}"
    facts = dict(with_notice(outcome, notice).facts) | {"details": page.rows}
    if not sheet.lost:
        tenant = {"tenant": outcome.facts["tenant"]} if "tenant" in outcome.facts else {}
        sheet.facts = tenant | {"total": len(lines), "as_of": now_text(desk.now())}
        desk.shelf.keep(sheet)
        facts["next"] = sheet.cursor(shown)
    return replace(outcome, facts=facts)


async def first_rows(desk: Desk, tool: str, given: Mapping[str, Any], caller: Caller, perform: Perform) -> Outcome:
    """A call of a process that ends with it: a cursor would lead nowhere, so there is none."""
    alone = replace(desk, shelf=Shelf(desk.clock, most=0))
    outcome = await perform(alone, tool, given, caller)
    if outcome.facts.get("returned", 0) >= outcome.facts.get("matched", outcome.facts.get("total", 0)):
        return outcome
    return replace(outcome, facts=dict(outcome.facts) | {"next_step": "--all prints every row."})


async def every_row(desk: Desk, tool: str, given: Mapping[str, Any], caller: Caller, perform: Perform) -> Outcome:
    """A call whose list comes with every row of it, for somebody who has the room."""
    first = last = await perform(desk, tool, given, caller)
    items = list(first.facts.get("items") or [])
    while "next" in last.facts and not last.is_error:
        more = {"cursor": last.facts["next"], "request_options": {"limit": MOST_LIMIT}}
        last = await perform(desk, "read_more", more, caller)
        items += last.facts.get("items") or []
    if last is first:
        return first
    facts = {k: v for k, v in first.facts.items() if k != "next"} | {"items": items, "returned": len(items)}
    if last.is_error:
        return replace(last, message=f"{len(items)} rows read, and then: {last.message}", facts={**facts, "complete": False})
    return replace(first, message=f"{len(items)} rows read.", facts=facts | {"complete": last.facts.get("complete", False)})
