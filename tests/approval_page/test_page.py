"""What the page says, and that no name can make it say anything else."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cipp_mcp.approval_page import page, wording
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.text import hidden_in
from tests.approval_page import plans
from tests.approval_page.conftest import NOON

ROLES = {plans.person(2).id: ("User Administrator",), plans.person(7).id: ("Exchange Administrator",)}
MINE = {
    "html", "head", "meta", "title", "style", "body", "main", "article", "section", "details", "summary", "div", "h1", "h2", "h3",
    "p", "a", "b", "strong", "span", "bdi", "dl", "dt", "dd", "ul", "li", "form", "label", "input", "button", "svg", "path",
    "circle",
}  # fmt: skip


class Read(HTMLParser):
    """A page as a browser reads it: which elements, which attributes, which words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.labels += [value or "" for name, value in attrs if name == "for"]

    def handle_data(self, data: str) -> None:
        self.words += f"{data} " if not data.startswith("/*") else ""


def shown(top: Plan | None, *others: Plan, pin: bool = False) -> str:
    return page.plans_page(top, others, lambda plan_id: f"token-of-{plan_id}", NOON, pin=pin)


def bared(text: str) -> str:
    """Without blanks, quotes and letter case, which the page sets in its own way."""
    return "".join(text.replace('"', "").split()).casefold()


def harmless(text: str) -> Read:
    """No script, no handler, no inline style, nothing from outside."""
    read = Read(text)
    assert read.tags <= MINE
    for name, value in read.attributes:
        assert not name.startswith("on") and name not in {"style", "src", "srcset", "background"}
        if name in {"href", "action", "formaction"}:
            assert value in {"./", "approve", "decline"}
    assert hidden_in(read.words.replace("\n", "")) == 0
    return read


def test_a_plan_with_no_way_back_says_everything_that_counts() -> None:
    plan = plans.wipe(NOON)
    words = harmless(shown(plan)).words
    for said in (
        'What if: Performing the operation "Wipe device"', "Destroy", "No way back", "Fabrikam Inc", "fabrikam.example",
        plans.FABRIKAM.customer_id, "LAPTOP-0001", plans.device().id, '"5CG1234X01"', '"managed"', '"wipePending"', "1 object",
        "BitLocker keys of the old installation", "the device can be enrolled again", "Queued", "POST /api/ExecDeviceAction",
        '"Stolen on a train"', plan.short, "type exactly", "tess@msp.example", "has not validated",
    ):  # fmt: skip
        assert said.replace('"', "") in words.replace('"', "").replace("  ", " "), said


@pytest.mark.parametrize(
    ("plan", "word", "look", "typed"),
    [
        (plans.wipe(NOON), "Destroy", "destroy", "exactly"),
        (plans.disable(NOON), "Remove", "remove", "the word"),
        (plans.plan(plans.CLIENTS, now=NOON, arguments={"role": "admin"}), "Govern", "govern", "exactly"),
        (plans.plan(plans.LAPS, plans.device(), now=NOON), "Reveal", "reveal", "the word"),
        (replace(plans.disable(NOON), effect="novel"), "novel", "destroy", "the word"),
    ],
)
def test_each_effect_has_its_word_and_its_look(plan: Plan, word: str, look: str, typed: str) -> None:
    text = shown(plan)
    assert f'<article class="plan {look}">' in text and f"<strong>{word}</strong>" in text and f"type {typed}" in text


def test_queued_and_immediate_and_held_are_told_apart() -> None:
    at_once, held = shown(plans.disable(NOON)), shown(plans.disable(NOON, held=True))
    assert "At once" in at_once and "Queued" not in at_once
    assert "when the call is made again" in held


def test_privileged_targets_are_marked_also_among_those_not_described() -> None:
    plan = plans.disable(NOON, 7, roles=ROLES)
    text = shown(plan)
    assert "Privileged: User Administrator" in text and "Privileged: Exchange Administrator" in text
    assert "2 privileged" in text and "7 objects" in text and "gil@fabrikam.example" in text
    assert "rivileged" not in shown(plans.disable(NOON, 7))


def test_roles_that_could_not_be_read_count_as_privileged() -> None:
    plan = plans.disable(NOON, 2)
    unread = replace(plan, facts={**plan.facts, "roles": None})
    assert shown(unread).count("roles could not be read") == 2


@pytest.mark.parametrize("many", [1, 3])
def test_no_name_becomes_markup_or_a_label(many: int) -> None:
    targets = [
        plans.device(n, name=plans.HOSTILE, label=plans.HOSTILE, state={"managementState": plans.HOSTILE}) for n in range(many)
    ]
    tenant = replace(plans.FABRIKAM, name=plans.HOSTILE)
    plan = plans.plan(plans.WIPE, *targets, now=NOON, arguments={"note": plans.HOSTILE}, tenant=tenant)
    read = harmless(shown(plan, plan, pin=True))
    assert "alert(1)" in read.words
    assert wording.privileged_count(plan) == 0
    assert all(t.name.startswith('"<script>') and not t.privileged for t in wording.shown_targets(plan))
    (change,) = wording.changes(plan)
    assert (change.field, change.now[:9], change.then) == ("managementState", '"<script>', '"wipePending"')


def test_everything_that_the_preview_says_is_shown_also_under_labels_unknown_here() -> None:
    plan = plans.disable(NOON, 7, roles=ROLES)
    preview = dict(plan.preview) | {
        "again": "was done at noon",
        "some_new_thing": ["first line", "second line"],
        "switched_off": "wipe",
    }
    words = harmless(shown(replace(plan, preview=preview))).words
    bare = bared(words)
    for label, value in preview.items():
        for line in value if isinstance(value, list) else [str(value).partition(", which")[0]]:
            for part in wording.split_outside(line, " | ") if label != "effect" else []:
                assert all(bared(word) in bare for word in part.replace(" -> ", ": ").split(": ")), (label, part)
    assert "Some new thing" in words and "Switched off" in words


def test_a_preview_that_was_not_cleaned_is_cleaned_here() -> None:
    dirty = 'What if: \u202e\x1b[31m\u200bPerforming <b>"\u2066x"'
    plan = replace(
        plans.wipe(NOON), preview={"what_if": dirty, "tenant": [dirty], "targets": dirty, "changes": ["\x00"], "with": dirty}
    )
    assert "Performing <b>" in harmless(shown(plan, plan)).words
    harmless(page.answered_page("Approved", page.CLOSE, about=plan))


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_whatever_a_target_is_called_the_page_stays_the_page(name: str) -> None:
    plan = plans.plan(
        plans.WIPE,
        plans.device(name=name, label=f"{name}2", state={"managementState": name}),
        now=NOON,
        arguments={"note": name},
        roles={plans.device().id: ("Intune Administrator",)},
    )
    harmless(shown(plan))
    (target,) = wording.shown_targets(plan)
    assert target.privileged == "Intune Administrator"
    assert wording.changes(plan)[0].field == "managementState"


@given(st.lists(st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"]), max_size=12), max_size=5))
def test_only_what_stands_outside_quotes_splits(values: list[str]) -> None:
    line = " | ".join(f'"{value}"' for value in values)
    assert wording.split_outside(line, " | ") == ([f'"{v}"' for v in values] or [""])


def test_labels_belong_to_fields_and_every_id_is_there_once() -> None:
    read = harmless(shown(plans.wipe(NOON), plans.disable(NOON), plans.disable(NOON, 2), pin=True))
    assert len(read.ids) == len(set(read.ids))
    assert len(read.labels) == 6 and set(read.labels) <= set(read.ids)
    assert sum(name == "autofocus" for name, _ in read.attributes) == 1


def test_the_pin_is_asked_for_only_where_there_is_one() -> None:
    assert 'name="pin"' not in shown(plans.wipe(NOON)) and 'name="pin"' in shown(plans.wipe(NOON), pin=True)


def test_an_answer_is_due_today_or_on_a_day() -> None:
    assert wording.until(NOON + 60, NOON).startswith("today ")
    assert wording.until(NOON + 48 * 3600, NOON).startswith("20")


def test_the_end_says_that_the_window_can_go_and_what_it_was_about() -> None:
    plan = plans.disable(NOON)
    read = harmless(page.answered_page("Approved", page.CLOSE, about=plan, good=True, others=2))
    assert plan.short in read.words and "You can close this window" in read.words and "2 more plans wait" in read.words
