"""Which request gets what, and what counts as a person's answer.

A yes is stored in the plan store and nowhere else; the call that waits for it reads it there. MCP, CIPP, sockets and
the looks of a page may not enter. Nothing here is worth less than a terminal: whoever has the link and the cookie and
types the phrase is taken for the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import anyio
from anyio.to_thread import run_sync

from cipp_mcp.approval_page import page
from cipp_mcp.approval_page.answers import refusal, said, shown
from cipp_mcp.approval_page.listener import Answer, Asked
from cipp_mcp.approval_page.openings import COOKIE, Opening, Openings
from cipp_mcp.call.desk import Record
from cipp_mcp.call.guard.plan import Owner, Plan, typed_right
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.errors import AuditUnavailable, PlanRefused

MOST_PINS = 3
FORM = "application/x-www-form-urlencoded"
CHANNEL = "page"

_Page = Callable[[Opening, Mapping[str, str]], Awaitable[Answer]]


class Reception:
    """Everything behind the door of one site.

    Attributes:
        port: where it is reached; no request is answered before it is set.
        openings: the links that are good now.
    """

    def __init__(
        self,
        store: PlanStore,
        owner: Owner,
        record: Record,
        now: Callable[[], float],
        pin: Callable[[str], bool] | None,
        take_secret: Callable[[str], str | None] | None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._record = record
        self._now = now
        self._pin = pin
        self._take_secret = take_secret
        self._wrong_pins: Counter[str] = Counter()
        self._deciding = anyio.Lock()
        self.openings = Openings(now)
        self.port = 0

    async def answer(self, asked: Asked) -> Answer:
        """Every check that does not depend on a plan, in an order that tells a stranger nothing about nonces."""
        host = asked.headers.get("host", "")
        if host not in {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}:
            return refusal(403)
        if asked.method not in {"GET", "POST"}:
            return refusal(405)
        if asked.method == "POST" and not _from_here(asked, host):
            return refusal(403)
        nonce, _, place = asked.target.removeprefix("/").partition("/")
        opening = self.openings.find(nonce)
        if opening is None or not asked.target.startswith(f"/{nonce}/"):
            return refusal(404)
        route = self._route(opening, place)
        if route is None:
            return refusal(404)
        if asked.method not in route:
            return refusal(405)
        if not opening.admits(asked.headers):
            if opening.taken or asked.method == "POST":
                return said(403, "Opened elsewhere", ELSEWHERE)
            opening.taken = True
        form: dict[str, str] = {}
        if asked.method == "POST":
            if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
                return refusal(415)
            try:
                form = dict(parse_qsl(asked.body.decode("utf-8"), True, True, max_num_fields=8, errors="strict"))
            except ValueError:
                return refusal(400)
        try:
            answer = await route[asked.method](opening, form)
        except AuditUnavailable:
            answer = refusal(503)
        cookie = f"{COOKIE}={opening.cookie}; Path=/{opening.nonce}/; HttpOnly; SameSite=Strict"
        return Answer(answer.status, answer.body, (*answer.headers, ("Set-Cookie", cookie)))

    def _route(self, opening: Opening, place: str) -> Mapping[str, _Page] | None:
        if opening.secret:
            here = place == f"secret/{opening.secret}" and self._take_secret is not None
            return {"GET": self._before_secret, "POST": self._secret} if here else None
        places: dict[str, dict[str, _Page]] = {
            "": {"GET": self._plans},
            "approve": {"POST": self._approve},
            "decline": {"POST": self._decline},
        }
        return places.get(place)

    async def _waiting(self) -> list[Plan]:
        def read() -> list[Plan]:
            return [p for p in self._store.all() if p.owner == self._owner and self._store.approval(p) is None]

        return await run_sync(read)

    async def _plans(self, opening: Opening, _: Mapping[str, str], notice: str = "", plan: str = "", status: int = 200) -> Answer:
        waiting = await self._waiting()
        top = next((p for p in waiting if p.id == (plan or opening.plan)), None)
        others = [p for p in waiting if p is not top]
        text = page.plans_page(top, others, opening.token, self._now(), pin=self._pin is not None, notice=notice)
        return shown(status, text)

    async def _approve(self, opening: Opening, form: Mapping[str, str]) -> Answer:
        async with self._deciding:
            plan = await self._asked_plan(opening, form)
            if isinstance(plan, Answer):
                return plan
            if self._pin is not None and not await run_sync(self._pin, form.get("pin", "")):
                return await self._wrong_pin(opening, plan)
            if not typed_right(plan, form.get("phrase")):
                await self._no(plan, "wrong phrase")
                return await self._end(
                    200, "Declined", f"That is not what was to be typed, and that counts as a no. {NOTHING}", plan
                )
            # The record first: a yes that the trail does not know must not exist.
            await self._record("approve", _about(plan) | {"reply": "yes"})
            await run_sync(self._store.approve, plan, CHANNEL)
            return await self._end(200, "Approved", HELD if plan.held else RUNS, plan, good=True)

    async def _decline(self, opening: Opening, form: Mapping[str, str]) -> Answer:
        async with self._deciding:
            plan = await self._asked_plan(opening, form)
            if isinstance(plan, Answer):
                return plan
            await self._no(plan)
            return await self._end(200, "Declined", NOTHING, plan)

    async def _asked_plan(self, opening: Opening, form: Mapping[str, str]) -> Plan | Answer:
        """The plan that a form is about, if it still waits for an answer."""
        plan_id = form.get("plan", "")
        if not opening.vouches(plan_id, form.get("csrf", "")):
            return refusal(403)
        try:
            plan = await run_sync(self._store.get, plan_id, self._owner)
        except PlanRefused as refused:
            return await self._end(410, "No longer waiting", f"{refused.message} This answer changes nothing.")
        if await run_sync(self._store.approval, plan) is not None:
            return await self._end(410, "Approved already", "This plan was approved before; a yes counts once.", plan)
        return plan

    async def _wrong_pin(self, opening: Opening, plan: Plan) -> Answer:
        self._wrong_pins[plan.id] += 1
        left = MOST_PINS - self._wrong_pins[plan.id]
        if left > 0:
            tries = "one try is" if left == 1 else f"{left} tries are"
            return await self._plans(opening, {}, f"That is not the PIN. Nothing was approved; {tries} left.", plan.id, 403)
        await self._no(plan, "wrong PIN")
        return await self._end(403, "Declined", f"The PIN was wrong {MOST_PINS} times. {NOTHING}", plan)

    async def _no(self, plan: Plan, why: str = "") -> None:
        # The no first: it counts even where the trail cannot be written.
        await run_sync(self._store.claim, plan, "declined")
        await self._record("approve", _about(plan) | {"reply": "no"} | ({"why": why} if why else {}))

    async def _end(self, status: int, title: str, says: str, about: Plan | None = None, *, good: bool = False) -> Answer:
        others = len(await self._waiting())
        text = page.answered_page(title, f"{says} {page.CLOSE}", about=about, good=good, others=others)
        return shown(status, text)

    async def _before_secret(self, opening: Opening, _: Mapping[str, str]) -> Answer:
        return shown(200, page.secret_page(opening.token(opening.secret)))

    async def _secret(self, opening: Opening, form: Mapping[str, str]) -> Answer:
        if not opening.vouches(opening.secret, form.get("csrf", "")):
            return refusal(403)
        assert self._take_secret is not None
        secret = await run_sync(self._take_secret, opening.secret)
        if secret is None:
            return said(410, "No longer here", f"The secret was shown already or its time is up. {page.CLOSE}")
        return shown(200, page.shown_secret_page(secret))


NOTHING = "Nothing was sent. A new call makes a new plan."
RUNS = "The waiting call runs now. If it has stopped waiting, have it made again with confirm within 10 minutes."
HELD = "Have the call made again with confirm within 10 minutes; it runs then."
ELSEWHERE = "This link was opened before, in another browser or profile. Use that window, or `cipp-mcp approve` in a terminal."


def _about(plan: Plan) -> dict[str, Any]:
    return {"plan": plan.id, "plan_digest": plan.digest, "action": plan.action, "channel": CHANNEL}


def _from_here(asked: Asked, host: str) -> bool:
    site = asked.headers.get("sec-fetch-site", "same-origin")
    return asked.headers.get("origin") == f"http://{host}" and site == "same-origin"
