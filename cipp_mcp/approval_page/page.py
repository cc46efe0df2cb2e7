"""What a person sees: pure HTML from a Plan. No script, nothing loaded from outside.

Every text was cleaned when the plan was made and is cleaned and escaped again here; values that come from a tenant
stand in a `bdi`, so that a name written right to left cannot turn the sentence around it. Sockets, stores and
addresses may not enter: forms lead to relative places.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

from cipp_mcp.approval_page import wording
from cipp_mcp.call.guard.plan import YES, Plan
from cipp_mcp.call.text import clean

TRIANGLE = (
    '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M12 2.6 23 21.5H1z"/><path class="ink" d="M11 9h2v6.5h-2zM11 17h2v2.2h-2z"/></svg>'
)
DISC = (
    '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">'
    '<circle cx="12" cy="12" r="10.5"/><path class="ink" d="M11 10.5h2v7h-2zM11 6.5h2v2.3h-2z"/></svg>'
)
TICK = (
    '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">'
    '<circle cx="12" cy="12" r="11"/><path class="ink" d="m10.3 17.6-5-5 1.8-1.8 3.2 3.2 6.9-7 1.8 1.8z"/></svg>'
)

ROWS = {
    "again": ("Again", "again"),
    "ignored": ("Ignored", "again"),
    "with": ("Arguments", "chips"),
    "lost": ("What is lost", "lost"),
    "way_back": ("Way back", ""),
    "names": ("Named in it", ""),
    "ends": ("How it ends", ""),
}
"""Preview label -> what it is called here, and how it looks."""

ELSEWHERE = frozenset({"what_if", "more_targets", "how_many", "effect", "sends", "checked"})
"""Preview labels that have a place of their own outside the rows."""

Token = Callable[[str], str]


@cache
def style() -> str:
    """The style sheet, as it stands in the page."""
    return files("cipp_mcp.approval_page").joinpath("page.css").read_text(encoding="utf-8")


@cache
def style_hash() -> str:
    """What a content security policy must name for that style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style().encode()).digest()).decode("ascii")


def plans_page(top: Plan | None, others: Sequence[Plan], token: Token, now: float, *, pin: bool, notice: str = "") -> str:
    """All waiting plans, the one that the page was opened for first and open.

    Args:
        token: plan id -> what its form carries back.
        notice: what went wrong with the answer before this one.
    """
    parts = [f'<p class="notice" role="alert">{_text(notice)}</p>'] if notice else []
    if top is not None:
        parts.append(_plan(top, token(top.id), now, pin=pin, first=True))
    elif not others:
        parts.append(_message("No plan is waiting", "The plan that this page was opened for is no longer waiting. " + CLOSE))
    if others:
        head = f"{len(others)} more {'plan waits' if len(others) == 1 else 'plans wait'} for an answer"
        parts.append(f'<section class="others"><h2>{head}</h2>')
        parts += [_folded(plan, token(plan.id), now, pin=pin) for plan in others]
        parts.append("</section>")
    title = f"{wording.effect_words(top)[0]}: {top.action}?" if top else "Waiting plans"
    return _document(title, "".join(parts), wording.look(top) if top else "plain")


def answered_page(title: str, says: str, *, about: Plan | None = None, good: bool = False, others: int = 0) -> str:
    """The end of an answer: what was understood, what happens now, and that the window can go."""
    more = f'<p class="quiet">Plan {_text(about.short)}: {_values(_what_if(about))}</p>' if about else ""
    if others:
        more += f'<p><a href="./">{others} more {"plan waits" if others == 1 else "plans wait"} for an answer</a></p>'
    return _document(title, _message(title, says, more, TICK if good else ""), "good" if good else "plain")


def secret_page(token: str) -> str:
    """Before the button: nothing is shown and nothing is used up, so that whatever only looks at links does no harm."""
    form = (
        f'<form method="post"><input type="hidden" name="csrf" value="{_text(token)}">'
        '<button class="approve" autofocus>Show the secret once</button></form>'
    )
    says = "It is shown one time and then gone. Make sure that nobody looks over your shoulder or at a shared screen."
    return _document("Show the secret?", _message("A secret is ready", says, form), "reveal")


def shown_secret_page(secret: str) -> str:
    """The secret itself, untouched but for the escaping."""
    body = f'<p class="secret" tabindex="0">{html.escape(secret)}</p>'
    says = "This is the only time: it cannot be shown again. Copy it, then close this window."
    return _document("The secret", _message("The secret", says, body), "reveal")


CLOSE = "You can close this window."


def _plan(plan: Plan, token: str, now: float, *, pin: bool, first: bool) -> str:
    word, meaning = wording.effect_words(plan)
    look = wording.look(plan)
    level = "h1" if first else "h3"
    return (
        f'<article class="plan {look}"><div class="band">{TRIANGLE if look in {*wording.LOUD, "remove"} else DISC}'
        f'<strong>{_text(word)}</strong><span class="meaning">{_text(meaning)}</span>'
        f'<span class="count">{_holders(plan)}{_text(wording.count(plan))}</span></div>'
        f'<{level} class="whatif">{_values(_what_if(plan))}</{level}>'
        f'<div class="columns">{_facts(plan)}{_answer(plan, token, now, pin=pin, first=first)}</div></article>'
    )


def _folded(plan: Plan, token: str, now: float, *, pin: bool) -> str:
    word, sheet = wording.effect_words(plan)[0], _plan(plan, token, now, pin=pin, first=False)
    what_if = _values(_what_if(plan))
    return f'<details class="{wording.look(plan)}"><summary><strong>{_text(word)}</strong> {what_if}</summary>{sheet}</details>'


def _facts(plan: Plan) -> str:
    """The preview in its own order. A label that this page has never heard of gets a row all the same."""
    rows = [_fact(plan, label) for label in plan.preview if label not in ELSEWHERE]
    when = "Queued: CIPP takes it as a job and runs it later" if wording.queued(plan) else "At once, as soon as you approve"
    if plan.held:
        when += ", when the call is made again"
    sends = str(plan.preview.get("sends", "")).partition(",")[0]
    rows.append(_row("Runs", [f'<li>{when} <span class="quiet">{_text(sends)}</span></li>']))
    return f'<div class="facts"><dl>{"".join(rows)}</dl></div>'


def _fact(plan: Plan, label: str) -> str:
    if label == "targets":
        items = [_target(t) for t in wording.shown_targets(plan)]
        items += [_one_more(plan, len(items) + n, line) for n, line in enumerate(wording.lines(plan, "more_targets"))]
        return _row(f"Targets ({len(items)})" if len(items) > 1 else "Target", items, "several" if len(items) > 1 else "")
    if label == "changes":
        return _row("Changes", [_change(c) for c in wording.changes(plan)], "changes")
    said = wording.lines(plan, label)
    if label == "tenant":
        return _row("Tenant", [f"<li>{_parted(line)}</li>" for line in said])
    name, kind = ROWS.get(label, (label.replace("_", " ").capitalize(), ""))
    return _row(name, [f"<li>{_values(line)}</li>" for line in said], kind)


def _holders(plan: Plan) -> str:
    """In the band too, because among many targets the one that matters may stand far down."""
    holders = wording.privileged_count(plan)
    return f'<span class="badge">{TRIANGLE}{holders} privileged</span>' if holders else ""


def _row(label: str, items: Sequence[str], kind: str = "") -> str:
    if not items:
        return ""
    return f'<div class="row {kind}"><dt>{_text(label)}</dt><dd><ul>{"".join(items)}</ul></dd></div>'


def _target(target: wording.Shown) -> str:
    details = "".join(f"<span>{_values(d)}</span>" for d in target.details)
    return f'<li>{_name(target.name)}{_badge(target.privileged)}<span class="details">{details}</span></li>'


def _one_more(plan: Plan, index: int, line: str) -> str:
    return f"<li>{_name(line)}{_badge(wording.roles_of(plan, index))}</li>"


def _badge(roles: str) -> str:
    return f' <span class="badge">{TRIANGLE}Privileged: {_text(roles)}</span>' if roles else ""


def _change(change: wording.Change) -> str:
    if not change.field:
        return f"<li>{_values(change.whole)}</li>"
    return (
        f'<li><span class="field">{_text(change.field)}</span> <span class="now">{_values(change.now)}</span>'
        f'<span class="arrow" role="img" aria-label="becomes">→</span><b class="then">{_values(change.then)}</b></li>'
    )


def _answer(plan: Plan, token: str, now: float, *, pin: bool, first: bool) -> str:
    # Approve comes first in the form, because Enter presses the first button.
    key = plan.id[-8:]
    focus = " autofocus" if first else ""
    phrase = clean(plan.phrase)
    strange = "" if phrase.isascii() else '<p class="quiet">Not only plain letters: look closely.</p>'
    checked = "".join(f'<li class="quiet">{_text(line)}</li>' for line in wording.lines(plan, "checked"))
    to_type = "the word" if plan.phrase == YES else "exactly"
    asks_pin = (
        f'<label for="pin-{key}">Your PIN</label>'
        f'<input id="pin-{key}" name="pin" type="password" required maxlength="200" autocomplete="one-time-code">'
        if pin
        else ""
    )
    return (
        f'<form class="answer" method="post" action="approve"><input type="hidden" name="plan" value="{_text(plan.id)}">'
        f'<input type="hidden" name="csrf" value="{_text(token)}">'
        f'<label for="phrase-{key}">To approve, type {to_type}<span class="phrase"><bdi>{_text(phrase)}</bdi></span></label>'
        f'{strange}<input id="phrase-{key}" name="phrase" type="text" required maxlength="2000" autocomplete="off" '
        f'autocapitalize="off" spellcheck="false" aria-describedby="note-{key}"{focus}>{asks_pin}'
        '<div class="buttons"><button class="approve">Approve</button>'
        '<button class="decline" formaction="decline" formnovalidate>Decline</button></div>'
        f'<p class="quiet" id="note-{key}">Anything else that you type declines the plan.</p>'
        f'<ul class="seal">{checked}<li><span>Answer by</span><b>{_text(wording.until(plan.expires, now))}</b></li>'
        f'<li><span>Plan digest</span><b class="digest">{_text(plan.short)}</b></li>'
        f"<li><span>Asked as</span><b><bdi>{_text(plan.owner.operator or plan.owner.os_user)}</bdi></b></li></ul></form>"
    )


def _what_if(plan: Plan) -> str:
    return str(plan.preview.get("what_if", plan.action))


def _message(title: str, says: str, more: str = "", icon: str = "") -> str:
    return f'<article class="message"><h1>{icon}{_text(title)}</h1><p>{_text(says)}</p>{more}</article>'


def _document(title: str, body: str, look: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta name="color-scheme" content="light dark"><title>{_text(title)} · cipp-mcp</title><style>{style()}</style></head>'
        f'<body class="{look}"><main>{body}</main></body></html>'
    )


def _parted(line: str) -> str:
    """A name, then what else identifies it."""
    name, *rest = wording.split_outside(line, " | ")
    details = "".join(f"<span>{_values(part)}</span>" for part in rest)
    return f'{_name(name)}<span class="details">{details}</span>'


def _name(quoted: str) -> str:
    """A name on its own: set apart by its element, so it needs no quotes."""
    inner = quoted[1:-1] if len(quoted) > 2 and quoted[0] == quoted[-1] == '"' else quoted
    return f"<b><bdi>{_text(inner)}</bdi></b>"


def _values(text: str) -> str:
    """A line of ours with foreign values in it: each of those set apart."""
    return "".join(f"<bdi>{_text(p)}</bdi>" if p.startswith('"') else _text(p) for p in wording.pieces(text))


def _text(text: str) -> str:
    return html.escape(re.sub(r"\s+", " ", clean(text)), quote=True)
