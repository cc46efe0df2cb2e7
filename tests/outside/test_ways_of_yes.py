"""With a yes, exactly one request; with a no, none: by the form of either era, beside the client, and by the flag."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import anyio
import mcp_types as t
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.outside.guarded import ANA, BEN, GUARDED, F, Guarded, arguments_of
from tests.outside.house import (
    ERAS,
    WITHIN,
    Answer,
    House,
    call,
    cancels,
    connected,
    declines,
    environment,
    opened,
    shared_out,
    types,
    types_it,
)

pytestmark = pytest.mark.anyio

CLEAR = GUARDED["clear"]


def shown_phrase(form: t.ElicitRequestFormParams) -> str:
    return str(form.requested_schema["properties"]["phrase"]["description"])


# ------------------------------------------------------------------------------------------ the form of the client


BY_ERA = {
    "auto": ("clear", "reset", "remove", "unlicense", "standards"),
    "legacy": ("clear", "block", "reset", "offboard", "license two"),
}
BOTH_ERAS = [(era, name) for era, names in BY_ERA.items() for name in names]


@pytest.mark.parametrize(("era", "name"), BOTH_ERAS)
async def test_a_typed_phrase_runs_the_call_once(house: House, name: str) -> None:
    one = GUARDED[name]
    before: list[int] = []

    def looks_first(form: t.ElicitRequestFormParams) -> t.ElicitResult:
        before.append(len(house.changing) + len(house.effects))
        return types_it(form)

    house.person.answer = looks_first
    answer = await house.call(one.tool, **arguments_of(one))
    (form,) = house.person.asked
    assert before == [0], "nothing left before the yes"
    assert shown_phrase(form) == one.phrase
    assert [r.endpoint for r in house.changing] == [one.endpoint]
    assert set(house.effects) == {one.endpoint}
    assert answer["outcome"] == one.word, answer
    assert (answer["success"], answer["changed"]) == ((True, "yes") if one.word == "done" else (None, "unknown"))
    assert answer["tenant"] == F


@pytest.mark.parametrize("era", ERAS)
async def test_the_form_has_one_required_text_and_says_what_will_happen(house: House) -> None:
    house.person.answer = declines
    await house.call(CLEAR.tool, **arguments_of(CLEAR))
    (form,) = house.person.asked
    assert form.requested_schema["required"] == ["phrase"]
    assert list(form.requested_schema["properties"]) == ["phrase"]
    assert form.requested_schema["properties"]["phrase"]["type"] == "string"
    ana = house.user()
    for word in ("Clear immutable ID", "Fabrikam", F, "11111111-aaaa-4aaa-8aaa-000000000001", ANA, ana["id"], "(none)"):
        assert word in form.message
    assert len(form.message) <= 1600


NOES: dict[str, Answer] = {
    "declines": declines,
    "cancels": cancels,
    "types nothing": types(""),
    "types yes": types("yes"),
    "types another name": types(BEN),
    "types half of it": types("ana"),
    "accepts without a word": lambda _: t.ElicitResult(action="accept"),
    "fills another field": lambda _: t.ElicitResult(action="accept", content={"confirm": ANA}),
    "ticks a box": types(True),
}


@pytest.mark.parametrize(("era", "no"), shared_out(NOES, 1))
async def test_anything_but_the_phrase_is_a_no_and_closes_the_plan(house: House, no: str) -> None:
    house.person.answer = NOES[no]
    answer = await house.call(CLEAR.tool, **arguments_of(CLEAR))
    assert (answer["outcome"], answer["changed"], len(house.person.asked)) == ("refused", "no", 1)
    assert (house.plans(), house.changing, house.effects) == ([], [], [])


@pytest.mark.parametrize("era", ["legacy"])
async def test_after_a_no_the_same_call_asks_again_with_a_new_plan(house: House) -> None:
    house.person.answer = declines
    await house.call(CLEAR.tool, **arguments_of(CLEAR))
    house.person.answer = types_it
    answer = await house.call(CLEAR.tool, **arguments_of(CLEAR))
    assert (answer["outcome"], len(house.person.asked), house.effects) == ("done", 2, ["ExecClrImmId"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_state_that_changed_while_the_form_was_open_sends_nothing(house: House) -> None:
    def meanwhile(form: t.ElicitRequestFormParams) -> t.ElicitResult:
        if len(house.person.asked) > 1:
            return declines(form)
        row = house.box.world.tenant(F).user(ANA)
        assert row is not None
        row["accountEnabled"] = False
        return types_it(form)

    house.person.answer = meanwhile
    answer = await house.call(CLEAR.tool, **arguments_of(CLEAR))
    assert (answer["outcome"], answer["changed"]) == ("refused", "no")
    assert (house.changing, house.effects) == ([], [])


@pytest.mark.parametrize("era", ["legacy"])
async def test_a_target_that_became_an_admin_while_the_form_was_open_sends_nothing(house: House) -> None:
    def meanwhile(form: t.ElicitRequestFormParams) -> t.ElicitResult:
        if len(house.person.asked) > 1:
            return declines(form)
        tenant = house.box.world.tenant(F)
        (role,) = (r for r in tenant.rows("roles") if r["displayName"] == "Global Administrator")
        role["_members"].append(house.user()["id"])
        return types_it(form)

    house.person.answer = meanwhile
    answer = await house.call(CLEAR.tool, **arguments_of(CLEAR))
    assert answer["outcome"] == "refused"
    assert (house.changing, house.effects) == ([], [])


@pytest.mark.parametrize("era", ["legacy"])
async def test_the_holder_of_a_privileged_role_asks_for_the_name_whatever_the_effect(house: House) -> None:
    house.person.answer = types("yes")
    answer = await house.call("set_user_sign_in", tenant_filter=F, user_id=f"lena@{F}", enabled=False)
    (form,) = house.person.asked
    assert (answer["outcome"], shown_phrase(form)) == ("refused", f"lena@{F}")
    assert "Helpdesk Administrator" in form.message
    assert house.effects == []


@pytest.mark.parametrize("era", ["legacy"])
async def test_a_new_password_is_nowhere_but_with_the_person(house: House) -> None:
    one = GUARDED["reset"]
    answer = await house.call(one.tool, **arguments_of(one, display_name="Carla"))
    assert answer["outcome"] == "done"
    secrets = [s for s in house.box.secrets if len(s) >= 8]
    kept = [p.read_bytes() for p in house.home.rglob("*") if p.is_file() and p.name != "seal.key"]
    sinks = [json.dumps(answer, ensure_ascii=False).encode(), house.log.read_bytes(), *kept]
    for secret in secrets:
        raw = secret.encode()
        forms = [raw, base64.b64encode(raw), base64.urlsafe_b64encode(raw), raw.hex().encode(), quote(secret, safe="").encode()]
        forms += [json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()]
        assert [s for s in sinks for f in forms if f in s] == []
    assert house.user("carla@fabrikam.example")["_password"] in secrets


# -------------------------------------------------------------------------------------- request state, 2026-07-28


class ByHand:
    """The input-required round trip of 2026-07-28, one leg at a time."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def leg(self, one: Guarded, answer: Any = None, state: str | None = None) -> Any:
        with anyio.fail_after(WITHIN):
            return await self.house.client.session.call_tool(
                one.tool,
                arguments_of(one),
                input_responses=None if answer is None else {"confirm": answer},
                request_state=state,
                allow_input_required=True,
            )


YES = t.ElicitResult(action="accept", content={"phrase": ANA})


@pytest.fixture
def by_hand(houses: dict[str, House]) -> ByHand:
    houses["auto"].clean()
    return ByHand(houses["auto"])


@pytest.fixture(scope="module")
async def neighbour(houses: dict[str, House]) -> AsyncIterator[Client]:
    """A client of another server process with the same state folder and CIPP; it asks nobody."""
    house = houses["auto"]
    async with connected(environment(house.home, house.box.environment()), "auto", None, house.log) as client:
        yield client


async def test_an_answer_without_the_sealed_state_only_asks_again(by_hand: ByHand) -> None:
    assert isinstance(await by_hand.leg(CLEAR, YES), t.InputRequiredResult)
    assert (by_hand.house.changing, by_hand.house.effects) == ([], [])


def _flipped(state: str) -> str:
    return state[:-2] + ("A" if state[-2] != "A" else "B") + state[-1]


TAMPERED = {"one letter": _flipped, "cut": lambda s: s[:-4], "a plan id": lambda _: "plan_" + "0" * 32, "empty": lambda _: ""}


async def test_a_tampered_state_is_refused(by_hand: ByHand) -> None:
    asked = await by_hand.leg(CLEAR)
    for tampered in TAMPERED.values():
        with pytest.raises(MCPError):
            await by_hand.leg(CLEAR, YES, tampered(asked.request_state))
    assert (by_hand.house.changing, by_hand.house.effects) == ([], [])


async def test_a_state_works_for_its_own_tool_and_arguments_only(by_hand: ByHand) -> None:
    asked = await by_hand.leg(CLEAR)
    other_arguments = Guarded(CLEAR.tool, {"user_id": f"jun@{F}"}, "", "", "", False)
    for other in (other_arguments, GUARDED["remove"], GUARDED["reset"]):
        with pytest.raises(MCPError):
            await by_hand.leg(other, YES, asked.request_state)
    assert (by_hand.house.changing, by_hand.house.effects) == ([], [])


async def test_a_state_of_another_process_is_refused(by_hand: ByHand, neighbour: Client) -> None:
    asked = await by_hand.leg(CLEAR)
    with pytest.raises(MCPError), anyio.fail_after(WITHIN):
        await neighbour.session.call_tool(
            CLEAR.tool,
            arguments_of(CLEAR),
            input_responses={"confirm": YES},
            request_state=asked.request_state,
            allow_input_required=True,
        )
    assert (by_hand.house.changing, by_hand.house.effects) == ([], [])


async def test_a_replayed_state_runs_nothing_more(by_hand: ByHand) -> None:
    asked = await by_hand.leg(CLEAR)
    done = await by_hand.leg(CLEAR, YES, asked.request_state)
    assert done.structured_content["outcome"] == "done"
    again = await by_hand.leg(CLEAR, YES, asked.request_state)
    assert isinstance(again, t.InputRequiredResult) or again.structured_content["outcome"] == "refused"
    assert by_hand.house.effects == ["ExecClrImmId"]
    assert len(by_hand.house.changing) == 1


async def test_a_state_that_was_declined_cannot_be_accepted_afterwards(by_hand: ByHand) -> None:
    asked = await by_hand.leg(CLEAR)
    await by_hand.leg(CLEAR, t.ElicitResult(action="decline"), asked.request_state)
    again = await by_hand.leg(CLEAR, YES, asked.request_state)
    assert isinstance(again, t.InputRequiredResult) or again.structured_content["outcome"] == "refused"
    assert (by_hand.house.changing, by_hand.house.effects) == ([], [])


async def test_parallel_answers_to_one_form_run_it_once(by_hand: ByHand) -> None:
    asked = await by_hand.leg(CLEAR)

    async def answer() -> None:
        await by_hand.leg(CLEAR, YES, asked.request_state)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(answer)
    assert by_hand.house.effects == ["ExecClrImmId"]
    assert len(by_hand.house.changing) == 1


async def race(by_hand: ByHand, clients: list[Client], each: int) -> None:
    """So many parallel calls of one approved plan through each client: one runs."""
    house = by_hand.house
    await by_hand.leg(CLEAR)
    (plan,) = house.plans()
    house.approve(plan.id)
    answers: list[dict[str, Any]] = []

    async def apply(client: Client) -> None:
        answers.append(await call(client, CLEAR.tool, arguments_of(CLEAR, confirm=plan.id)))

    with anyio.fail_after(3 * WITHIN):
        async with anyio.create_task_group() as group:
            for client in clients * each:
                group.start_soon(apply, client)
    assert len(answers) == len(clients) * each
    assert (house.effects, len(house.changing)) == (["ExecClrImmId"], 1)
    ran = [a for a in answers if a["outcome"] != "refused"]
    assert {a["outcome"] for a in ran} <= {"done", "pending"}
    assert len({a["operation_id"] for a in ran}) == 1, "whoever is told of a run is told of the same one"


async def test_of_20_parallel_applies_in_two_processes_exactly_one_runs(by_hand: ByHand, neighbour: Client) -> None:
    await race(by_hand, [by_hand.house.client, neighbour], each=10)


@pytest.mark.slow
async def test_of_50_parallel_applies_in_five_processes_exactly_one_runs(by_hand: ByHand, neighbour: Client) -> None:
    house = by_hand.house
    env = environment(house.home, house.box.environment())
    async with AsyncExitStack() as stack:
        more = [await stack.enter_async_context(connected(env, "auto", None, house.log)) for _ in range(3)]
        await race(by_hand, [house.client, neighbour, *more], each=10)


# ----------------------------------------------------------------------------------------------- the flag, by choice


@pytest.fixture(scope="module")
async def shared_flag(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    choice = {"CIPP_MCP_APPROVAL": "flag", "CIPP_MCP_ANSWER_WITHIN": "3"}
    async with opened("auto", tmp_path_factory.mktemp("flag"), choice, asks=False) as house:
        yield house


@pytest.fixture
def flag(shared_flag: House) -> House:
    shared_flag.clean()
    return shared_flag


@pytest.mark.parametrize("name", GUARDED)
async def test_the_flag_alone_runs_what_has_a_way_back_and_nothing_else(flag: House, name: str) -> None:
    one = GUARDED[name]
    first = await flag.call(one.tool, **arguments_of(one))
    assert (first["outcome"], flag.effects) == ("needs_approval", [])
    assert ("confirm" in first["approve_with"]) is one.flag
    second = await flag.call(one.tool, **arguments_of(one, confirm=first["plan_id"]))
    assert second["outcome"] == (one.word if one.flag else "needs_approval")
    if one.flag:
        third = await flag.call(one.tool, **arguments_of(one, confirm=first["plan_id"]))
        assert third["outcome"] == "refused" or third["operation_id"] == second["operation_id"]
    assert len(flag.changing) == (1 if one.flag else 0)
    assert set(flag.effects) == ({one.endpoint} if one.flag else set())


async def test_the_flag_never_decides_about_the_holder_of_a_privileged_role(flag: House) -> None:
    arguments = {"tenant_filter": F, "user_id": f"lena@{F}", "enabled": False}
    first = await flag.call("set_user_sign_in", **arguments)
    second = await flag.call("set_user_sign_in", **arguments, confirm=first["plan_id"])
    assert (second["outcome"], flag.effects) == ("needs_approval", [])
