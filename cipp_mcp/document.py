"""Where a document of CIPP's API comes from: a file, an address, the instance itself, its portal.

It gets bytes and hands them to the catalog, which says what they are worth and whether one is needed at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from cipp_mcp.catalog.api import Api
from cipp_mcp.catalog.given import from_file, is_address
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.catalog.openapi import MOST_BYTES
from cipp_mcp.catalog.whole import load
from cipp_mcp.errors import Lost, SettingsError, WireError
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.settings import Settings

Send = Callable[[Request], Awaitable[Response]]

INSTANCE_WITHIN = 10.0
PORTAL_WITHIN = 4.0
_ENDPOINT = "/api/ListOpenApiSpec"


async def api_of(settings: Settings, catalog: Catalog, send: Send) -> Api:
    """The API of this CIPP: as `--openapi` says, else as the instance or its portal do, else as shipped.

    Args:
        send: one request to CIPP.
    """
    if settings.openapi:
        return await load(catalog, given=partial(given, settings.openapi, settings))
    return await load(catalog, instance=partial(_instance, send), portal=partial(_portal, settings))


async def given(place: str, settings: Settings) -> bytes:
    """The document in that file or at that https address.

    Raises:
        SettingsError, WireError: it cannot be had.
    """
    if not is_address(place):
        return await anyio.to_thread.run_sync(from_file, place)
    from cipp_mcp.wire.fetch import fetch

    return await fetch(place, settings, most_bytes=MOST_BYTES)


async def _instance(send: Send) -> bytes | None:
    """The instance's own; versions without it say 404, and a role that may not ask for it gets 403."""
    request = Request("GET", _ENDPOINT, timeout=INSTANCE_WITHIN, deadline=INSTANCE_WITHIN, repeat=Repeat.FREELY)
    response = await send(request)
    if response.status >= 500 or response.status == 429:
        raise Lost(f"CIPP answered {response.status}.")
    return response.body if response.status == 200 else None


async def _portal(settings: Settings) -> bytes | None:
    """Newer portals show it without a sign-in; where portal and API have different addresses there is nothing."""
    from cipp_mcp.wire.fetch import fetch

    try:
        body = await fetch(f"{settings.api_root}/openapi.json", settings, most_bytes=MOST_BYTES, within=PORTAL_WITHIN)
    except (WireError, SettingsError):
        return None
    return body if body.lstrip()[:1] == b"{" else None  # a portal shows its start page for what it does not have
