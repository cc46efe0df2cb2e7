"""What a person can answer, over a real socket: exactly one yes to exactly one plan, and everything else is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from cipp_mcp.call.guard.plan import APPLY_WITHIN, YES_WITHIN
from cipp_mcp.errors import AuditUnavailable, PlanRefused
from tests.approval_page import plans
from tests.approval_page.conftest import NOON, House, Visitor
from tests.approval_page.plans import OWNER

pytestmark = pytest.mark.anyio

Visit = Callable[[str], Visitor]


async def test_the_typed_phrase_is_a_yes_to_exactly_that_plan(house: House, visit: Visit) -> None:
    plan, other = house.save(plans.wipe(NOON)), house.save(plans.disable(NOON))
    async with house.site() as site:
        assert await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        reply = await person.approve(plan, "laptop-0001 ")
    assert (reply.status_code, "Approved" in reply.text) == (200, True)
    approved = house.store.approval(plan)
    assert approved is not None and approved.channel == "page"
    assert house.store.approval(other) is None
    about = {"plan": plan.id, "plan_digest": plan.digest, "action": "wipe_device", "channel": "page", "reply": "yes"}
    assert house.records == [("approve", about)]


@pytest.mark.parametrize("typed", ["", "yes", "LAPTOP-0002", "LAPTOP-0001x", "ＬAPTOP-0001"])
async def test_any_other_phrase_is_a_no(house: House, visit: Visit, typed: str) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        reply = await person.approve(plan, typed)
        again = await person.approve(plan, plan.phrase)
    assert (reply.status_code, "Declined" in reply.text) == (200, True)
    assert (again.status_code, house.replies(), house.store.approval(plan)) == (410, ["no"], None)
    with pytest.raises(PlanRefused):
        house.store.get(plan.id, OWNER)


async def test_declining_uses_the_plan_up(house: House, visit: Visit) -> None:
    plan = house.save(plans.disable(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        reply = await person.decline(plan)
        assert "Nothing was sent" in reply.text
        assert (await person.decline(plan)).status_code == 410
        assert "No plan is waiting" in (await person.look()).text
    assert house.replies() == ["no"]


async def test_a_yes_counts_once(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        replies: list[int] = []

        async def press() -> None:
            replies.append((await person.approve(plan, plan.phrase)).status_code)

        async with anyio.create_task_group() as presses:
            for _ in range(8):
                presses.start_soon(press)
        declined = await person.decline(plan)
    assert sorted(replies) == [200] + [410] * 7
    assert (house.replies(), declined.status_code) == (["yes"], 410)


async def test_a_used_plan_cannot_be_approved(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        assert house.store.claim(plan)
        reply = await person.approve(plan, plan.phrase)
    assert (reply.status_code, house.records) == (410, [])
    assert "used already" in reply.text


async def test_a_yes_that_comes_too_late_is_none(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        house.time += YES_WITHIN + 1
        late = await person.approve(plan, plan.phrase)
        house.time += APPLY_WITHIN
        gone = await person.look()
    assert (late.status_code, gone.status_code, house.store.approval(plan)) == (410, 404, None)
    assert "expired" in late.text


async def test_all_waiting_plans_of_this_owner_are_listed_and_each_can_be_answered(house: House, visit: Visit) -> None:
    plan, other, done = (house.save(p) for p in (plans.wipe(NOON), plans.disable(NOON + 1), plans.disable(NOON + 2, 2)))
    foreign = house.save(plans.plan(plans.LAPS, plans.device(7), now=NOON, owner=replace(OWNER, os_user="mallory")))
    house.store.approve(done, "terminal")
    async with house.site() as site:
        await site.open_for(other)
        person = visit(house.opened[0])
        page = (await person.look()).text
        assert page.index(other.short) < page.index(plan.short)
        assert done.id not in page and foreign.id not in page and "1 more plan waits" in page
        assert (await person.approve(plan, plan.phrase)).status_code == 200
        assert (await person.approve(other, other.phrase)).status_code == 200
    assert house.replies() == ["yes", "yes"]


async def test_a_form_is_good_for_its_own_plan_only(house: House, visit: Visit) -> None:
    plan, other = house.save(plans.wipe(NOON)), house.save(plans.disable(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        await site.open_for(other)
        person, second = (visit(address) for address in house.opened)
        await person.look()
        await second.look()
        crossed = person.form(plan) | {"plan": other.id, "phrase": other.phrase}
        from_elsewhere = second.form(plan) | {"phrase": plan.phrase}
        without = {"plan": plan.id, "phrase": plan.phrase}
        statuses = [(await person.post("approve", form)).status_code for form in (crossed, from_elsewhere, without)]
    assert (statuses, house.records) == ([403, 403, 403], [])


async def test_a_trail_that_cannot_be_written_lets_no_yes_through(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    house.record_fails = AuditUnavailable("The audit trail cannot be written.")
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        assert (await person.approve(plan, plan.phrase)).status_code == 503
        assert house.store.approval(plan) is None
        assert (await person.decline(plan)).status_code == 503
    with pytest.raises(PlanRefused):
        house.store.get(plan.id, OWNER)


async def test_what_breaks_inside_is_no_yes_and_the_site_lives_on(house: House, visit: Visit, caplog: Any) -> None:
    plan = house.save(plans.wipe(NOON))
    house.record_fails = RuntimeError("canary-in-a-message")
    async with house.site() as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        assert (await person.approve(plan, plan.phrase)).status_code == 500
        house.record_fails = None
        assert (await person.approve(plan, plan.phrase)).status_code == 200
    assert "RuntimeError" in caplog.text
    assert "canary-in-a-message" not in caplog.text and person.address.split("/")[3] not in caplog.text


async def test_a_wrong_pin_is_not_a_yes_and_three_close_the_plan(house: House, visit: Visit) -> None:
    plan, other = house.save(plans.wipe(NOON)), house.save(plans.disable(NOON))
    async with house.site(pin=lambda typed: typed == "4711") as site:
        await site.open_for(plan)
        person = visit(house.opened[0])
        await person.look()
        tries = [await person.approve(plan, plan.phrase, pin=pin) for pin in ("", "1234", "0000", "4711")]
        assert [t.status_code for t in tries] == [403, 403, 403, 410]
        assert "2 tries are left" in tries[0].text and "one try is left" in tries[1].text and "Declined" in tries[2].text
        assert (await person.approve(other, "yes", pin="1")).status_code == 403
        assert (await person.approve(other, "yes", pin="4711")).status_code == 200
    assert [(f["reply"], f.get("why")) for _, f in house.records] == [("no", "wrong PIN"), ("yes", None)]


async def test_a_plan_with_an_open_page_gets_no_second_one(house: House) -> None:
    plan, other = house.save(plans.wipe(NOON)), house.save(plans.disable(NOON))
    async with house.site() as site:
        async with anyio.create_task_group() as calls:
            for _ in range(5):
                calls.start_soon(site.open_for, plan)
        assert len(house.opened) == 1
        assert await site.open_for(other) and await site.open_for(plan)
    assert len(house.opened) == 2
    nonces = {address.split("/")[3] for address in house.opened}
    assert len(nonces) == 2 and all(len(nonce) >= 43 for nonce in nonces)


async def test_no_browser_means_false_and_a_dead_link(house: House, visit: Visit) -> None:
    plan = house.save(plans.wipe(NOON))
    answers = [False, True]

    def opener(address: str) -> bool:
        house.opened.append(address)
        return answers.pop(0)

    async with house.site(opener=opener) as site:
        assert not await site.open_for(plan)
        assert await site.open_for(plan)
        assert [(await visit(address).look()).status_code for address in house.opened] == [404, 200]


async def test_a_secret_is_behind_a_button_and_shown_once(house: House, visit: Visit) -> None:
    secrets = {"h1": 'canary <b>&"\u202e  7 ', "h2": "other"}
    plan = house.save(plans.wipe(NOON))
    async with house.site(take_secret=lambda i: secrets.pop(i, None)) as site:
        assert await site.open_secret("h1") and not await site.open_secret("../approve")
        person = visit(house.opened[0])
        for _ in range(3):
            assert "canary" not in (await person.look()).text
        token = person.page.split('name="csrf" value="')[1].split('"')[0]
        assert (await person.post("secret/h1", {"csrf": "0" * 64})).status_code == 403
        assert (await person.post("secret/h2", {"csrf": token})).status_code == 404
        assert (await person.post("approve", {"plan": plan.id, "csrf": token, "phrase": plan.phrase})).status_code == 404
        shown = await person.post("secret/h1", {"csrf": token})
        again = await person.post("secret/h1", {"csrf": token})
    assert "canary &lt;b&gt;&amp;&quot;\u202e  7 </p>" in shown.text
    assert (shown.headers["cache-control"], again.status_code, "canary" in again.text) == ("no-store", 410, False)
    assert (house.records, list(secrets)) == ([], ["h2"])
