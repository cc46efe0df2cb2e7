"""CIPP's answer to a signed-in request -> the row of the table that it shows, or none.

By status and by how CIPP's own sentences begin; no network, no decision what to ask next.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from cipp_mcp.message import Response


@dataclass(frozen=True)
class Sign:
    """A row of the table, and the words that it wants.

    Attributes:
        lacks: the permission that CIPP's refusal names.
        role: the built-in role that it names.
    """

    fault: str
    words: dict[str, str] = field(default_factory=dict)
    lacks: str = ""
    role: str = ""


_ROLE = re.compile(r"the '([^']{1,64})' base role")
_LACKS = re.compile(r"required permission: ([A-Za-z]+(?:\.[A-Za-z]+){1,3})")


def sign_of(response: Response, host: str) -> Sign | None:
    """What is wrong with this answer, or None when it is one that CIPP's function gave."""
    status, text = response.status, _text(response)
    lower = text.lower()
    if 300 <= status < 400 or (status < 500 and lower.startswith(("<!doctype", "<html"))):
        return Sign("kept_out" if status == 403 else "portal_address", {"host": host})
    if status == 401:
        return Sign("not_enabled")
    if status == 403 and lower.startswith("access to this"):
        return _refused(lower, text)
    if status == 403 and lower.startswith("api calls are not accepted"):
        return Sign("worker_host", {"host": host})
    if status == 403 and "subscription has ended" in lower:
        return Sign("subscription_ended")
    if status == 404:
        known = lower.startswith("endpoint not found")
        return Sign("too_old") if known else Sign("not_cipp", {"host": host, "status": "404"})
    if status == 429:
        return Sign("throttled")
    if status >= 500:
        return Sign("cipp_trouble", {"status": str(status)})
    return None


def _refused(lower: str, text: str) -> Sign:
    if lower.startswith("access to this tenant"):
        return Sign("no_tenants")
    if "ip address" in lower or "api client does not have the required permission" in lower:
        return Sign("ip_range")
    if "the user does not have the required permission" in lower:
        return Sign("no_role")
    if "has blocked this endpoint" in lower:
        return Sign("blocked_endpoint", {"endpoint": re.sub(r"\W.*", "", text.rpartition(": ")[2])})
    role, lacks = _ROLE.search(text), _LACKS.search(text)
    return Sign("role_too_low", lacks=lacks[1] if lacks else "", role=role[1] if role else "")


def _text(response: Response) -> str:
    text = response.body.decode("utf-8-sig", "replace").strip()
    said = data(response)
    return said if isinstance(said, str) else text


def data(response: Response) -> Any:
    """The body as JSON, also where CIPP sends it as a text; None when it is none."""
    try:
        said = json.loads(response.body.decode("utf-8-sig"))
        return json.loads(said) if isinstance(said, str) and said[:1] in "[{" else said
    except (ValueError, RecursionError):
        return None


def rows(response: Response) -> list[dict[str, Any]] | None:
    """The rows of a list answer; None when it is no list."""
    said = data(response)
    if isinstance(said, dict) and "Results" in said:
        said = said["Results"]
    if isinstance(said, dict):
        said = [said]
    return [r for r in said if isinstance(r, dict)] if isinstance(said, list) else None
