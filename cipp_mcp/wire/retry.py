"""The retry table of the design as code: what follows an answer or a fault.

Pure: no clock, no network, no waiting. Whether a step still fits the time and the allowance is asked by the client.
A row may only ever be made stricter for requests that are not `FREELY`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from cipp_mcp.message import Repeat, Response

MOST_TRIES = 3
LONGEST_RETRY_AFTER = 60.0
"""CIPP's window is 10 s; whoever asks for minutes means "not now", and a technician is waiting."""

_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", re.ASCII)
_PLATFORM_TEXTS = (b"function host is not running", b"the service is unavailable", b"service unavailable")


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: hand the answer or fault to the caller, renew the token, wait so long, or back off."""

    what: Literal["settle", "renew", "wait", "back_off"]
    seconds: float = 0.0


SETTLE = Step("settle")
RENEW = Step("renew")
BACK_OFF = Step("back_off")


@dataclass(frozen=True, slots=True)
class History:
    """What this request has been through.

    Attributes:
        tries: how often it was handed out, the last one included.
        renewed: whether a 401 already led to a new token.
        waited: whether it already waited for a Retry-After.
        crashed: whether a bare 500 was already answered by another try.
    """

    tries: int = 1
    renewed: bool = False
    waited: bool = False
    crashed: bool = False

    @property
    def exhausted(self) -> bool:
        # The second send after a 401 is owed to nobody's trouble but the token's.
        return self.tries >= MOST_TRIES + self.renewed


def after_answer(response: Response, repeat: Repeat, history: History, now: float) -> Step:
    """The step after an answer arrived.

    Args:
        now: seconds since the epoch, for a Retry-After that is a date.
    """
    status = response.status
    if status == 401:
        # App Service refuses before CIPP's code runs: even a destroying call may be sent again.
        return SETTLE if history.renewed else RENEW
    if repeat is Repeat.NEVER or history.exhausted:
        return SETTLE
    own = is_cipps(response)
    if status in (429, 503) and not own:
        seconds = retry_after(response.headers.get("retry-after"), now)
        if seconds is not None:
            allowed = seconds <= LONGEST_RETRY_AFTER and (repeat is Repeat.FREELY or not history.waited)
            return Step("wait", seconds) if allowed else SETTLE
    if repeat is not Repeat.FREELY:
        return SETTLE
    if status in (502, 504) or (status in (404, 503) and not own):
        return BACK_OFF
    if status == 500 and not own and not history.crashed:
        return BACK_OFF
    return SETTLE


def after_fault(sent: bool, repeat: Repeat, history: History) -> Step:
    """The step after no usable answer came; `sent` is False only when that is proven."""
    if history.exhausted or (sent and repeat is not Repeat.FREELY):
        return SETTLE
    return BACK_OFF


def is_cipps(response: Response) -> bool:
    """Whether the body was written by CIPP's code: JSON or a plain sentence, not a page of the platform.

    In doubt yes, since then nothing is sent again.
    """
    text = response.body.strip()
    if not text or text.startswith(b"<") or response.content_type in ("text/html", "application/xhtml+xml"):
        return False
    return not text.lower().startswith(_PLATFORM_TEXTS)


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds of a usable Retry-After: whole seconds, or a date in the future. Anything else is None."""
    text = (text or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    if not _HTTP_DATE.fullmatch(text):
        return None
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
