"""One expectation of a manifest against one value that was read. Pure.

Nothing that sends, waits or words a sentence may enter.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.targets import Target, path_value
from cipp_mcp.catalog.effect import is_given
from cipp_mcp.catalog.proof import Expect, Verify

MISSING = object()
"""The value before the call, when nobody knows it."""


def applying(verify: Verify, case: Case) -> list[Expect]:
    """The expectations that these arguments call for; none where the read is blind to one of them."""
    if any(is_given(case.heeded.get(name)) for name in verify.blind):
        return []
    return [e for e in verify.expect if (e.when is None or e.when.met(case.heeded)) and _wanted_given(e, case)]


def _wanted_given(check: Expect, case: Case) -> bool:
    wanted = (check.equals, check.says, check.holds, check.lacks, check.only, *(check.entry or {}).values())
    return all(_value(w, case) is not None for w in wanted if isinstance(w, str) and w.startswith("$"))


def _value(wanted: Any, case: Case) -> Any:
    if wanted == "$tenant":
        return case.tenant.default_domain if case.tenant else None
    if not (isinstance(wanted, str) and wanted.startswith("$")):
        return wanted
    name, _, part = wanted[1:].partition(".")
    given = case.heeded.get(name)
    if not part or given is None:
        return given
    keys = given if isinstance(given, list | tuple) else [given]
    found = [getattr(case.objects[k], part) if isinstance(k, str) and k in case.objects else path_value(k, part) for k in keys]
    return found if keys is given else found[0]


def holds_state(check: Expect, target: Target, case: Case) -> bool:
    return check.field in target.state and holds(check, target.state[check.field], MISSING, case)


def holds(check: Expect, value: Any, was: Any, case: Case) -> bool:
    """One expectation against one value. `was` is the value before the call, `MISSING` when nobody knows it."""
    if check.moved:
        return was is not MISSING and value is not None and value != was
    if check.absent:
        return value in (None, "", [], {})
    if check.equals is not None:
        return _same(value, _value(check.equals, case))
    if check.says is not None:
        return _plain(_value(check.says, case)) in _plain(value)
    have = {str(v).casefold() for v in (value if isinstance(value, list) else [value]) if v is not None}
    if check.holds is not None:
        return _texts(_value(check.holds, case)) <= have
    if check.lacks is not None:
        return not (_texts(_value(check.lacks, case)) & have)
    return have == _texts(_value(check.only, case))


def _texts(wanted: Any) -> set[str]:
    return {str(w).casefold() for w in (wanted if isinstance(wanted, list | tuple) else [wanted])}


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) and isinstance(value, str):
        return value.casefold() == wanted.casefold()
    return type(value) is type(wanted) and bool(value == wanted)


def has_entries(wanted: Mapping[str, Any], listed: Any, case: Case) -> bool:
    """Whether the list has such an entry; arguments with several values want one entry for each, in their order.

    Where one of them lacks a value, no entry may have the others.
    """
    values = {path: _value(w, case) for path, w in wanted.items()}
    several = [p for p, v in values.items() if isinstance(v, list | tuple)]
    each = [values | dict(zip(several, one, strict=True)) for one in zip(*(values[p] for p in several), strict=False)] or [values]
    entries = listed if isinstance(listed, list) else []
    for one in each:
        known = {p: v for p, v in one.items() if v is not None}
        there = any(all(_alike(path_value(e, p), v) for p, v in known.items()) for e in entries)
        if there != (len(known) == len(one)):
            return False
    return True


def _alike(value: Any, wanted: Any) -> bool:
    """The same, or the same as text: CIPP's tables keep a number as one."""
    return _same(value, wanted) or (value is not None and str(value).casefold() == str(wanted).casefold())


def row_matches(row: Mapping[str, Any], check: Expect, about: Target | None, case: Case) -> bool:
    for name, wanted in (check.row or {}).items():
        have = path_value(row, name)
        texts = [w for each in _listed(wanted) for w in _listed(_filled(each, about, case))]
        if not any(_same(h, w) for h in _listed(have) for w in texts):
            return False
    return True


def _listed(value: Any) -> list[Any] | tuple[Any, ...]:
    return value if isinstance(value, list | tuple) else [value]


def _filled(wanted: Any, about: Target | None, case: Case) -> Any:
    wanted = _value(wanted, case)
    if isinstance(wanted, str) and about is not None:
        return wanted.replace("{id}", about.id).replace("{name}", about.name).replace("{label}", about.label)
    return wanted


def _plain(text: Any) -> str:
    """A text without markup, white space and letter case: Exchange keeps replies as HTML."""
    return re.sub(r"<[^>]*>|\s+", "", html.unescape(re.sub(r"<[^>]*>", "", str(text or "")))).casefold()
