"""The whole way in a real browser: seen, read without scrolling, answered by keyboard, and nothing fetched from elsewhere.

Screenshots go to the folder that CIPP_MCP_SCREENSHOTS names, if it is set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cipp_mcp.call.guard.plan import Plan
from tests.approval_page import plans
from tests.approval_page.conftest import NOON, House
from tests.approval_page.seats import SIZE, Seat, sit

pytestmark = pytest.mark.anyio

SYNCED = {
    "accountEnabled": True,
    "userType": "Member",
    "onPremisesSyncEnabled": True,
    "onPremisesImmutableId": "abcdEFGHijklMNOPqrstUV==",
    "lastPasswordChangeDateTime": "2026-03-01T08:00:00Z",
}
ADMIN = {plans.person(1).id: ("Global Administrator",)}
HOSTILE = plans.plan(
    plans.WIPE, plans.device(name=plans.HOSTILE[:300], label=plans.HOSTILE), now=NOON, arguments={"note": plans.HOSTILE}
)
SIGHTS = {
    "wipe-1": plans.wipe(NOON),
    "wipe-5": plans.plan(plans.WIPE, *(plans.device(n) for n in range(1, 6)), now=NOON),
    "wipe-5-synced-admin": plans.plan(plans.WIPE, *(plans.person(n, state=SYNCED) for n in range(1, 6)), now=NOON, roles=ADMIN),
    "disable-1": plans.disable(NOON),
    "disable-1-admin": plans.disable(NOON, roles=ADMIN),
    "disable-5-admin": plans.disable(NOON, 5, roles=ADMIN),
    "govern": plans.plan(plans.CLIENTS, now=NOON, arguments={"role": "admin", "ip_range": ["any"]}),
    "reveal": plans.plan(plans.LAPS, plans.device(), now=NOON),
}


def root(house: House) -> str:
    return "/".join(house.opened[0].split("/")[:3])


async def test_typed_by_keyboard_and_entered_it_is_a_yes(house: House, chromium: Any) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        assert await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        assert await seat.focused() == "phrase"
        await seat.type(plan.phrase, "Enter")
        await seat.page.wait_for_url("**/approve")
        await seat.reads("Approved")
        assert "close this window" in str(await seat.page.text_content("main"))
        assert seat.undisturbed(root(house))
        await seat.page.goto(house.opened[0])
        await seat.reads("No plan is waiting")
    approved = house.store.approval(plan)
    assert approved is not None and approved.channel == "page"
    assert house.replies() == ["yes"]


async def test_a_wrong_phrase_is_a_no_and_the_link_is_used_up(house: House, chromium: Any) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        await seat.type("LAPTOP-0002", "Enter")
        await seat.page.wait_for_url("**/approve")
        await seat.reads("Declined")
        await seat.page.go_back()
        if await seat.page.locator("[name=phrase]").count():
            await seat.page.fill("[name=phrase]", plan.phrase)
            await seat.page.click("button.approve")
            await seat.reads("No longer waiting")
        else:
            await seat.reads("No plan is waiting")
    assert (house.store.approval(plan), house.replies()) == (None, ["no"])


async def test_an_empty_field_is_not_an_answer_and_tab_reaches_decline(house: House, chromium: Any) -> None:
    plan = house.save(plans.disable(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        await seat.type("", "Enter")
        assert (await seat.focused(), house.records) == ("phrase", [])
        await seat.type("", "Tab")
        assert await seat.focused() == "Approve"
        await seat.type("", "Tab")
        assert await seat.focused() == "Decline"
        await seat.type("", "Enter")
        await seat.page.wait_for_url("**/decline")
        await seat.reads("Declined")
    assert house.replies() == ["no"]


async def test_a_plan_used_elsewhere_cannot_be_approved_from_an_open_page(house: House, chromium: Any) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        house.store.claim(plan)
        await seat.type(plan.phrase, "Enter")
        await seat.page.wait_for_url("**/approve")
        await seat.reads("No longer waiting")
    assert house.records == []


async def test_the_second_waiting_plan_is_unfolded_and_approved(house: House, chromium: Any) -> None:
    plan, other = house.save(plans.wipe(NOON)), house.save(plans.disable(NOON))
    async with house.site() as site:
        await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        assert await seat.height() <= SIZE["height"]
        await seat.page.click("summary")
        await seat.page.fill("details [name=phrase]", "yes")
        await seat.page.press("details [name=phrase]", "Enter")
        await seat.page.wait_for_url("**/approve")
        await seat.page.click("a")
        await seat.page.wait_for_selector("form")
        assert await seat.page.locator("form").count() == 1
    assert house.store.approval(other) is not None and house.store.approval(plan) is None


async def test_a_wrong_pin_keeps_the_plan_and_the_right_one_approves(house: House, chromium: Any) -> None:
    plan = house.save(plans.wipe(NOON))
    async with house.site(pin=lambda typed: typed == "4711") as site:
        await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        await seat.type(plan.phrase, "Tab")
        await seat.type("1234", "Enter")
        await seat.page.wait_for_selector("[role=alert]")
        await seat.type(plan.phrase, "Tab")
        await seat.type("4711", "Enter")
        await seat.reads("Approved")
    assert house.replies() == ["yes"]


async def test_a_secret_is_shown_at_a_press_and_not_again(house: House, chromium: Any) -> None:
    secrets = {"h1": "Wob <7> & 'x'"}
    async with house.site(take_secret=lambda i: secrets.pop(i, None)) as site:
        await site.open_secret("h1")
        seat = await sit(chromium, house.opened[0])
        await seat.type("", "Enter")
        await seat.page.wait_for_selector(".secret")
        assert await seat.page.text_content(".secret") == "Wob <7> & 'x'"
        assert seat.undisturbed(root(house))
        await seat.page.goto(house.opened[0])
        await seat.page.click("button")
        await seat.reads("No longer here")


async def test_hostile_names_run_nothing_and_load_nothing(house: House, chromium: Any) -> None:
    plan = house.save(HOSTILE)
    async with house.site() as site:
        await site.open_for(plan)
        seat = await sit(chromium, house.opened[0])
        seat.page.on("dialog", lambda dialog: seat.complaints.append(dialog.message))
        assert await seat.page.locator("script, img, iframe, object, [onerror]").count() == 0
        assert await seat.page.evaluate("document.documentElement.scrollWidth") <= SIZE["width"]
        await picture(seat, "hostile-light")
        assert seat.undisturbed(root(house))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_plans_for_one_and_for_five_are_read_without_scrolling(house: House, chromium: Any, scheme: str) -> None:
    async with house.site() as site:
        heights, papers = {}, set()
        for name, plan in SIGHTS.items():
            await _open_alone(house, site, plan)
            seat = await sit(chromium, house.opened[-1], scheme)
            heights[name] = await seat.height()
            papers.add(await seat.page.evaluate("getComputedStyle(document.body).backgroundColor"))
            await picture(seat, f"{name}-{scheme}")
            assert seat.undisturbed(root(house))
            assert await seat.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
            await seat.page.close()
            house.store.claim(plan, "declined")
    assert {name: height for name, height in heights.items() if height > SIZE["height"]} == {}
    assert papers == {"rgb(243, 244, 246)" if scheme == "light" else "rgb(15, 18, 22)"}


async def _open_alone(house: House, site: Any, plan: Plan) -> None:
    house.save(plan)
    assert await site.open_for(plan)


async def picture(seat: Seat, name: str) -> None:
    if folder := os.environ.get("CIPP_MCP_SCREENSHOTS"):
        await seat.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


async def test_every_text_has_contrast(house: House, chromium: Any) -> None:
    """WCAG AA: 4.5 to 1 for every text, in both schemes and for every look."""
    async with house.site() as site:
        for plan in SIGHTS.values():
            await _open_alone(house, site, plan)
            seat = await sit(chromium, house.opened[-1])
            for scheme in ("light", "dark"):
                await seat.page.emulate_media(color_scheme=scheme)
                assert await seat.page.evaluate(WEAK) == [], (plan.action, scheme)
            await seat.page.close()
            house.store.claim(plan, "declined")


WEAK = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const pixel = (layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('style')) continue;
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    const back = light(pixel(['white', ...layers]));
    const front = light(pixel(['white', ...layers, getComputedStyle(element).color]));
    const ratio = (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
    if (ratio < 4.5) weak.push([walker.currentNode.data, ratio.toFixed(2)]);
  }
  return weak;
}"""
