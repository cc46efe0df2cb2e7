"""`Wire`: a `Request` becomes HTTP, an answer becomes a `Response`, and only what may be repeated is.

Each ring handles one worry: `send` the overall limit, `_settled` the retry table, `_once` one exchange. Answers are
not read here: a 200 is not yet a success, and that is decided elsewhere. Shielding a write from cancellation is the
caller's affair. Import this module late; it brings httpx.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import anyio
import httpx

from cipp_mcp.errors import Lost, NotSent, Withdrawn
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.settings import Settings
from cipp_mcp.wire import outgoing, retry
from cipp_mcp.wire.budget import Budget
from cipp_mcp.wire.connections import Connections, Departure, exchange
from cipp_mcp.wire.token import SignIn, Token
from cipp_mcp.wire.trouble import Peer, losing, opening
from cipp_mcp.wire.window import Clock, Sleep

log = logging.getLogger("cipp_mcp.wire")

CONNECT_TIMEOUT = 10.0
SIGN_IN_TIMEOUT = 30.0
MOST_BYTES = 64 * 2**20

_STAGES = {
    "sign-in": ("The sign-in did not end within {0:g} s; nothing was sent.", "Check the network and call again."),
    "queue": (
        "Other requests to CIPP left no room within {0:g} s (CIPP takes 100 in 10 s); nothing was sent.",
        "Call again when they have ended.",
    ),
    "connect": ("No connection to CIPP came about within {0:g} s; nothing was sent.", "Check CIPP_API_URL and the network."),
}


def _whose(settings: Settings) -> str:
    """CIPP counts for each API client of each CIPP."""
    return hashlib.sha256(f"{settings.api_root}\n{settings.client_id}".encode()).hexdigest()[:16]


class _Passage:
    """How far a request has come, for the sentence when its time is up."""

    def __init__(self, limit: anyio.CancelScope, total: float, request: Request) -> None:
        self.limit = limit
        self.total = total
        self.stage = "sign-in"
        self._wanted = request.wanted
        self.departure = Departure(self._wanted)

    def again(self) -> None:
        """What ended is no longer what may be lost: from here to the next departure nothing of this request is out."""
        self.departure = Departure(self._wanted)

    def left(self) -> float:
        return self.limit.deadline - anyio.current_time()


class Wire:
    """CIPP's HTTP API. An async context manager; entering opens nothing, and it may be left in another task.

    Args:
        settings: addresses, credentials, proxy, TLS, wait scale.
        budget: shared limits; a new one by default.
        shared: the folder in which this machine's processes share CIPP's window; None leaves it to this process.
        clock: monotonic seconds.
        sleep: waits for so many seconds.
        connect_timeout: seconds for each of TCP and TLS.
        sign_in_timeout: seconds for the token endpoint's answer.
        most_bytes: the largest body that is accepted, decompressed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        budget: Budget | None = None,
        shared: Path | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = anyio.sleep,
        connect_timeout: float = CONNECT_TIMEOUT,
        sign_in_timeout: float = SIGN_IN_TIMEOUT,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._most_bytes = most_bytes
        self._peer = Peer("CIPP", urlsplit(settings.api_url).hostname or "", "CIPP_API_URL", bool(settings.proxy))
        window = shared / f"window-{_whose(settings)}" if shared else None
        self._budget = budget or Budget(settings.wait_scale, clock=clock, sleep=sleep, shared=window)
        self._connections = Connections(settings)
        self._sign_in = SignIn(
            settings,
            self._connections,
            self._budget,
            clock=clock,
            connect_timeout=connect_timeout,
            timeout=sign_in_timeout,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection. What is in flight is lost."""
        await self._sign_in.aclose()
        await self._connections.aclose()

    async def send(self, request: Request) -> Response:
        """One request, repeated as its `repeat` and the retry table allow.

        Raises:
            NotSent: proven that nothing reached CIPP; SignInFailed when the token is the reason.
            Lost: it left, and no usable answer came.
            TooLarge: the answer has too many bytes.
            SettingsError: CIPP_CA_BUNDLE cannot be used.
            InvalidArguments: the body is no JSON.
        """
        started = self._clock()
        content = outgoing.content(request.body)
        total = request.timeout + self._connect_timeout if request.deadline is None else request.deadline
        self._budget.count_call()
        with anyio.move_on_after(total) as limit:
            passage = _Passage(limit, total, request)
            response = await self._settled(request, content, passage)
            return replace(response, elapsed=self._clock() - started)
        if passage.departure.sent:
            raise Lost(f"CIPP did not answer within {total:g} s.", hint="It may still be working on the request.")
        message, hint = _STAGES[passage.stage]
        raise NotSent(message.format(total), hint=hint)

    async def _settled(self, request: Request, content: bytes | None, passage: _Passage) -> Response:
        token = await self._sign_in.token()
        history = retry.History(tries=0)
        while True:
            history = replace(history, tries=history.tries + 1)
            answer: Response | NotSent | Lost
            try:
                answer = await self._once(request, content, token, passage)
                step = retry.after_answer(answer, request.repeat, history, time.time())
            except Withdrawn:
                raise
            except (NotSent, Lost) as fault:
                answer = fault
                step = retry.after_fault(fault.sent, request.repeat, history)
            passage.again()
            if step is retry.RENEW:
                passage.stage = "sign-in"
                token = await self._sign_in.renew(token)
                history = replace(history, renewed=True)
            elif await self._waited(step, request.repeat, history.tries, passage):
                crashed = isinstance(answer, Response) and answer.status == 500
                history = replace(history, waited=history.waited or step.what == "wait", crashed=history.crashed or crashed)
            elif isinstance(answer, Response):
                return replace(answer, tries=history.tries)
            else:
                raise answer

    async def _waited(self, step: retry.Step, repeat: Repeat, tries: int, passage: _Passage) -> bool:
        """Wait as the step says; False, at once, when there is nothing to wait for or no time or allowance left."""
        if step is retry.SETTLE:
            return False
        seconds = step.seconds if step.what == "wait" else self._budget.back_off(tries)
        # Unscaled on purpose: scaled-down waits of a test must not make a wait fit that would not fit in earnest.
        if seconds >= passage.left():
            return False
        if repeat is Repeat.FREELY and not self._budget.take_retry():
            return False
        await self._budget.wait(seconds)
        return True

    async def _once(self, request: Request, content: bytes | None, token: Token, passage: _Passage) -> Response:
        passage.stage = "queue"
        async with self._budget.place():
            if request.deadline is None and request.repeat is not Repeat.FREELY:
                # CIPP works on for minutes: a write that queued here is owed its whole time-out, or it would be lost for nothing.
                passage.limit.deadline = anyio.current_time() + passage.total
            passage.stage = "connect"
            started = self._clock()
            try:
                client = self._connections.reads if request.repeat is Repeat.FREELY else self._connections.writes
                ready = client.build_request(
                    request.method,
                    outgoing.address(self._settings.api_root, request),
                    content=content,
                    headers=outgoing.headers(request, token.text),
                    timeout=httpx.Timeout(request.timeout, connect=self._connect_timeout, pool=self._connect_timeout),
                )
                status, headers, body = await exchange(
                    client, ready, departure=passage.departure, most_bytes=self._most_bytes, long=request.long
                )
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
                log.debug("%s %s %s", request.method, request.path, type(error).__name__)
                if passage.departure.sent:
                    message, hint = losing(error, self._peer, request.timeout)
                    raise Lost(message, hint=hint) from None
                message, hint = opening(error, self._peer, in_handshake=passage.departure.in_handshake)
                raise NotSent(message, hint=hint) from None
        log.debug("%s %s %d %d ms", request.method, request.path, status, (self._clock() - started) * 1000)
        return Response(status, headers, bytes(body.start), file=body.file)
