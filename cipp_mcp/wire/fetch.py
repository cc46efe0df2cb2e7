"""One public document by its address: no sign-in, no redirects, a bound on size and time.

For documents about CIPP's API; no call of that API goes through here.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import anyio
import httpx

from cipp_mcp import __version__
from cipp_mcp.errors import Lost, NotSent, SettingsError
from cipp_mcp.settings import LOOPBACK, Settings
from cipp_mcp.wire.connections import Connections, Departure, exchange
from cipp_mcp.wire.trouble import Peer, losing, opening

WITHIN = 60.0


async def fetch(url: str, settings: Settings, *, most_bytes: int, within: float = WITHIN) -> bytes:
    """The document at an https address (http on loopback), with the proxy and the trust of the settings.

    Raises:
        SettingsError: the address may not be fetched.
        NotSent, Lost, TooLarge: it could not be.
    """
    host = _host(url)
    peer = Peer("The server", host, "the address", bool(settings.proxy))
    connections = Connections(replace(settings, api_url=url))
    departure = Departure()
    try:
        with anyio.fail_after(within):
            client = connections.reads
            headers = {"Accept": "application/json", "User-Agent": f"cipp-mcp/{__version__}"}
            request = client.build_request("GET", url, headers=headers, timeout=within)
            status, _, body = await exchange(client, request, departure=departure, most_bytes=most_bytes)
    except TimeoutError:
        raise Lost(f"{host} did not answer within {within:g} s.", hint="Download the document and give the file.") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        if departure.sent:
            message, _ = losing(error, peer, within)
            raise Lost(message, hint="Download the document and give the file.") from None
        message, hint = opening(error, peer, in_handshake=departure.in_handshake)
        raise NotSent(message, hint=hint) from None
    finally:
        await connections.aclose()
    if 300 <= status < 400:
        raise Lost(f"{host} answered with a redirect.", hint="Give the address that it leads to.")
    if status != 200:
        raise Lost(f"{host} answered {status}.", hint="Check the address.")
    return bytes(body.start)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError("This is not an address.", hint="Write it as https://host/path.") from None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.password:
        raise SettingsError("This address cannot be fetched.", hint="Write it as https://host/path.")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise SettingsError(f"http to {host} is not fetched.", hint="Write https://, or download the document and give the file.")
    return host
