"""Read, merge, write: the stored record that an overwriting endpoint would otherwise lose.

Some of CIPP's endpoints replace a whole record and reset what is left out. What the caller did not give is filled in
from what is stored; the plan shows and digests it, so a record that changed in between means a new plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.decode import read_answer
from cipp_mcp.call.targets import Send, path_value, place_queries
from cipp_mcp.catalog.action import Merge
from cipp_mcp.catalog.effect import is_given
from cipp_mcp.errors import UnknownTarget
from cipp_mcp.message import Repeat, Request


async def read_stored(send: Send, case: Case) -> Mapping[str, Any]:
    """Place on the wire -> stored value, for every place that the caller left out.

    Raises:
        UnknownTarget: the stored record cannot be read, so writing could lose it.
    """
    merge = case.action.merge
    if merge is None or not _needed(merge, case):
        return {}
    row = await _row(send, merge, case)
    if row is None:
        if merge.may_be_new:
            return {}
        raise UnknownTarget(f"The record that {case.action.title} would overwrite could not be read.")
    if merge.whole:
        return {"body": row}
    given = {f.to for f in case.action.fields if f.name in case.arguments}
    found = {place: path_value(row, path) for place, path in merge.keep.items() if place not in given}
    return {place: value for place, value in found.items() if value is not None}


def _needed(merge: Merge, case: Case) -> bool:
    if merge.when is not None and not merge.when.met(case.arguments):
        return False
    return not merge.for_any or any(is_given(case.arguments.get(n)) for n in merge.for_any)


async def _row(send: Send, merge: Merge, case: Case) -> Mapping[str, Any] | None:
    if merge.read == "target":
        return case.targets[0].row if case.targets else None
    facts = {k: str(v) for k, v in case.arguments.items()} | {"tenant": case.tenant.default_domain if case.tenant else ""}
    query = place_queries(merge.send, facts)
    answer = read_answer(await send(Request("GET", merge.read.removeprefix("GET "), query, repeat=Repeat.FREELY)))
    if answer.problem or answer.status >= 400:
        raise UnknownTarget(f"The record that {case.action.title} would overwrite could not be read. {answer.problem}".strip())
    wanted = {f: str(case.arguments.get(w[1:]) if w.startswith("$") else w).casefold() for f, w in merge.where.items()}
    rows = answer.rows(merge.rows)
    found = [r for r in rows if all(str(path_value(r, f)).casefold() == w for f, w in wanted.items())]
    return found[0] if len(found) == 1 else None
