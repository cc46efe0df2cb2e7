"""The plan in words: what a person reads before saying yes, and the model as data.

Built from resolved facts and manifest words only. Free text of the caller appears as a marked, shortened value or as
its length, never as a sentence. In the manner of PowerShell's -WhatIf.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cipp_mcp.call.case import Case
from cipp_mcp.call.targets import Target
from cipp_mcp.call.text import quoted
from cipp_mcp.call.verify import can_verify
from cipp_mcp.catalog.action import ActionField
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.proof import Expect

SHOWN_TARGETS = 5
SHOWN_KEYS = 6


def preview(case: Case) -> dict[str, Any]:
    """Label -> text, in the order in which it is read."""
    action = case.action
    shown: dict[str, Any] = {
        "what_if": f'What if: Performing the operation "{action.title}" on {_on(case)}.',
        "tenant": _tenant(case),
    }
    if case.done_before:
        shown["again"] = case.done_before
    if case.targets:
        shown["targets"] = [_target(t, case) for t in case.targets[:SHOWN_TARGETS]]
        if len(case.targets) > SHOWN_TARGETS:
            shown["more_targets"] = [quoted(t.name or t.id, 80) for t in case.targets[SHOWN_TARGETS:]]
    if named := [*case.inside, *(t for t in case.others if case.roles and case.roles.get(t.id))]:
        shown["names"] = [_target(t, case) for t in named[:SHOWN_TARGETS]]
    shown["how_many"] = case.count
    if settings := [s for f in action.fields if (s := _argument(f, case)) is not None]:
        shown["with"] = settings
    if off := [f.name for f in action.fields if f.optional and case.arguments.get(f.name) is False]:
        shown["switched_off"] = ", ".join(off)
    if case.remarks:
        shown["ignored"] = case.remarks
    if changes := _changes(case):
        shown["changes"] = changes
    shown["effect"] = str(case.effect)
    if action.loses and case.effect.asks:
        shown["lost"] = action.loses
    if action.undo:
        shown["way_back"] = action.undo
    if case.effect is Effect.DESTROY and case.follow is None and not can_verify(case):
        reason = next((f": {v.claimed}" for v in action.verify if v.claimed), "")
        shown["ends"] = f"unknown even where CIPP reports success{reason}"
    shown["sends"] = f"{action.endpoint}{', which queues a job in CIPP' if action.settles == 'later' else ''}"
    shown["checked"] = "Targets were read; CIPP itself has not validated the call."
    return shown


def _on(case: Case) -> str:
    where = f" in {_tenant_name(case)}" if case.tenant else ""
    if len(case.targets) == 1:
        return f"target {quoted(case.targets[0].shown, 120)}{where}"
    if case.targets:
        return f"{len(case.targets)} targets{where}"
    if case.everywhere:
        return f"AllTenants ({case.tenant_count} tenants)"
    return _tenant_name(case) if case.tenant else "this CIPP instance"


def _tenant_name(case: Case) -> str:
    if len(case.tenants) > 1 and not case.everywhere:
        return f"{len(set(case.tenants.values()))} tenants"
    assert case.tenant is not None
    return quoted(case.tenant.shown(), 120)


def _tenant(case: Case) -> str | list[str]:
    if case.everywhere:
        return f"AllTenants ({case.tenant_count} tenants)"
    named = [f"{quoted(t.name, 80)} | {t.default_domain} | {t.customer_id}" for t in dict.fromkeys(case.tenants.values())]
    return named[0] if len(named) == 1 else named or "none: this changes CIPP itself"


def _target(target: Target, case: Case) -> str:
    # A long list is one of names: the ids are in the digest, and a person cannot compare twenty of them.
    parts = [quoted(target.name or target.id, 120)] + ([f"id {target.id}"] if len(case.targets) <= SHOWN_TARGETS else [])
    if len(case.targets) == 1:  # of several, who they are counts; what changes stands in its own line
        if target.label and target.label != target.name:
            parts.insert(1, quoted(target.label, 80))
        parts += [f"{k} {_short(v)}" for k, v in target.state.items() if v not in (None, "", []) and "." not in k]
    if case.roles is None:
        parts.append("privileged roles could not be read")
    elif held := case.roles.get(target.id):
        parts.append(f"PRIVILEGED: {', '.join(held)}")
    if target.note:
        parts.append(target.note)
    return " | ".join(parts)


def _argument(f: ActionField, case: Case) -> str | None:
    """One switched-on argument: flags by name, choices and numbers as they are, texts marked and cut."""
    value = case.arguments.get(f.name)
    if f.kind is not None and (f.kind == "tenant" or case.action.target in {"", f.name}):
        return None
    if f.same_as or value is None or value is False or value == []:
        return f"{f.name}: false" if value is False and not f.optional else None
    if f.secret:
        named = f"{', '.join(quoted(str(k), 30) for k in list(value)[:SHOWN_KEYS])} " if isinstance(value, Mapping) else ""
        return f"{f.name}: {named}(not shown)"
    if f.code:
        return f"{f.name}: {len(str(value))} characters"
    if isinstance(value, Mapping):
        return f"{f.name}: {_pairs(value, SHOWN_KEYS)}"
    if value is True:
        return f.name
    if isinstance(value, list | tuple):
        shown = [_pairs(v, 3) if isinstance(v, Mapping) else quoted(str(v), 60) for v in value[:SHOWN_TARGETS]]
        return f"{f.name}: {', '.join(shown)}{_more(value)}"
    return f"{f.name}: {value if isinstance(value, int) else quoted(str(value), 60)}"


def _pairs(value: Mapping[Any, Any], most: int) -> str:
    """A given object, key by key, cut."""
    shown = [f"{quoted(str(k), 30)} {_short(v)}" for k, v in list(value.items())[:most]]
    return f"({', '.join(shown)}{f' and {len(value) - most} more' if len(value) > most else ''})"


def _more(values: Any) -> str:
    return f" and {len(values) - SHOWN_TARGETS} more" if len(values) > SHOWN_TARGETS else ""


def _changes(case: Case) -> list[str]:
    """Current -> intended, from what the read-back will look for."""
    found = []
    for verify in case.action.verify:
        for check in verify.expect:
            if not check.field or verify.read != "target" or (check.when and not check.when.met(case.heeded)):
                continue
            intended = _intended(check, case.heeded)
            if intended is None or not case.targets:
                continue
            now = {_short(t.state[check.field]) if check.field in t.state else "(not read)" for t in case.targets}
            found.append(f"{check.field}: {now.pop() if len(now) == 1 else '(differs)'} -> {intended}")
    return found


def _intended(check: Expect, arguments: Mapping[str, Any]) -> str | None:
    if check.absent:
        return "(none)"
    if check.moved:
        return "(a new value)"
    for verb, wanted in (("", check.equals), ("also ", check.holds), ("without ", check.lacks), ("only ", check.only)):
        if wanted is None:
            continue
        value = arguments.get(wanted[1:].partition(".")[0]) if isinstance(wanted, str) and wanted.startswith("$") else wanted
        return None if value is None else f"{verb}{_short(value)}"
    return None


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("label"), str):  # CIPP's {label, value}
        value = value["label"]
    if value in (None, "", []):
        return "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(quoted(str(v), 60) for v in value[:3]) + (f" and {len(value) - 3} more" if len(value) > 3 else "")
    return quoted(str(value), 60)
