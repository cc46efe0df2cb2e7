"""`Whole`: all of CIPP's API behind the reviewed catalog; its document is got at the first need, once.

Until then, and whenever no document can be had, the shipped catalogue is the API, so a slow or broken document never
makes a call fail. Where documents come from is handed in; no network and no files may enter.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from math import inf

import anyio

from cipp_mcp.catalog import openapi
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.api import Api
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.errors import CippMcpError, UnknownAction, WireError

log = logging.getLogger("cipp_mcp.catalog")

Fetch = Callable[[], Awaitable[bytes | None]]
"""Gets a document; None when the other side has none. Raises CippMcpError."""

WITHIN = 15.0
"""Seconds that a call waits for a document."""

AGAIN_AFTER = 600.0
"""Seconds after which a document that could not be had is asked for again."""


class Whole:
    """All actions by name, shared by every call of a process.

    Args:
        load: gets the API from its document; without it the shipped catalogue is the API.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[], Awaitable[Api]] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        within: float = WITHIN,
    ) -> None:
        self._catalog = catalog
        self._load = load
        self._clock = clock
        self._within = within
        self._api = Api(catalog)
        self._due = inf if load is None else -inf
        self._lock = anyio.Lock()

    async def find(self, name: str) -> Action:
        """The action of a tool name or of an endpoint's; a tool's needs no document.

        Raises:
            UnknownAction: as `Api.get`; says too when the document is missing that might have had it.
        """
        if self._catalog.has(name):
            return self._catalog.get(name)
        api = await self.api()
        try:
            return api.get(name)
        except UnknownAction as error:
            if not api.notices:
                raise
            raise UnknownAction(error.message, hint=" ".join((error.hint, *api.notices))) from None

    async def api(self) -> Api:
        """The API. Whoever comes first gets the document, the others wait for it; nobody longer than `within`."""
        if self._clock() < self._due:
            return self._api
        async with self._lock:
            if self._load is not None and self._clock() >= self._due:
                late = f"No OpenAPI document came within {self._within:g} s. The shipped catalogue is used."
                made = Api(self._catalog, notices=[late], settled=False)
                with anyio.move_on_after(self._within):
                    made = await self._load()
                self._api, self._due = made, inf if made.settled else self._clock() + AGAIN_AFTER
                for notice in made.notices:
                    log.warning("%s", notice)
        return self._api


async def load(
    catalog: Catalog, *, given: Fetch | None = None, instance: Fetch | None = None, portal: Fetch | None = None
) -> Api:
    """The API from the first source that has a usable document; the shipped catalogue needs none.

    Args:
        given: what `--openapi` names; the operator wants exactly this one, so nothing else is asked.
        instance, portal: asked in this order.
    """
    sources = {"given": given} if given is not None else {"instance": instance, "portal": portal}
    notices: list[str] = []
    settled = True
    for source, fetch in sources.items():
        try:
            document = await fetch() if fetch is not None else None
            if document is not None:
                # In a thread: the largest document takes seconds, and other calls go on.
                return await anyio.to_thread.run_sync(_read, catalog, document, source, notices)
        except WireError as error:
            settled = False
            notices.append(_not_used(source, error))
        except (CippMcpError, RecursionError) as error:
            notices.append(_not_used(source, error))
    return Api(catalog, notices=notices, settled=settled)


def _read(catalog: Catalog, document: bytes, source: str, notices: list[str]) -> Api:
    api = Api(catalog, openapi.operations(document), source=source, notices=notices)
    api.names()
    return api


def _not_used(source: str, error: Exception) -> str:
    why = error.message if isinstance(error, CippMcpError) else "It is nested too deeply."
    return f"The OpenAPI document ({source}) is not used: {why} The shipped catalogue is used."
