"""One reference page a group: what each tool does, asks, sends and proves, derived from its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action, ActionField, Encoding
from cipp_mcp.catalog.doubt import Doubt
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.catalog.proof import Expect, Follow, Verify

_TYPES = {"flag": "true or false", "number": "whole number", "object": "object", "text": "text"}


def pages(catalog: Catalog) -> dict[str, str]:
    """Group name -> its page in Markdown."""
    return {name: "\n".join(_page(catalog, name)) for name in catalog.groups}


def _page(catalog: Catalog, group: str) -> Iterator[str]:
    about = catalog.groups[group]
    own = [a for a in catalog if a.group == group]
    yield "<!-- Made by `python -m cipp_mcp handbook` from manifests/; change those. -->"
    yield ""
    yield f"# {about.title}"
    yield ""
    yield f"{about.summary} Tools: {len(own)}."
    yield ""
    yield "| tool | effect | title |"
    yield "| --- | --- | --- |"
    for action in own:
        yield f"| [{action.name}](#{action.name}) | {effects(action)} | {_cell(action.title)} |"
    yield ""
    for action in own:
        yield from _tool(action, catalog)


def _tool(action: Action, catalog: Catalog) -> Iterator[str]:
    yield f"## {action.name}"
    yield ""
    yield " ".join([action.summary, *map(str, action.rules)])
    yield ""
    yield f"- Effect: {effects(action)}"
    yield f"- Who is asked: {who(action)}"
    yield "- CIPP: not asked; this server answers" if action.own else f"- CIPP: `{action.endpoint}`, role `{action.role}`"
    if action.all_tenants:
        yield "- AllTenants: accepted"
    if action.settles == "later":
        yield "- Work: CIPP queues it"
    if action.doubt is not None:
        yield f"- Not said by CIPP: {'; '.join(_doubts(action.doubt))}"
    if action.strongest is not Effect.READ:
        yield f"- Read-back: {_read_back(action, catalog)}"
    if action.loses:
        yield f"- What is lost: {action.loses}"
    if action.undo:
        yield f"- Way back: {action.undo}"
    if action.formerly:
        yield f"- Formerly: {', '.join(f'`{old}`' for old in action.formerly)}"
    if action.words:
        yield f"- Also called: {', '.join(action.words)}"
    yield ""
    if action.fields:
        yield "| argument | type | needed | meaning | place |"
        yield "| --- | --- | --- | --- | --- |"
        yield from map(_argument, action.fields)
        yield ""


def effects(action: Action) -> str:
    """The effect word, and what raises it."""
    words: dict[Effect, list[str]] = {}
    for r in action.raises:
        words.setdefault(r.to, []).append(str(r))
    for argument, by in action.by.items():
        for word in dict.fromkeys(by.values()):
            if word is not action.effect:
                choices = [c for c, w in by.items() if w is word]
                words.setdefault(word, []).append(f"{argument} is {' or '.join(choices)}")
    return "; ".join([str(action.effect), *(f"{word} when {' or '.join(cases)}" for word, cases in words.items())])


def who(action: Action) -> str:
    """Who says yes before it runs."""
    if not action.may_ask:
        return "nobody"
    typed = action.strongest.types_name
    person = "a person, who types the target's name" if action.effect.types_name else "a person"
    if action.effect.asks:
        return person
    cases = [inputs.asks_when(action)] if inputs.asks_when(action) else []
    cases += ["it names several targets"] if action.several else []
    cases += ["it names AllTenants"] if action.all_tenants else []
    cases = cases or ["it issues a secret"]
    return f"a person when {' or '.join(cases)}{'; for the strongest case the name is typed' if typed else ''}"


def _doubts(doubt: Doubt) -> Iterator[str]:
    if doubt.empty:
        yield "an empty list may mean that it could not read it"
    if doubt.most:
        yield f"that it cuts the list at {doubt.most} rows"
    if doubt.parts:
        yield f"that it leaves out {doubt.parts} that it cannot read"


def _read_back(action: Action, catalog: Catalog) -> str:
    said = [_followed(action.follow)] if action.follow is not None else []
    said += [_verified(v, action, catalog) for v in action.verify if v.read]
    reasons = [f"none: {v.claimed}" for v in action.verify if v.claimed]
    return "; ".join([*said, *(f"otherwise {reason}" if said else reason for reason in reasons)]) or "none"


def _followed(follow: Follow) -> str:
    when = f" when {follow.when}" if follow.when is not None else ""
    return f"check_operation follows the job in `{follow.read}` to its end{when}"


def _verified(verify: Verify, action: Action, catalog: Catalog) -> str:
    kinds = [catalog.kinds[f.kind] for f in action.fields if f.kind and f.kind in catalog.kinds]
    target = f"`{kinds[0].read}`" if kinds else "the target"
    read = target if verify.read == "target" else f"`{verify.read}`"
    only = ", which tells that it is queued and no more" if verify.job else ""
    blind = f"; it proves nothing with {', '.join(verify.blind)}" if verify.blind else ""
    beyond = f"; of {', '.join(verify.beyond)} only CIPP's own lines tell" if verify.beyond else ""
    return f"{read} shows {', '.join(_expected(e) for e in verify.expect)}{only}{blind}{beyond}"


def _expected(expect: Expect) -> str:
    said = _check(expect)
    return f"{said} when {expect.when}" if expect.when is not None else said


def _check(expect: Expect) -> str:
    field = f"`{expect.field}`" if expect.field else ""
    if expect.gone:
        return "that it is gone"
    if expect.row is not None:
        if expect.alone:
            return f"no row but those with {_pairs(expect.row)}"
        some = "a new" if expect.fresh else "a"
        return f"{some if expect.listed else 'no'} row with {_pairs(expect.row)}"
    if expect.absent:
        return f"no {field}"
    if expect.moved:
        return f"a changed {field}"
    for word, value in (("=", expect.equals), ("with", expect.holds), ("without", expect.lacks), ("only", expect.only)):
        if value is not None:
            return f"{field} {word} {_value(value)}"
    others = {n: v for n, v in expect.model_dump(exclude_defaults=True).items() if n not in {"field", "when"}}
    return f"{field} {', '.join(f'{n} {_value(v)}' for n, v in others.items())}".strip()


def _pairs(row: Any) -> str:
    return ", ".join(f"`{k}` = {_value(v)}" for k, v in row.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f"`{value.removeprefix('$')}`" if value.startswith("$") else f"`{value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "nothing" if value in ([], ()) else f"`{value}`"


def _argument(f: ActionField) -> str:
    needed = "yes" if f.required else f"default `{_plain(f.default)}`" if f.default is not None else ""
    return f"| `{f.name}` | {_type(f)} | {needed} | {_cell(f.summary)} | `{f.to}` |"


def _type(f: ActionField) -> str:
    if f.choices:
        word = " or ".join(f"`{_cell(str(c))}`" for c in f.choices)
    elif f.type == "time":
        word = "date" if f.encoding is Encoding.YYYYMMDD else "date and time"
    else:
        word = f.kind or _TYPES[f.type]
    return f"list of {word}" if f.many else word


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
