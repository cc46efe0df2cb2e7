"""The server's own tools: what answers instead of CIPP.

They look something up or hand over to the walk; whatever they run is checked, planned, asked for and recorded there
like any other call. None of them sends anything itself.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.call.follow import check
from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.errors import Refused
from cipp_mcp.message import Outcome, Word

Perform = Callable[[Desk, str, Mapping[str, Any], Caller], Awaitable[Outcome]]
MOST_CHARACTERS = 1_800
"""What one search answer may hold: question to schema in about 500 tokens."""


async def answer(
    desk: Desk, action: Action, given: Mapping[str, Any], arguments: Mapping[str, Any], caller: Caller, within: float | None,
    perform: Perform,
) -> Outcome:  # fmt: skip
    """One call of an own tool.

    Args:
        given: as it came, with `confirm`; arguments: checked.
        perform: the walk, for what is handed over.
    """
    match action.name:
        case "check_operation":
            return await check(desk, arguments["operation_id"], within, within)
        case "find_action":
            return _found(desk, arguments["query"], arguments["limit"])
        case "describe_action":
            return _described(_named(desk, arguments["action"]))
        case "read_action":
            inner = _named(desk, arguments["action"])
            if inner.effect_of(arguments.get("arguments", {})) is not Effect.READ:
                raise Refused(f"{inner.name} is not a read.", hint="Nothing was sent. change_action runs it.")
            return await perform(desk, inner.name, arguments.get("arguments", {}), caller)
        case _:
            inner = _named(desk, arguments["action"])
            confirm = {"confirm": given["confirm"]} if "confirm" in given else {}
            return await perform(desk, inner.name, {**arguments.get("arguments", {}), **confirm}, caller)


def _named(desk: Desk, name: str) -> Action:
    inner = desk.catalog.get(name)
    if inner.own:
        raise Refused(f"{inner.name} is a tool of this server itself.", hint="Call it directly.")
    return inner


def _found(desk: Desk, query: str, limit: int) -> Outcome:
    """Hits, best first, with the schema of a clear one; as many as fit."""
    from cipp_mcp.catalog.api import WholeCatalog

    whole = desk.catalog if isinstance(desk.catalog, WholeCatalog) else WholeCatalog.over(desk.catalog)
    search = whole.search
    items: list[dict[str, Any]] = []
    hits = search.find(query, limit)
    for hit in hits:
        item: dict[str, Any] = {"action": hit.action, "endpoint": hit.endpoint, "effect": str(hit.effect), "summary": hit.summary}
        if hit.left_out:
            item["left_out"] = hit.left_out
        elif hit.clear:
            item |= {"input_schema": inputs.schema(whole.get(hit.action))}
        if items and len(json.dumps([*items, item])) > MOST_CHARACTERS:
            break
        items.append(item)
    facts: dict[str, Any] = {"items": items, "total": len(hits), "returned": len(items)}
    if near := search.suggest(query):
        facts["did_you_mean"] = near
    says = f"{len(items)} of {len(hits)} actions that may fit." if items else "No action fits these words; try others."
    return Outcome(Word.DONE, says, facts=facts)


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
