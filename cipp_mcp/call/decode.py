"""Response -> `Answer`: what kind of thing came back, before anybody calls it a success.

CIPP answers 200 for failures, 403 and 500 for part successes, HTML for a wrong address. Content decides, not the
declared type; an unknown wording is never a success. No network, no judgement by tool name may enter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from cipp_mcp.call.stream import LongList, outline, strict
from cipp_mcp.call.tones import QUEUE, lines_of
from cipp_mcp.call.tones import Line as Line
from cipp_mcp.call.tones import Tone as Tone
from cipp_mcp.call.tones import tone_of as tone_of
from cipp_mcp.message import Json, Response


class Shape(StrEnum):
    """What the body is."""

    JSON = "json"
    TEXT = "text"
    HTML = "html"
    EMPTY = "empty"
    BROKEN = "broken"  # says JSON, is not


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer.

    Attributes:
        status: HTTP status.
        shape: what the body is; `data` is set for JSON and text, with a `LongList` in it where the list stays in its file.
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

    def at(self, path: str = "") -> Any:
        """What stands where a list is expected: under `path`, under `Results`, or as the whole answer."""
        found: Any = self.data
        for part in path.split(".") if path else ():
            found = found.get(part) if isinstance(found, Mapping) else None
        if not path and isinstance(found, Mapping) and "Results" in found:
            found = found["Results"]
        return found

    def rows(self, path: str = "") -> list[dict[str, Any]]:
        """The rows of a list answer: a bare list, the list under `path` or `Results`, or a single object as one row."""
        return list(self.each(path))

    def each(self, path: str = "") -> Iterable[dict[str, Any]]:
        """The same for reading one by one, as often as wanted; those of a long answer stay in its file."""
        found = self.at(path)
        if isinstance(found, LongList):
            return found
        if isinstance(found, Mapping):
            found = [dict(found)]
        if not isinstance(found, list):
            return []
        if path and found and all(_is_value(r) for r in found):  # a count, or field names
            return [{"value": r} for r in found]
        return [r for r in found if isinstance(r, dict)]

    def parts(self, path: str = "") -> Iterator[tuple[Any, Iterable[dict[str, Any]]]]:
        """The whole answer in parts that fit into memory, each with its rows; every part has the form of the whole."""
        data: Any = self.data
        long = next((k for k, v in data.items() if isinstance(v, LongList)), None) if isinstance(data, Mapping) else None
        wanted = isinstance(self.at(path), LongList)
        if isinstance(data, LongList):
            yield from (([row], [row] if wanted else []) for row in data)
        elif long is not None:
            yield {k: v for k, v in data.items() if k != long}, []
            yield from (({long: [row]}, [row] if wanted else []) for row in data[long])
        else:
            yield data, self.each(path)


def _is_value(entry: Any) -> bool:
    return isinstance(entry, int | float) or (isinstance(entry, str) and bool(entry) and not re.search(r"\s", entry))


MOST_LINES = 10_000
"""Result entries that are read; what has more is no account of a call."""

_REFUSAL = "access to this"
_LACKED = re.compile(r"required permission: ([A-Za-z]+(?:\.[A-Za-z]+){1,3})$")


def read_answer(response: Response, rows: str = "", beat: Callable[[], None] = lambda: None) -> Answer:
    """Decode one response; never raises.

    Args:
        rows: where the list of a long answer stands; empty finds it.
        beat: called now and then while a long answer is read; only what it raises is raised.
    """
    shape, data = _long_body(response, rows, beat) if response.file is not None else _body(response)
    refusal = _refusal(response, shape, data)
    if refusal is not None:
        return refusal
    queue_id, message, metadata = _queue(data)
    lines = tuple(islice(lines_of(data), MOST_LINES))
    return Answer(response.status, shape, data, "", "", True, lines, queue_id, message, metadata)


def _body(response: Response) -> tuple[Shape, Json]:
    try:
        text = response.body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return Shape.BROKEN, None
    if not text:
        return Shape.EMPTY, None
    if _is_page(response, text):
        return Shape.HTML, None
    looks_json = text[0] in "[{" or "json" in response.content_type
    if not looks_json and text[0] not in '"' and text not in {"null", "true", "false"}:
        return Shape.TEXT, text
    try:
        data = strict(text)
    except (ValueError, RecursionError):
        # CIPP writes some plain texts under a JSON content type.
        return (Shape.BROKEN, None) if text[0] in '[{"' else (Shape.TEXT, text)
    if data is None or data in ("", [], {}):
        return (Shape.JSON, data) if isinstance(data, list) else (Shape.EMPTY, data)
    return (Shape.TEXT, data) if isinstance(data, str) else (Shape.JSON, data)


def _long_body(response: Response, rows: str, beat: Callable[[], None]) -> tuple[Shape, Any]:
    """A list of rows, or an object that holds one, stays in its file; everything else is taken whole."""
    assert response.file is not None
    begins = response.body.decode("utf-8-sig", "ignore").strip()
    if begins[:1] in {"[", "{"} and not _is_page(response, begins):
        try:
            data = outline(response.file, rows or "Results", beat)
        except (ValueError, RecursionError):
            return Shape.BROKEN, None
        lists = [v for v in (data, *(data.values() if isinstance(data, dict) else ())) if isinstance(v, LongList)]
        if all(found.rows for found in lists):
            return Shape.JSON, data
    response.file.seek(0)
    return _body(replace(response, body=response.file.read(), file=None))


def _is_page(response: Response, text: str) -> bool:
    page = re.match(r"<(!doctype|html|head|\?xml)", text[:200], re.IGNORECASE)
    return bool(page) or response.content_type in {"text/html", "application/xhtml+xml"}


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
    if status == 503 and shape is not Shape.JSON:
        return _unavailable(response, shape, text)
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


def _unavailable(response: Response, shape: Shape, text: str) -> Answer:
    if text.lower().startswith("this feature has been disabled"):
        return Answer(503, shape, None, "This feature is switched off in CIPP.", "Enable it in CIPP's feature flags.", False)
    # Only a host that says when to come again refused before CIPP's function ran; a worker that died says the rest.
    told = "retry-after" in response.headers
    hint = "Wait a minute, then call again." if told else "Wait a minute; CIPP may have handled the request all the same."
    return Answer(503, shape, None, "CIPP's host is not available (503).", hint, reached=not told)


def _access(text: str) -> tuple[str, str]:
    """CIPP's own refusals, told apart by how they begin."""
    lower = text.lower()
    if lower.startswith("access to this tenant"):
        return "The custom role of CIPP's API client does not include this tenant.", "Add the tenant to the role in CIPP."
    if "ip address" in lower or "api client does not have the required permission" in lower:
        return "CIPP refused this computer's address.", "Add it to the API client's IP ranges in CIPP."
    if "has blocked this endpoint" in lower:
        return "The custom role of CIPP's API client blocks this endpoint.", "Unblock it in the role."
    role = _LACKED.search(text)
    needs = f"the role {role[1]} in CIPP" if role else "the role that this tool needs"
    return "The role of CIPP's API client is too low for this.", f"Give the API client {needs}."


def _queue(data: Any) -> tuple[str, str, Mapping[str, Any]]:
    if isinstance(data, Mapping) and isinstance(meta := data.get("Metadata"), Mapping):
        message = str(meta.get("QueueMessage") or "")
        waiting = bool(message or meta.get("Queued"))
        return str(meta.get("QueueId") or ""), (message or "Queued") if waiting else "", meta
    if isinstance(data, Mapping) and data.get("Waiting") is True:
        return str(data.get("GUID") or ""), "Waiting", {}
    rows = data if isinstance(data, list) else [data] if isinstance(data, Mapping) else []
    if len(rows) == 1 and isinstance(row := rows[0], Mapping):
        texts = [v for v in row.values() if isinstance(v, str)]
        if waiting_text := next((t for t in texts if QUEUE.match(t)), ""):
            return str(row.get("QueueId") or ""), waiting_text, {}
    if isinstance(data, str) and QUEUE.match(data):
        return "", data, {}
    return "", "", {}
