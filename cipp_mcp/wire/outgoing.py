"""A `Request` as bytes: address, headers, body. Pure, so that tests can compare it with what a server reads.

Nothing that depends on a token, a connection or an action may enter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from cipp_mcp import __version__
from cipp_mcp.errors import InvalidArguments
from cipp_mcp.message import Json, Repeat, Request

_PATH_SAFE = "/$-._~"


def address(root: str, request: Request) -> str:
    """The whole URL. Everything but unreserved characters is percent-encoded in the query, `$filter` included."""
    url = root + quote(_whole(request.path), safe=_PATH_SAFE)
    if request.query:
        url += "?" + "&".join(f"{_strict(name)}={_strict(value)}" for name, value in request.query.items())
    return url


def content(body: Json) -> bytes | None:
    """Compact JSON in UTF-8; None stays no body.

    Raises:
        InvalidArguments: for NaN and infinities, which are no JSON.
    """
    if body is None:
        return None
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise InvalidArguments(["A number is not finite, which JSON cannot carry."]) from None
    # A lone surrogate can only stand inside a string, where its backslash form is valid JSON and loses nothing.
    return text.encode("utf-8", "backslashreplace")


def headers(request: Request, token: str) -> Mapping[str, str]:
    """What we say about ourselves and the body. Never X-CIPP-Version: CIPP would store it as its own."""
    said = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Authorization": f"Bearer {token}",
        "User-Agent": f"cipp-mcp/{__version__}",
    }
    if request.body is not None:
        said["Content-Type"] = "application/json"
    if request.repeat is not Repeat.FREELY:
        said["Connection"] = "close"
    return said


def _strict(text: str) -> str:
    return quote(_whole(text), safe="")


def _whole(text: str) -> str:
    """Text without lone surrogates, which no UTF-8 can carry: they become U+FFFD, which names nothing."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
