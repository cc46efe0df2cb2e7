"""Looking at a connection before anything is asked of it: one request without a token, and what a token says of itself.

For `cipp-mcp doctor`. It tells kinds of trouble apart where the wire has sentences. No token, no secret and no answer
of a token endpoint leaves this module; of a token only its version does, which is no secret.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from cipp_mcp.settings import Settings
from cipp_mcp.wire.budget import Budget
from cipp_mcp.wire.connections import Connections, Departure
from cipp_mcp.wire.token import SignIn
from cipp_mcp.wire.trouble import causes

WITHIN = 30.0
MOST_BYTES = 64 * 1024


class Trouble(StrEnum):
    """What kept a connection from coming about, or broke it."""

    NAME = "name"
    REFUSED = "refused"
    TIME = "time"
    UNTRUSTED = "untrusted"
    HANDSHAKE = "handshake"
    PROXY = "proxy"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Knock:
    """What one request without a token met.

    Attributes:
        trouble: why there is no answer; None when there is one, whatever its status.
        issuer: who issued the certificate that is not trusted.
        date: the peer's Date header.
        elapsed: seconds until the answer's head.
    """

    trouble: Trouble | None = None
    status: int = 0
    issuer: str = ""
    date: str = ""
    elapsed: float = 0.0


async def knock(url: str, settings: Settings, *, within: float = WITHIN) -> Knock:
    """One GET without a token, without redirects, through the proxy and with the trust of the settings."""
    started = time.monotonic()
    departure = Departure()
    connections = Connections(replace(settings, api_url=url))
    try:
        with anyio.fail_after(within):
            response = await _get(connections, url, departure, within)
            return Knock(status=response.status_code, date=response.headers.get("date", ""), elapsed=time.monotonic() - started)
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        trouble = _kind(error, departure)
    finally:
        await connections.aclose()
    issuer = await _issuer(url, settings, within) if trouble is Trouble.UNTRUSTED else ""
    return Knock(trouble, issuer=issuer)


async def token_version(settings: Settings) -> str:
    """Sign in once: the version that the token claims, empty where it is no JWT.

    Raises:
        SignInFailed: the token endpoint refused or could not be reached.
    """
    connections = Connections(settings)
    sign_in = SignIn(settings, connections, Budget(settings.wait_scale), clock=time.monotonic)
    try:
        return _version((await sign_in.token()).text)
    finally:
        await sign_in.aclose()
        await connections.aclose()


async def _get(connections: Connections, url: str, departure: Departure, within: float) -> httpx.Response:
    client = connections.reads
    request = client.build_request("GET", url, headers={"Accept": "application/json"}, timeout=within)
    request.extensions["trace"] = departure.trace
    response = await client.send(request, stream=True)
    try:
        read = 0
        async for part in response.aiter_raw():
            read += len(part)
            if read > MOST_BYTES:
                break
    finally:
        await response.aclose()
    return response


def _kind(error: BaseException, departure: Departure) -> Trouble:
    import socket

    found = list(causes(error))
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in found):
        return Trouble.UNTRUSTED
    if any(isinstance(e, httpx.ProxyError) for e in found):
        return Trouble.PROXY
    if (departure.in_handshake and not departure.sent) or any(isinstance(e, ssl.SSLError) for e in found):
        return Trouble.HANDSHAKE
    if any(isinstance(e, socket.gaierror) for e in found):
        return Trouble.NAME
    if any(isinstance(e, ConnectionRefusedError) for e in found):
        return Trouble.REFUSED
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Trouble.TIME
    return Trouble.BROKEN


async def _issuer(url: str, settings: Settings, within: float) -> str:
    """Who issued the certificate: looked at without trusting it, and with nothing sent that is worth anything."""
    connections = Connections(replace(settings, api_url=f"https://{urlsplit(url).netloc}", verify_tls=False, ca_bundle=""))
    try:
        with anyio.move_on_after(within):
            client = connections.reads
            async with client.stream("HEAD", f"https://{urlsplit(url).netloc}/", timeout=within) as response:
                stream: Any = response.extensions.get("network_stream")
                tls = stream.get_extra_info("ssl_object") if stream is not None else None
                return _organisation(tls.getpeercert(True) or b"") if tls is not None else ""
    except (httpx.HTTPError, OSError):
        return ""
    finally:
        await connections.aclose()
    return ""


_NAMES = re.compile(rb"\x06\x03\x55\x04([\x03\x0a])[\x0c\x13\x14\x16]([\x01-\x7f])", re.DOTALL)


def _organisation(certificate: bytes) -> str:
    """The issuer's organisation or name. It stands before the subject in a certificate, so the first ones are its."""
    for found in _NAMES.finditer(certificate):
        text = certificate[found.end() : found.end() + found[2][0]].decode("utf-8", "replace")
        return "".join(c for c in text if c.isprintable())[:64]
    return ""


def _version(token: str) -> str:
    parts = token.split(".")
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))) if len(parts) == 3 else None
    except (ValueError, RecursionError):
        return ""
    version = said.get("ver") if isinstance(said, dict) else None
    return version if isinstance(version, str) else ""
