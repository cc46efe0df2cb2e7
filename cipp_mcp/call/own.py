"""The server's own tools: what answers instead of CIPP.

They look something up or hand over to the walk; whatever they run is checked, planned, asked for and recorded there
like any other call. None of them sends anything itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.follow import check
from cipp_mcp.call.pages import read_more
from cipp_mcp.call.rows import Wanted
from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import Refused
from cipp_mcp.message import Outcome, Word

Perform = Callable[[Desk, str, Mapping[str, Any], Caller], Awaitable[Outcome]]
MOST_CHARACTERS = 1_700
"""What the hits of one search may hold: from question to schema in at most 500 tokens."""


async def answer(
    desk: Desk, action: Action, given: Mapping[str, Any], arguments: Mapping[str, Any], caller: Caller, within: float | None,
    perform: Perform,
) -> Outcome:  # fmt: skip
    """One call of an own tool.

    Args:
        given: as it came, with `confirm`; arguments: checked.
        perform: the walk, for what is handed over.
    """
    wanted = Wanted.of(given.get("request_options"))
    match action.name:
        case "check_operation":
            return await check(desk, arguments["operation_id"], within, within, caller, wanted)
        case "read_more":
            return await read_more(desk, arguments["cursor"], wanted, caller, perform)
        case "find_action":
            return await _found(desk, arguments["query"], arguments["limit"])
        case "describe_action":
            return _described(await _named(desk, arguments["action"]))
        case "read_action":
            inner = await _named(desk, arguments["action"])
            if inner.effect_of(arguments.get("arguments", {})) is not Effect.READ:
                raise Refused(f"{inner.name} is not a read.", hint="Nothing was sent. change_action runs it.")
            return await perform(desk, inner.name, _handed_over(given, arguments), caller)
        case _:
            inner = await _named(desk, arguments["action"])
            confirm = {"confirm": given["confirm"]} if "confirm" in given else {}
            return await perform(desk, inner.name, _handed_over(given, arguments) | confirm, caller)


def _handed_over(given: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The inner arguments; request options may stand inside or beside them, and the inner ones win."""
    inner = dict(arguments.get("arguments", {}))
    outer, own_options = given.get("request_options"), inner.get("request_options", {})
    if isinstance(own_options, Mapping) and outer:
        inner["request_options"] = {**outer, **own_options}
    return inner


async def _named(desk: Desk, name: str) -> Action:
    inner = await desk.action(name)
    if inner.own:
        raise Refused(f"{inner.name} is a tool of this server itself.", hint="Call it directly.")
    return inner


async def _found(desk: Desk, query: str, limit: int) -> Outcome:
    """Hits, best first, as many as fit; with the schema of a clear one, else of the first two as far as there is room."""
    from cipp_mcp.catalog.api import Api

    api = await desk.whole().api() if desk.whole is not None else Api(desk.catalog)
    search = api.search
    items: list[dict[str, Any]] = []
    # In a thread: the first question builds the index.
    reads = desk.policy.read_only  # what this server never runs is no answer
    hits, near = await anyio.to_thread.run_sync(lambda: (search.find(query, limit, reads_only=reads), search.suggest(query)))
    for hit in hits:
        item: dict[str, Any] = {"action": hit.action, "endpoint": hit.endpoint, "effect": str(hit.effect), "summary": hit.summary}
        item |= {"left_out": hit.left_out} if hit.left_out else {}
        if _fit([*items, item]):
            items.append(item)
    for place, hit in enumerate(hits[: 1 if hits and hits[0].clear else 2]):
        if place >= len(items) or hit.left_out:
            break
        fuller = [*items[:place], items[place] | {"input_schema": inputs.schema(api.get(hit.action))}, *items[place + 1 :]]
        while hit.clear and len(fuller) > 1 and not _fit(fuller):
            fuller.pop()
        items = fuller if _fit(fuller) else items
    facts: dict[str, Any] = {"items": items, "total": len(hits), "returned": len(items)}
    if near:
        facts["did_you_mean"] = near
    if api.notices:
        facts["notice"] = " ".join(api.notices)
    says = f"{len(items)} of {len(hits)} actions that may fit." if items else "No action fits these words; try others."
    return Outcome(Word.DONE, says, facts=facts)


def _fit(items: list[dict[str, Any]]) -> bool:
    return len(json.dumps(items, ensure_ascii=False, separators=(",", ":"))) <= MOST_CHARACTERS


def _described(action: Action) -> Outcome:
    facts = {
        "item": {
            "action": action.name,
            "description": inputs.description(action),
            "effect": str(action.strongest),
            "asks_a_person": action.may_ask,
            "endpoint": action.endpoint,
            "role": action.role,
            "input_schema": inputs.schema(action),
        }
    }
    return Outcome(Word.DONE, f"{action.title}: {action.endpoint}.", facts=facts)
