"""The examination behind `cipp-mcp doctor`: from the network to the role, each check only after those it rests on.

Reads only, and few of them. Every fault that it can name is a row of `faults.py`; nothing is named that is no row.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.doctor.answers import Sign, data, rows, sign_of
from cipp_mcp.doctor.faults import SIGN_IN_CODES
from cipp_mcp.doctor.report import Finding, Report, found, well
from cipp_mcp.doctor.role import examine_role, needed
from cipp_mcp.errors import SignInFailed, WireError
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.settings import Settings
from cipp_mcp.wire.probe import Knock, knock, token_version

Send = Callable[[Request], Awaitable[Response]]

CHECKED_WITH = "10.8.2"
OLDEST = (10, 8)
SLOW = 8.0
MOST_SKEW = 300.0


@dataclass(frozen=True)
class Place:
    """Where this examination is made, so that tests can move it.

    Attributes:
        now: epoch seconds by this computer's clock.
        system_proxy: host:port of the proxy that this computer has set for a host; empty where there is none.
        slow: from how many seconds on a first answer counts as a cold start.
        patience: seconds for one answer.
    """

    now: Callable[[], float] = time.time
    system_proxy: Callable[[str], str] = lambda host: _system_proxy(host)
    slow: float = SLOW
    patience: float = 90.0


async def examine(
    settings: Settings,
    catalog: Catalog,
    listed: Sequence[Action],
    *,
    tell: Callable[[str], None] = lambda _: None,
    readable_secret: str = "",
    place: Place | None = None,
) -> Report:
    """Look at everything; stops where nothing further can be known.

    Args:
        listed: the tools that the server would list, whose permissions are looked for.
        tell: hears what is being looked at.
        readable_secret: the secret's file, when others can read it.
    """
    return await _Examination(settings, catalog, listed, tell, place or Place()).run(readable_secret)


class _Examination:
    def __init__(
        self, settings: Settings, catalog: Catalog, listed: Sequence[Action], tell: Callable[[str], None], place: Place
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._listed = [a for a in listed if not a.own]
        self._tell = tell
        self._place = place
        self._host = urlsplit(settings.api_url).hostname or ""
        self._report = Report()

    async def run(self, readable_secret: str) -> Report:
        form = "with `/api`" if self._settings.api_url.rstrip("/").lower().endswith("/api") else "without `/api`"
        self._add(found("settings", "api_path", form=form))
        if readable_secret:
            self._add(found("settings", "secret_readable", file=readable_secret))
        if await self._network() and (version := await self._sign_in()) is not None:
            from cipp_mcp.wire.client import Wire

            async with Wire(self._settings) as wire:
                await self._cipp(wire.send, version)
        return self._report

    def _add(self, finding: Finding) -> None:
        self._report.findings.append(finding)

    # -- before CIPP ----------------------------------------------------------------------------------------

    async def _network(self) -> bool:
        api, token = f"{self._settings.api_root}/api/PublicPing", self._settings.oauth_token_url
        met = []
        for name, url, variable in (("CIPP", api, "CIPP_API_URL"), ("the sign-in", token, _token_variable(self._settings))):
            self._tell(f"connecting to {name}")
            one = await knock(url, self._settings, within=min(self._place.patience, 30.0))
            met.append(one)
            if one.trouble is not None:
                self._add(self._unconnected(one, urlsplit(url).hostname or "", variable))
                return False
        self._add(well("network", "CIPP's host and the sign-in can be reached."))
        self._clock(next((k.date for k in met if k.date), ""))
        return True

    def _unconnected(self, one: Knock, host: str, variable: str) -> Finding:
        proxy = urlsplit(self._settings.proxy)
        match str(one.trouble):
            case "untrusted":
                issuer = f" (issued by {one.issuer})" if one.issuer else ""
                return found("network", "tls_inspection", {"issuer": one.issuer}, host=host, issuer=issuer, variable=variable)
            case "handshake":
                return found("network", "tls_handshake", host=host, variable=variable)
            case "proxy":
                return found("network", "proxy_refused", host=host)
            case kind:
                if proxy.hostname:
                    host, variable = proxy.hostname, "CIPP_PROXY"
                elif known := self._place.system_proxy(host):
                    return found("network", "proxy_needed", host=host, proxy=known)
                if kind == "name":
                    return found("network", "dns", host=host, variable=variable)
                words = {"refused": "it was refused", "time": "none came about in time", "broken": "it broke off"}
                return found("network", "unreachable", host=host, variable=variable, kind=words[kind])

    def _clock(self, date: str) -> None:
        try:
            off = self._place.now() - parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(off) <= MOST_SKEW:
            self._add(well("clock", "This computer's clock agrees with CIPP's.", seconds=round(off)))
            return
        minutes = round(abs(off) / 60)
        self._add(found("clock", "clock", {"seconds": round(off)}, off=f"{minutes} minutes {'ahead' if off > 0 else 'behind'}"))

    async def _sign_in(self) -> str | None:
        """The version that the token claims; None when there is no token."""
        self._tell("signing in")
        try:
            version = await token_version(self._settings)
        except SignInFailed as error:
            row = SIGN_IN_CODES.get(error.code or 0, "sign_in")
            code = f"AADSTS{error.code}"
            words = {"code": code, "scope": self._settings.oauth_scope, "message": error.message, "hint": error.hint}
            self._add(found("sign-in", row, {"code": error.code} if error.code else {}, **words))
            return None
        self._add(well("sign-in", "Tenant, client id, secret and scope are right."))
        return version

    # -- CIPP -----------------------------------------------------------------------------------------------

    async def _cipp(self, send: Send, version: str) -> None:
        ping = await self._ask(send, "waiting for CIPP", "access", "PublicPing")
        if ping is None:
            return
        sign = sign_of(ping, self._host)
        astray = sign is not None and sign.fault == "too_old" and urlsplit(self._settings.api_root).path
        if astray or (sign is None and data(ping) is None):
            sign = Sign("not_cipp", {"host": self._host, "status": str(ping.status)})
        if sign is not None:
            reserved = sign.fault == "not_enabled" and version.startswith("2")
            how = " (its tokens are of version 2.0, which the host refuses)"
            self._add(
                found("access", "client_for_mcp", how=how) if reserved else found("access", sign.fault, **self._words(sign))
            )
            return
        self._add(well("access", f"CIPP answers ({ping.elapsed:.1f} s).", seconds=round(ping.elapsed, 2)))
        if ping.elapsed >= self._place.slow or _was_cold(ping):
            self._add(found("access", "cold_start", seconds=f"{ping.elapsed:.1f}"))
        if await self._tenants(send) and await self._version(send):
            self._tell("looking at the role")
            for finding in await examine_role(self._settings, self._catalog, self._listed, lambda r: self._quiet(send, r)):
                self._add(finding)

    async def _tenants(self, send: Send) -> bool:
        """Whether the client may call anything at all, by the first thing that every tool needs."""
        answer = await self._ask(send, "reading the tenants", "tenants", "ListTenants")
        if answer is None:
            return False
        sign = sign_of(answer, self._host)
        if sign is not None and sign.fault == "role_too_low":
            return True  # said, with all that it costs, by the check of the role
        if sign is not None:
            self._add(found("tenants", sign.fault, **self._words(sign)))
            return sign.fault == "blocked_endpoint"
        there = rows(answer)
        if there is None:
            self._add(found("tenants", "not_cipp", host=self._host, status=str(answer.status)))
            return False
        if not there:
            self._add(found("tenants", "no_tenants"))
            return True
        self._add(well("tenants", f"{len(there)} tenant{'s' if len(there) > 1 else ''}.", count=len(there)))
        return True

    async def _version(self, send: Send) -> bool:
        answer = await self._ask(send, "reading the version", "version", "GetVersion", {"LocalVersion": CHECKED_WITH})
        if answer is None:
            return False
        sign = sign_of(answer, self._host)
        said = data(answer)
        version = str(said.get("LocalCIPPAPIVersion") or "") if isinstance(said, dict) else ""
        wanted = ".".join(str(n) for n in OLDEST)
        if sign is not None and sign.fault == "too_old":
            self._add(found("version", "too_old", found="it has no endpoint GetVersion", wanted=wanted))
        elif sign is not None or not _numbers(version):
            # It asks GitHub for the newest version, and fails where that cannot be reached; nothing of ours rests on it.
            self._add(well("version", "CIPP does not tell its version."))
        elif _numbers(version)[:2] < OLDEST:
            self._add(found("version", "too_old", {"version": version}, found=f"its API is {version}", wanted=wanted))
        else:
            self._add(well("version", f"CIPP's API is {version}.", version=version))
        return True

    def _words(self, sign: Sign) -> dict[str, str]:
        match sign.fault:
            case "too_old":
                return {"found": "an endpoint is missing", "wanted": ".".join(str(n) for n in OLDEST)}
            case "no_role":
                return {"needs": ", ".join(needed(self._listed, self._catalog))}
            case _:
                return sign.words

    async def _ask(
        self, send: Send, tells: str, step: str, endpoint: str, query: dict[str, str] | None = None
    ) -> Response | None:
        self._tell(tells)
        answer = await self._quiet(send, reading(endpoint, self._place.patience, query))
        if isinstance(answer, WireError):
            self._add(found(step, "no_answer", message=answer.message))
            return None
        return answer

    @staticmethod
    async def _quiet(send: Send, request: Request) -> Response | WireError:
        try:
            return await send(request)
        except WireError as error:
            return error


def reading(endpoint: str, patience: float, query: dict[str, str] | None = None) -> Request:
    return Request("GET", f"/api/{endpoint}", query or {}, repeat=Repeat.FREELY, timeout=patience)


def _was_cold(ping: Response) -> bool:
    said = data(ping)
    pong = said.get("Results") if isinstance(said, dict) else None
    return isinstance(pong, dict) and pong.get("ColdStart") is True


def _token_variable(settings: Settings) -> str:
    return "CIPP_TOKEN_URL" if settings.token_url else "the sign-in's address (login.microsoftonline.com)"


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-")[0].split(".")
    return tuple(int(p) for p in parts) if len(parts) >= 2 and all(p.isdigit() for p in parts) else ()


def _system_proxy(host: str) -> str:
    """What the environment, the registry or the system settings name; never with its user name and password."""
    import urllib.request

    if urllib.request.proxy_bypass(host):
        return ""
    try:
        parts = urlsplit(urllib.request.getproxies().get("https", ""))
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""
