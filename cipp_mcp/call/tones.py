"""How CIPP's sentences read: good, bad, queued, or nothing that can be told. Pure, and never by tool name.

CIPP says failure under 200 and success under 400; an unknown wording is never a success.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from cipp_mcp.call.stream import LongList
from cipp_mcp.message import Json


class Tone(StrEnum):
    """How one line of an answer reads."""

    GOOD = "good"
    BAD = "bad"
    NONE_NEEDED = "none_needed"
    QUEUED = "queued"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Line:
    """One result entry of CIPP: its text and how it reads."""

    tone: Tone
    text: str


LONGEST_SENTENCE = 20_000

QUEUE = re.compile(r"\s*(loading data|still loading data|data still processing|loading \d+ rows)", re.IGNORECASE)
_SCHEDULED_JOB = re.compile(
    r"scheduled job with id|has been scheduled|scheduled .{0,60}\btask\b(?!\(s\)| successfully removed)|queu(ed|ing)|rescheduled"
    r"|^executing\b|^scheduled licen[cs]e removal|^scheduled\b.+\bin \d+ minutes\b",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"^\W*(failed|failure|error|could ?n[o']t|unable|cannot|can't|no valid|not |invalid|exception|warning|skipped)"
    r"|(?<!\b0 )(?<!\bwill )\b(fail(ed|ure|s)?|errors?|denied|forbidden|unauthori[sz]ed|insufficient|does not exist|was not"
    r"|were not|not found|not a valid|not supported|could not|cannot|unable to|not permitted|not allowed|exception|timed? ?out"
    r"|rejected|aborted)\b",
    re.IGNORECASE,
)
_GOOD = re.compile(
    r"\b(success(ful(ly)?)?|succeeded|completed?|added|removed|deleted|created|updated|edited|enabled|disabled|assigned|unassigned|restored"
    r"|converted|cleared|revoked|executed|started|saved|granted|changed|dismissed|accepted|set|sent|synced|scheduled|applied|reset|done|ok)\b"
    r"|^(allowed|blocked) external senders\b",
    re.IGNORECASE,
)
_NONE_NEEDED = re.compile(
    r"^\s*no \w+( \w+){0,2} (changes? )?(needed|required|found)|already (exists|set|assigned|enabled|disabled|cleared|correct)"
    r"|connector is (available|enabled)$",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(is|are|was|were|has|have|had|did|does|do|will|would|can|could|should)( not|n['’]t)\b|\bnothing (was|has|changed)\b"
    r"|\b(no|none of the) \w+( \w+)? (was|were|has|have)\b",
    re.IGNORECASE,
)


def tone_of(text: str, state: str = "") -> Tone:
    """How a line reads. A state that CIPP gives outranks the words; words that are neither good nor bad are unclear."""
    begins = text[:LONGEST_SENTENCE]
    match state.strip().lower():
        case "success" | "updated" | "created":
            return Tone.GOOD
        case "error" | "failed" | "failure":
            return Tone.BAD
        case "warning" | "info":
            return Tone.BAD if _BAD.search(begins) else Tone.UNCLEAR if state.strip().lower() == "warning" else Tone.GOOD
        case _:
            pass
    bad = bool(_BAD.search(begins))
    if begins != text:  # a file, a page or junk: it does not say how anything ended
        return Tone.BAD if bad else Tone.UNCLEAR
    if not bad and _NONE_NEEDED.search(text):
        return Tone.NONE_NEEDED
    if QUEUE.match(text):
        return Tone.QUEUED
    if bad:
        return Tone.BAD
    if _NEGATED.search(text) and "success" not in text.lower():  # "did not get converted" holds a good verb too
        return Tone.UNCLEAR
    if _SCHEDULED_JOB.search(text):
        return Tone.QUEUED
    return Tone.GOOD if _GOOD.search(text) else Tone.UNCLEAR


def lines_of(data: Json | LongList) -> Iterator[Line]:
    """Every result entry, however nested: texts, {resultText, state}, {Error}, {Results: …}."""
    if isinstance(data, str):
        if data.strip():
            yield Line(tone_of(data), data)
    elif isinstance(data, list | LongList):
        for inner in data if isinstance(data, list) else data.first:
            yield from lines_of(inner)
    elif isinstance(data, Mapping):
        names = lower_names(tuple(data))
        if "resulttext" in names or "state" in names:
            text = str(under(data, "resulttext") or under(data, "message") or "")
            yield Line(tone_of(text, str(under(data, "state") or "")), text)
        elif error := under(data, "error") or under(data, "errors"):
            yield Line(Tone.BAD, error if isinstance(error, str) else json.dumps(error))
        elif "results" in names:
            meta = under(data, "metadata")
            said = [under(one, "success") for one in (data, meta) if isinstance(one, Mapping)]
            no = any(flag is False for flag in said)  # a flag beside the text outranks it, as a state does
            yield from (Line(Tone.BAD, line.text) if no else line for line in lines_of(under(data, "results")))


@lru_cache(256)
def lower_names(names: tuple[str, ...]) -> Mapping[str, str]:
    """In small letters -> as the object has it. The rows of a list mostly have the same names, and every row is asked."""
    return {name.lower(): name for name in names}


def under(row: Mapping[str, Any], name: str) -> Any:
    """What an object has under a name, in whatever letters; None where it has no such name."""
    own = lower_names(tuple(row)).get(name)
    return None if own is None else row[own]
