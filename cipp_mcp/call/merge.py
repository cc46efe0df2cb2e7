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
from cipp_mcp.errors import InvalidArguments, UnknownTarget
from cipp_mcp.message import Repeat, Request


async def read_stored(send: Send, case: Case) -> Mapping[str, Any]:
    """Place on the wire -> stored value, for every place that the caller left out.

    Raises:
        UnknownTarget: the stored record cannot be read, so writing could lose it.
        InvalidArguments: an entry has nothing that tells which stored one it is.
    """
    merge = case.action.merge
    if merge is None or not _needed(merge, case):
        return {}
    if merge.by:
        _refuse_nameless(merge.by, case)
        return {"body": [_kept(merge, row) for row in await _rows(send, merge, case)]}
    row = await _row(send, merge, case)
    if not row:  # CIPP also shows an empty record when its own read fails
        if merge.may_be_new:
            return {}
        raise UnknownTarget(f"The record that {case.action.title} would overwrite could not be read.")
    if merge.whole:
        return {"body": row}
    given = {f.to for f in case.action.fields if f.name in case.arguments}
    found = {place: path_value(row, path) for place, path in merge.keep.items() if place not in given}
    return {place: value for place, value in found.items() if value not in (None, merge.unset.get(place))}


def _needed(merge: Merge, case: Case) -> bool:
    if merge.when is not None and not merge.when.met(case.arguments):
        return False
    return not merge.for_any or any(case.arguments.get(n) is not None for n in merge.for_any)


def _refuse_nameless(by: str, case: Case) -> None:
    for f in case.action.fields:
        given = case.arguments.get(f.name) if f.to == "body" else None
        for entry in given if isinstance(given, list | tuple) else [given] if given is not None else []:
            if not entry.get(by):
                raise InvalidArguments([f"Each entry of {f.name} must have {by}."])


def _kept(merge: Merge, row: Mapping[str, Any]) -> dict[str, Any]:
    return {place.removeprefix("body[]."): path_value(row, path) for place, path in merge.keep.items()}


async def _row(send: Send, merge: Merge, case: Case) -> Mapping[str, Any] | None:
    if merge.read == "target":
        return case.targets[0].row if case.targets else None
    found = await _rows(send, merge, case)
    return found[0] if len(found) == 1 else None


async def _rows(send: Send, merge: Merge, case: Case) -> list[dict[str, Any]]:
    facts = {k: str(v) for k, v in case.arguments.items()} | {"tenant": case.tenant.default_domain if case.tenant else ""}
    query = place_queries(merge.send, facts)
    answer = read_answer(await send(Request("GET", merge.read.removeprefix("GET "), query, repeat=Repeat.FREELY)))
    if answer.problem or answer.status >= 400:
        says = f"The record that {case.action.title} would overwrite could not be read. {answer.problem}".strip()
        raise UnknownTarget(says, hint=f"{UnknownTarget.hint} {answer.hint}".strip())
    if merge.by and not isinstance(path_value(answer.data, merge.rows), list):
        raise UnknownTarget(f"CIPP's answer does not show the list that {case.action.title} would overwrite.")
    return answer.rows(merge.rows)
