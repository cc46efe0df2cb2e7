"""What stands in front of CIPP's functions, in the real order: sign-in check, rate window, name, role, function.

From one request to the moves that leave, without a socket. The token endpoint of the same tenant is here
too, because tokens and the check for them are two ends of one thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cipp_mcp.demo import access, contract
from cipp_mcp.demo.answers import endpoints, named
from cipp_mcp.demo.dialect import Abort, Call, Endpoint, GraphError, Reply
from cipp_mcp.demo.faults import Faults, Http, Move
from cipp_mcp.demo.misbehaviour import HTML, KINDS, SIGN_IN, encode
from cipp_mcp.demo.world import World, stable_id

WINDOW, MOST_PER_WINDOW = 10, 100
LARGEST_BODY = 8 * 1024 * 1024
TOKEN_PATH = re.compile(r"^/([^/]+)/oauth2/v2\.0/token$", re.IGNORECASE)


@dataclass(frozen=True)
class Received:
    """One request as it arrived. `endpoint` is "token" for the token endpoint and "" for what is no API call."""

    number: int
    at: datetime
    method: str
    path: str
    endpoint: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def is_token(self) -> bool:
        return self.endpoint == "token"


@dataclass(frozen=True)
class Turn:
    """What leaves, and what is done once it has left."""

    moves: list[Move]
    afterwards: Callable[[], object] | None = None


@dataclass
class Front:
    """The front of one box.

    Attributes:
        newer: functions of a CIPP that has more than this one; with them it also answers with its OpenAPI document,
            which CIPP 10.8.2 does not do yet.
    """

    world: World
    faults: Faults
    role: access.Role = "admin"
    enforce_rate: bool = True
    token_life: float = 3599
    newer: Mapping[str, Endpoint] | None = None
    received: list[Received] = field(default_factory=list)
    # What went wrong in the demo itself; a test may assert that this stays empty.
    errors: list[BaseException] = field(default_factory=list)
    _tokens: dict[str, datetime] = field(default_factory=dict)
    _window: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self._endpoints = endpoints()
        if self.newer is not None:
            told = contract.answering({**named(), **self.newer})
            self._endpoints |= {name.lower(): endpoint for name, endpoint in {**self.newer, **told}.items()}
        client = self.world.table("settings")["api_client"]
        self.tenant_id = str(client["tenant_id"])
        self.client_id = str(client["client_id"])
        self.client_secret = str(client["client_secret"])
        own = self.world.table("api_clients")[self.client_id]
        own["Role"] = self.role if isinstance(self.role, str) else self.role.name

    @property
    def acting_role(self) -> access.Role:
        """The role CIPP has on record for this client by now; without a record it is the one that nobody made."""
        row = self.world.table("api_clients").get(self.client_id)
        name = row["Role"] if row else None
        if isinstance(self.role, access.CustomRole) and name == self.role.name:
            return self.role
        return str(name or "cipp-api")

    @property
    def tokens(self) -> list[str]:
        return list(self._tokens)

    def turn(self, method: str, target: str, headers: dict[str, str], raw: bytes, whole: bool = True) -> Turn:
        """What one request leads to. A mistake of the demo's own is kept and answered, and never ends the box."""
        try:
            return self._turn(method, target, headers, raw, whole)
        except Exception as mistake:
            self.errors.append(mistake)
            return Turn([Http(500, b"", None)])

    def _turn(self, method: str, target: str, headers: dict[str, str], raw: bytes, whole: bool) -> Turn:
        """`whole` is false when the body was longer than is read."""
        parts = urlsplit(target)
        path = unquote(parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        token = TOKEN_PATH.match(path)
        name = "token" if token else path.removeprefix("/api/") if path.startswith("/api/") else ""
        body = dict(parse_qsl(raw.decode("utf-8", "replace"))) if token else _json(raw, headers)
        with self.world.lock:
            self.world.settle()
            number = len(self.received) + 1
            shown = None if isinstance(body, str) else body
            self.received.append(Received(number, self.world.now(), method, path, name, query, shown, headers))
            if not whole:
                return Turn([Http(413, b"", None)])
            if token:
                return self._struck("token", lambda: self._token(token[1], method, body))
            if not name:
                return Turn([self._portal(path)])
            return self._api(name, method, query, body, headers)

    # -- in front of CIPP ------------------------------------------------------------------------------

    def _portal(self, path: str) -> Http:
        if path.startswith("/.auth/login"):
            return Http(200, SIGN_IN, HTML)
        return Http(302, b"", None, (("Location", f"/.auth/login/aad?post_login_redirect_uri={path}"),))

    def _api(self, name: str, method: str, query: dict[str, str], body: Any, headers: dict[str, str]) -> Turn:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        good_until = self._tokens.get(token.strip())
        saved = self.world.table("settings")["azure"]["clients"]  # pushed there by ExecApiClient SaveToAzure
        if scheme.lower() != "bearer" or good_until is None or good_until <= self.world.now() or self.client_id not in saved:
            return Turn([Http(401, b"", None, (("WWW-Authenticate", "Bearer"),))])
        if wait := self._over_the_rate():
            return Turn([Http(429, b"", None, (("Retry-After", str(wait)),))])
        role = self.acting_role
        allowed = access.scope(role, [tenant.customer_id for tenant in self.world.known()])
        call = Call(
            self.world, name, method, query, body, self.client_id, allowed=allowed, role=role, address=_address(headers),
            headers=headers,
        )  # fmt: skip
        return self._struck(name, lambda: self._core(call))

    def _over_the_rate(self) -> int:
        """Seconds until the next window, if this one is full; the window is fixed and everything counts."""
        now = self.world.now().timestamp()
        window = int(now // WINDOW)
        used = self._window[1] if self._window[0] == window else 0
        self._window = (window, used + 1)
        if not self.enforce_rate or used < MOST_PER_WINDOW:
            return 0
        return max(1, int((window + 1) * WINDOW - now) + 1)

    # -- faults ----------------------------------------------------------------------------------------

    def _struck(self, name: str, answer: Callable[[], Reply]) -> Turn:
        fault = self.faults.take(name)
        if fault is None:
            return Turn([encode(answer())])
        kind = KINDS[fault.kind]
        known = [tenant.default_domain for tenant in self.world.known()]
        effect = fault.effect or kind.effect
        if effect == "done":
            return Turn(kind.play(fault, answer(), known))
        # A token is no part of the world, so it is not rehearsed but simply not issued.
        reply = Reply() if name == "token" else self._rehearsed(answer)
        if effect == "deferred":
            self.world.later(15 * 60, answer)
        return Turn(kind.play(fault, reply, known), answer if effect == "after" else None)

    def _rehearsed(self, answer: Callable[[], Reply]) -> Reply:
        with self.world.rehearsal():
            return answer()

    # -- CIPP's core -----------------------------------------------------------------------------------

    def _core(self, call: Call) -> Reply:
        if call.endpoint.lower() == "me":
            return Reply(json.dumps(access.me(self.acting_role, self.client_id)))  # a text, as with PublicPing
        endpoint = self._endpoints.get(call.endpoint.lower())
        if endpoint is None:
            return Reply("Endpoint not found", 404)
        if refused := access.refusal(self.acting_role, call, endpoint):
            return Reply(refused, 403)
        with self.world.lock, self.world.acting(call.endpoint):
            try:
                return endpoint.run(call)
            except Abort:
                return Reply(None, 204)
            except (GraphError, ValueError, OverflowError) as refusal:
                return Reply(str(refusal), 500)
            except Exception as mistake:
                self.errors.append(mistake)
                return Reply(f"{type(mistake).__name__}: {mistake}", 500)

    # -- the token endpoint ----------------------------------------------------------------------------

    def _token(self, tenant: str, method: str, form: Any) -> Reply:
        given = form if isinstance(form, dict) else {}
        if method != "POST":
            return _oauth(900561, "invalid_request", "The endpoint only accepts POST requests.", 400)
        if tenant.lower() != self.tenant_id.lower():
            return _oauth(90002, "invalid_request", f"Tenant '{tenant}' not found.", 400)
        if given.get("grant_type") != "client_credentials":
            return _oauth(
                70003, "unsupported_grant_type", f"The app requested an unsupported grant type '{given.get('grant_type')}'.", 400
            )
        if given.get("client_id") != self.client_id:
            return _oauth(
                700016, "unauthorized_client", f"Application '{given.get('client_id')}' was not found in the directory.", 400
            )
        if given.get("client_secret") != self.client_secret:
            return _oauth(7000215, "invalid_client", "Invalid client secret provided.", 401)
        if given.get("scope") != f"api://{self.client_id}/.default":
            return _oauth(500011, "invalid_resource", f"The resource principal named {given.get('scope')} was not found.", 400)
        token = f"demo-{stable_id('token', len(self._tokens), self.world.now().isoformat())}"
        self._tokens[token] = self.world.now() + timedelta(seconds=self.token_life)
        life = int(self.token_life)
        return Reply({"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})

    def revoke_tokens(self) -> None:
        """Every token issued so far is refused from now on."""
        with self.world.lock:
            self._tokens = dict.fromkeys(self._tokens, self.world.now())


def _address(headers: dict[str, str]) -> str:
    """The first address of x-forwarded-for without its port, as CIPP takes it."""
    text = headers.get("x-forwarded-for", "127.0.0.1").split(",")[0].strip()
    return text.rsplit(":", 1)[0] if text.count(":") == 1 else text.strip("[]")


def _oauth(code: int, error: str, text: str, status: int) -> Reply:
    body = {
        "error": error, "error_description": f"AADSTS{code}: {text}", "error_codes": [code], "timestamp": "",
        "trace_id": stable_id(code),
        "correlation_id": stable_id(error), "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }  # fmt: skip
    return Reply(body, status)


class _TwiceNamed(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key.lower() for key, _ in pairs}) != len(pairs):
        raise _TwiceNamed
    return dict(pairs)


def _json(raw: bytes, headers: dict[str, str]) -> Any:
    """The body as the worker hands it over: an object if it is sent as JSON and is JSON, else the text.

    Two keys that differ only in case make it no JSON for PowerShell, and every field of it null.
    """
    if not raw:
        return None
    text = raw.decode("utf-8", "replace")
    if "application/json" not in headers.get("content-type", "").lower():
        return text
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (_TwiceNamed, ValueError, RecursionError):
        return text
