"""Response -> `Answer`: what kind of thing came back, before anybody calls it a success.

CIPP answers 200 for failures, 403 and 500 for part successes, HTML for a wrong address. Content decides, not the
declared type; an unknown wording is never a success. No network, no judgement by tool name may enter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cipp_mcp.message import Json, Response

DEEPEST = 200


class Shape(StrEnum):
    """What the body is."""

    JSON = "json"
    TEXT = "text"
    HTML = "html"
    EMPTY = "empty"
    BROKEN = "broken"  # says JSON, is not


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


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer.

    Attributes:
        status: HTTP status.
        shape: what the body is; `data` is set for JSON and text.
        problem: our sentence when the answer cannot be data whatever was asked (redirect, sign-in page, refusal …).
        hint: the next step for that problem.
        reached: False when it is proven that CIPP's function did not run.
        lines: result entries, for answers to writes.
        queue_id, queue_message: CIPP is still building what was asked for.
    """

    status: int
    shape: Shape
    data: Json = None
    problem: str = ""
    hint: str = ""
    reached: bool = True
    lines: tuple[Line, ...] = ()
    queue_id: str = ""
    queue_message: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, path: str = "") -> list[dict[str, Any]]:
        """The rows of a list answer: a bare list, the list under `path` or `Results`, or a single object as one row."""
        found: Json = self.data
        for part in path.split(".") if path else ():
            found = found.get(part) if isinstance(found, Mapping) else None
        if not path and isinstance(found, Mapping) and "Results" in found:
            found = found["Results"]
        if isinstance(found, Mapping):
            found = [dict(found)]
        return [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []


_QUEUE = re.compile(r"\s*(loading data|still loading data|data still processing|loading \d+ rows)", re.IGNORECASE)
_SCHEDULED_JOB = re.compile(r"scheduled job with id|has been scheduled|scheduled .{0,60}\btask\b|queued", re.IGNORECASE)
_BAD = re.compile(
    r"^\W*(failed|failure|error|could ?n[o']t|unable|cannot|can't|no valid|not |invalid|exception|warning)"
    r"|\b(fail(ed|ure|s)?|errors?|denied|forbidden|unauthori[sz]ed|insufficient|does not exist|was not|were not|not found"
    r"|not supported|could not|cannot|unable to|not permitted|not allowed|exception|timed? ?out|rejected|aborted)\b",
    re.IGNORECASE,
)
_GOOD = re.compile(
    r"\b(success(ful(ly)?)?|succeeded|completed?|added|removed|deleted|created|updated|enabled|disabled|assigned|unassigned|restored"
    r"|converted|cleared|revoked|started|saved|granted|changed|dismissed|accepted|set|sent|synced|scheduled|applied|reset|done|ok)\b",
    re.IGNORECASE,
)
_NONE_NEEDED = re.compile(
    r"^\s*no \w+( \w+)? (changes? )?(needed|required)|already (exists|set|assigned|enabled|disabled|cleared)", re.I
)
_REFUSAL = "access to this"


def tone_of(text: str, state: str = "") -> Tone:
    """How a line reads. A state that CIPP gives outranks the words; words that are neither good nor bad are unclear."""
    match state.strip().lower():
        case "success" | "updated" | "created":
            return Tone.GOOD
        case "error" | "failed" | "failure":
            return Tone.BAD
        case "warning" | "info":
            return Tone.BAD if _BAD.search(text) else Tone.UNCLEAR if state.strip().lower() == "warning" else Tone.GOOD
        case _:
            pass
    if _NONE_NEEDED.search(text):
        return Tone.NONE_NEEDED
    if _QUEUE.match(text):
        return Tone.QUEUED
    if _BAD.search(text):
        return Tone.BAD
    if _SCHEDULED_JOB.search(text):
        return Tone.QUEUED
    return Tone.GOOD if _GOOD.search(text) else Tone.UNCLEAR


def read_answer(response: Response) -> Answer:
    """Decode one response; never raises."""
    shape, data = _body(response)
    refusal = _refusal(response, shape, data)
    if refusal is not None:
        return refusal
    queue_id, message, metadata = _queue(data)
    lines = tuple(_lines(data))
    return Answer(response.status, shape, data, "", "", True, lines, queue_id, message, metadata)


def _body(response: Response) -> tuple[Shape, Json]:
    try:
        text = response.body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return Shape.BROKEN, None
    if not text:
        return Shape.EMPTY, None
    if response.content_type in {"text/html", "application/xhtml+xml"} or re.match(
        r"<(!doctype|html|head|\?xml)", text[:200], re.IGNORECASE
    ):
        return Shape.HTML, None
    looks_json = text[0] in "[{" or "json" in response.content_type
    if not looks_json and text[0] not in '"' and text not in {"null", "true", "false"}:
        return Shape.TEXT, text
    if _depth(text) > DEEPEST:
        return Shape.BROKEN, None
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # CIPP writes some plain texts under a JSON content type.
        return (Shape.BROKEN, None) if text[0] in '[{"' else (Shape.TEXT, text)
    if data is None or data in ("", [], {}):
        return (Shape.JSON, data) if isinstance(data, list) else (Shape.EMPTY, data)
    return (Shape.TEXT, data) if isinstance(data, str) else (Shape.JSON, data)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _depth(text: str) -> int:
    """Nesting by counting brackets outside strings, so that no parser is asked to recurse thousands deep."""
    deepest = depth = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text):
        match token.group()[0]:
            case "[" | "{":
                depth += 1
                if depth > deepest:
                    deepest = depth
            case "]" | "}":
                depth -= 1
            case _:
                continue
    return deepest


def _refusal(response: Response, shape: Shape, data: Json) -> Answer | None:
    """The answers that no function of CIPP gave: each its own sentence."""
    status = response.status
    text = data if shape is Shape.TEXT and isinstance(data, str) else ""

    def no(problem: str, hint: str, *, reached: bool = False) -> Answer:
        return Answer(status, shape, None, problem, hint, reached)

    if 300 <= status < 400:
        return no(
            "CIPP's address answered with a redirect to a sign-in page; it was not followed.",
            "CIPP_API_URL is probably the portal's address: use the API address that CIPP shows under Integrations > CIPP-API.",
        )
    if status == 401:
        return no(
            "CIPP's host refused the token twice (401), before CIPP ran.",
            "Enable the API client in CIPP and press Save to Azure; check CIPP_CLIENT_ID and CIPP_SCOPE.",
        )
    if status == 403 and text.lower().startswith(_REFUSAL):
        return no(*_access(text))
    if status == 403 and text.startswith("API calls are not accepted"):
        return no("This host is one of CIPP's background workers.", "Set CIPP_API_URL to the address of the main function app.")
    if status == 403 and "subscription has ended" in text:
        return no("The hosted CIPP subscription has ended.", "Renew it, then call again.")
    if status == 404 and text.lower().startswith("endpoint not found"):
        return no("This CIPP has no such endpoint.", "Its version may be older or newer than this tool; run an update of CIPP.")
    if status == 412 and text.lower().startswith("request not processed"):
        return no("CIPP's core did not process the request.", "Look at the state before trying again.", reached=True)
    if status == 429:
        return no("CIPP's host says that there were too many requests (429).", "Wait a minute, then call again.")
    if status == 503:
        return _unavailable(status, shape, text)
    if shape is Shape.HTML:
        return no(
            f"An HTML page came back (status {status}) where CIPP's data was expected.",
            "A sign-in page, a proxy's page or the portal answered: check CIPP_API_URL.",
            reached=True,
        )
    if status >= 500 and (status in {502, 504} or shape is Shape.EMPTY):
        return no(f"CIPP's gateway gave up (status {status}).", "CIPP may still be working on it.", reached=True)
    if status == 404 and shape is Shape.EMPTY:
        return no(
            "CIPP's host answered 404 without a word from CIPP; it may be starting.", "Try again in a minute.", reached=True
        )
    return None


def _unavailable(status: int, shape: Shape, text: str) -> Answer:
    if text.lower().startswith("this feature has been disabled"):
        return Answer(status, shape, None, "This feature is switched off in CIPP.", "Enable it in CIPP's feature flags.", False)
    return Answer(status, shape, None, "CIPP's host is not available (503).", "Wait a minute, then call again.", False)


def _access(text: str) -> tuple[str, str]:
    """CIPP's own refusals, told apart by how they begin."""
    lower = text.lower()
    if lower.startswith("access to this tenant"):
        return "The custom role of CIPP's API client does not include this tenant.", "Add the tenant to the role in CIPP."
    if "ip address" in lower or "api client does not have the required permission" in lower:
        return "CIPP refused this computer's address.", "Add it to the API client's IP ranges in CIPP."
    if "has blocked this endpoint" in lower:
        return "The custom role of CIPP's API client blocks this endpoint.", "Unblock it in the role."
    return "The role of CIPP's API client is too low for this.", "Give the API client the role that this tool needs."


def _queue(data: Json) -> tuple[str, str, Mapping[str, Any]]:
    if isinstance(data, Mapping) and isinstance(meta := data.get("Metadata"), Mapping):
        message = str(meta.get("QueueMessage") or "")
        waiting = bool(message or meta.get("Queued"))
        return str(meta.get("QueueId") or ""), (message or "Queued") if waiting else "", meta
    rows = data if isinstance(data, list) else [data] if isinstance(data, Mapping) else []
    if len(rows) == 1 and isinstance(row := rows[0], Mapping):
        texts = [v for v in row.values() if isinstance(v, str)]
        if waiting_text := next((t for t in texts if _QUEUE.match(t)), ""):
            return str(row.get("QueueId") or ""), waiting_text, {}
    if isinstance(data, str) and _QUEUE.match(data):
        return "", data, {}
    return "", "", {}


def _lines(data: Json) -> Iterator[Line]:
    """Every result entry, however nested: texts, {resultText, state}, {Error}, {Results: …}."""
    if isinstance(data, str):
        if data.strip():
            yield Line(tone_of(data), data)
    elif isinstance(data, list):
        for inner in data:
            yield from _lines(inner)
    elif isinstance(data, Mapping):
        folded = {str(k).lower(): v for k, v in data.items()}
        if "resulttext" in folded or "state" in folded:
            text = str(folded.get("resulttext") or folded.get("message") or "")
            yield Line(tone_of(text, str(folded.get("state") or "")), text)
        elif error := folded.get("error") or folded.get("errors"):
            yield Line(Tone.BAD, error if isinstance(error, str) else json.dumps(error))
        elif "results" in folded:
            yield from _lines(folded["results"])
