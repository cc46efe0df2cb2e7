"""The httpx clients: which connections are kept, which are fresh, whom TLS trusts, and one exchange over them.

Everything is made at first use, since a TLS context costs as much as the rest of the start. No retries, tokens or
request limits may enter.
"""

from __future__ import annotations

import importlib.util
import logging
import ssl
import sys
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx

from cipp_mcp.errors import SettingsError, Withdrawn
from cipp_mcp.settings import Settings
from cipp_mcp.wire.body import Body

MOST_CONNECTIONS = 8
KEPT_FOR = 15.0

# httpx writes every URL with its query at INFO, httpcore every answer's headers at DEBUG: filters name people.
# The second pair is httpx's successor, which an alias may put in its place.
for _name in ("httpx", "httpcore", "httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)

# httpcore imports it twice for each request, and where it is not there looks through the whole path each time.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]


class Connections:
    """Three clients over one TLS context.

    Writes never reuse a connection: the peer may have closed a kept one in the meantime, and then nobody can tell
    whether the request was read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls_made: ssl.SSLContext | bool | None = None
        self._clients: dict[str, httpx.AsyncClient] = {}

    @property
    def reads(self) -> httpx.AsyncClient:
        return self._client("reads", self._settings.api_url, kept=MOST_CONNECTIONS)

    @property
    def writes(self) -> httpx.AsyncClient:
        return self._client("writes", self._settings.api_url, kept=0)

    @property
    def sign_in(self) -> httpx.AsyncClient:
        return self._client("sign_in", self._settings.oauth_token_url, kept=0)

    async def aclose(self) -> None:
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    def _client(self, name: str, url: str, *, kept: int) -> httpx.AsyncClient:
        if name not in self._clients:
            self._clients[name] = httpx.AsyncClient(
                verify=self._tls(url),
                trust_env=False,
                proxy=self._proxy(),
                http2=False,
                follow_redirects=False,
                # A sign-in redirect sets cookies; keeping them would make one answer depend on another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                limits=httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=kept, keepalive_expiry=KEPT_FOR),
            )
        return self._clients[name]

    def _proxy(self) -> httpx.Proxy | None:
        url = self._settings.proxy
        if not url:
            return None
        tls = self._tls(url)
        return httpx.Proxy(url, ssl_context=tls if isinstance(tls, ssl.SSLContext) else None)

    def _tls(self, url: str) -> ssl.SSLContext | bool:
        if urlsplit(url).scheme != "https":
            return False  # no TLS will happen; True would load a certificate store for nothing
        if self._tls_made is None:
            self._tls_made = _trust(self._settings)
        return self._tls_made


class Departure:
    """Notes the moment from which a request may have reached CIPP, through httpx's trace of its own steps.

    Exception classes alone cannot tell: a read error while a proxy opens its tunnel is one, and nothing was sent.

    Args:
        wanted: asked when the first byte is about to leave; when it says no, none does.

    Attributes:
        sent: whether a byte of it may have left; a proxy's CONNECT does not count.
        in_handshake: whether TLS was being negotiated last.
    """

    def __init__(self, wanted: Callable[[], bool] | None = None) -> None:
        self.sent = False
        self.in_handshake = False
        self._wanted = wanted

    async def trace(self, event: str, info: dict[str, object]) -> None:
        if event.endswith(".start_tls.started"):
            self.in_handshake = True
        elif event.endswith(".send_request_headers.started"):
            if self._wanted is not None and not self.sent and not self._wanted():
                raise Withdrawn(
                    "The call was cancelled before it was sent.", hint="Nothing was sent. Call again if it is wanted."
                )
            self.sent = self.sent or getattr(info.get("request"), "method", b"") != b"CONNECT"


async def exchange(
    client: httpx.AsyncClient, request: httpx.Request, *, departure: Departure, most_bytes: int, long: bool = False
) -> tuple[int, dict[str, str], Body]:
    """Send once and read the whole body, decompressed.

    Args:
        long: the body of a 200 may be in a file; then the caller closes it.

    Raises:
        TooLarge: the body has more bytes than accepted.
        httpx.HTTPError: everything else that goes wrong.
    """
    request.extensions["trace"] = departure.trace
    response = await client.send(request, stream=True)
    body = Body(most_bytes, long=long and response.status_code == 200)
    try:
        async for chunk in response.aiter_bytes():
            body.take(chunk)
        body.end()
        return response.status_code, {name.lower(): value for name, value in response.headers.items()}, body
    except BaseException:
        body.close()
        raise
    finally:
        await response.aclose()


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if not settings.verify_tls:
        # Not `False`: a proxy reached by TLS needs a context too.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if settings.ca_bundle:
        try:
            return ssl.create_default_context(cafile=settings.ca_bundle)
        except (OSError, ValueError):  # SSLError is an OSError
            raise SettingsError(
                "CIPP_CA_BUNDLE names a file without a usable certificate.", hint="Point it to a PEM file."
            ) from None
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
