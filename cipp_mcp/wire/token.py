"""Signing in: one client-credentials token, cached in memory, one refresh in flight for all who wait.

The endpoint's own text never leaves this module (it names the application and can echo what was sent): its AADSTS
number is turned into our words. Neither the token nor the secret may reach a repr, a log, an error or the disk.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from cipp_mcp.errors import SignInFailed, TooLarge
from cipp_mcp.settings import Settings
from cipp_mcp.wire.budget import Budget
from cipp_mcp.wire.connections import Connections, Departure, exchange
from cipp_mcp.wire.retry import MOST_TRIES
from cipp_mcp.wire.trouble import Peer, opening
from cipp_mcp.wire.window import Clock

log = logging.getLogger("cipp_mcp.wire")

RENEWED_EARLY = 300.0
SHORT_LIFE_FRACTION = 5
LIFE_IF_UNSAID = 300.0
PAUSE_AFTER_FAILED_RENEWAL = 30.0
MOST_BYTES = 2**20

_APP = "Check CIPP_CLIENT_ID and CIPP_TENANT_ID: both are shown under CIPP > Integrations > CIPP-API."
_TENANT = "Check CIPP_TENANT_ID: it is the partner (MSP) tenant, as an id or a domain."
_SCOPE = (
    "Check CIPP_SCOPE and CIPP_CLIENT_ID. If they are right, the application has no Application ID URI: "
    "in CIPP open the API client and choose the repair of the URI."
)
_ACCESS = "An administrator of the partner tenant finds the block in the sign-in logs for service principals in Entra."
_WORDS: Mapping[int, tuple[str, str]] = {
    7000215: ("the client secret is wrong", "Set CIPP_CLIENT_SECRET to the secret's value (not its id), or reset it in CIPP."),
    7000222: ("the client secret has expired", "Reset the secret of the API client in CIPP and set CIPP_CLIENT_SECRET."),
    7000112: ("the application is disabled in Entra", "Enable the API client's enterprise application in the partner tenant."),
    700016: ("the client id is unknown in this tenant", _APP),
    90002: ("the tenant does not exist", _TENANT),
    900023: ("the tenant is neither an id nor a domain", _TENANT),
    500011: ("the scope is unknown in this tenant", _SCOPE),
    70011: ("the scope is not valid", _SCOPE),
    1002012: ("the scope is not valid", _SCOPE),
    53000: ("conditional access blocks this sign-in", _ACCESS),
    53001: ("conditional access blocks this sign-in", _ACCESS),
    53002: ("conditional access blocks this sign-in", _ACCESS),
    53003: ("conditional access blocks this sign-in", _ACCESS),
    53004: ("conditional access blocks this sign-in", _ACCESS),
    530032: ("conditional access blocks this sign-in", _ACCESS),
}


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """One token; compared by identity, since an endpoint may hand out the same text twice."""

    text: str = field(repr=False)
    renew_at: float
    expires_at: float


class SignIn:
    """Hands out the token.

    Args:
        timeout: seconds for the endpoint's whole answer.
    """

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        budget: Budget,
        *,
        clock: Clock,
        connect_timeout: float = 10.0,
        timeout: float = 30.0,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._budget = budget
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._held: Token | None = None
        self._not_before = 0.0
        self._refresh: asyncio.Task[Token] | None = None

    async def token(self) -> Token:
        """A token that is good for this call.

        Raises:
            SignInFailed: the endpoint refused or could not be reached.
        """
        held, now = self._held, self._clock()
        if held is not None and (now < held.renew_at or now < self._not_before <= held.expires_at):
            return held
        try:
            return await self._refreshed()
        except SignInFailed:
            # Renewing early must not make a good token useless while the endpoint has a bad minute.
            if held is None or self._held is not held or self._clock() >= held.expires_at:
                raise
            self._not_before = min(self._clock() + PAUSE_AFTER_FAILED_RENEWAL, held.expires_at)
            return held

    async def renew(self, stale: Token) -> Token:
        """A token other than the one that CIPP answered 401 to; one request for all who saw the same."""
        if self._held is stale:
            self._held = None
        return await self.token()

    async def aclose(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])

    async def _refreshed(self) -> Token:
        # A task of its own, outside every caller's cancel scope: whoever gives up waiting does not end it for the others.
        if self._refresh is None:
            self._refresh = asyncio.create_task(self._renewed(), name="cipp-mcp sign-in")
            self._refresh.add_done_callback(_look_at)
        return await asyncio.shield(self._refresh)

    async def _renewed(self) -> Token:
        try:
            self._held = await self._ask()
            return self._held
        finally:
            self._refresh = None

    async def _ask(self) -> Token:
        host = urlsplit(self._settings.oauth_token_url).hostname or ""
        peer = Peer("the token endpoint", host, "CIPP_TOKEN_URL", bool(self._settings.proxy))
        tries = 0
        while True:
            tries += 1
            departure = Departure()
            try:
                with anyio.fail_after(self._timeout):
                    return self._read(*await self._post(departure))
            except TooLarge:
                raise _no_token() from None
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                if departure.sent:
                    raise _lost(error, self._timeout) from None
                if tries < MOST_TRIES and isinstance(error, httpx.TransportError):
                    await self._budget.wait(self._budget.back_off(tries))
                    continue
                message, hint = opening(error, peer, in_handshake=departure.in_handshake)
                raise SignInFailed(f"The sign-in failed. {message}", hint=hint) from None

    async def _post(self, departure: Departure) -> tuple[int, bytes]:
        client = self._connections.sign_in
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
            "scope": self._settings.oauth_scope,
        }
        request = client.build_request(
            "POST",
            self._settings.oauth_token_url,
            data=form,
            headers={"Accept": "application/json"},
            timeout=httpx.Timeout(self._timeout, connect=self._connect_timeout),
        )
        status, _, body = await exchange(client, request, departure=departure, most_bytes=MOST_BYTES)
        return status, bytes(body.start)

    def _read(self, status: int, body: bytes) -> Token:
        log.debug("sign-in answered %d", status)
        said = _object(body)
        if status == 200 and said is not None:
            text = said.get("access_token")
            # Anything but visible ASCII would end up in a header.
            if not isinstance(text, str) or not re.fullmatch(r"[\x21-\x7e]+", text):
                raise _no_token()
            life, now = _life(said.get("expires_in")), self._clock()
            return Token(text, now + life - min(RENEWED_EARLY, life / SHORT_LIFE_FRACTION), now + life)
        raise _refusal(status, said, body)


def _look_at(task: asyncio.Task[Token]) -> None:
    """When every waiter has given up, asyncio would print the error, which nobody asked for any more."""
    if not task.cancelled():
        task.exception()


def _life(said: object) -> float:
    try:
        life = float(str(said))
    except ValueError:
        return LIFE_IF_UNSAID
    return life if 0 < life <= 86_400 else LIFE_IF_UNSAID


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _code(said: Mapping[str, Any]) -> int | None:
    codes = said.get("error_codes")
    if isinstance(codes, list) and codes and type(codes[0]) is int:
        return codes[0]
    found = re.match(r"AADSTS(\d{4,9})\b", str(said.get("error_description", "")), re.ASCII)
    return int(found[1]) if found else None


def _refusal(status: int, said: Mapping[str, Any] | None, body: bytes) -> SignInFailed:
    code = _code(said) if said is not None else None
    if code is not None and code in _WORDS:
        words, hint = _WORDS[code]
        return _with_code(code, SignInFailed(f"The sign-in failed: {words} (AADSTS{code}).", hint=hint))
    if code is not None:
        hint = f"Look up AADSTS{code} at https://login.microsoftonline.com/error and check the API client."
        return _with_code(code, SignInFailed(f"The sign-in failed: the token endpoint refused (AADSTS{code}).", hint=hint))
    if status >= 500 or status == 429:
        return SignInFailed(
            f"The sign-in failed: the token endpoint has trouble of its own (HTTP {status}).", hint="Try again in a few minutes."
        )
    if 300 <= status < 400:
        return SignInFailed(
            f"The sign-in failed: the token endpoint answered with a redirect (HTTP {status}).",
            hint="Check CIPP_TOKEN_URL; a proxy's sign-in page is another possible cause.",
        )
    if body.lstrip()[:1] == b"<":
        return SignInFailed(
            f"The sign-in failed: a web page came back instead of a token (HTTP {status}).",
            hint="Check CIPP_TOKEN_URL and CIPP_TENANT_ID; a proxy's block page is another possible cause.",
        )
    if status == 200:
        return _no_token()
    return SignInFailed(f"The sign-in failed: the token endpoint refused (HTTP {status}).", hint=_APP)


def _with_code(code: int, error: SignInFailed) -> SignInFailed:
    error.code = code
    return error


def _no_token() -> SignInFailed:
    return SignInFailed("The sign-in failed: the token endpoint's answer holds no usable token.", hint="Check CIPP_TOKEN_URL.")


def _lost(error: Exception, timeout: float) -> SignInFailed:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return SignInFailed(
            f"The sign-in failed: the token endpoint did not answer within {timeout:g} s.",
            hint="Check the network and try again in a minute.",
        )
    return SignInFailed(
        "The sign-in failed: the token endpoint broke off its answer.", hint="Try again; a proxy in between is a possible cause."
    )
