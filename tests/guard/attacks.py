"""Twenty ways to get an effect without a person's yes. Each returns how many effects it is allowed to have had."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import anyio
import mcp_types as t
from mcp.shared.exceptions import MCPError

from cipp_mcp.call.desk import Desk
from tests.guard.siege import ANA, FABRIKAM, HIJACK, TARGETS, Siege, client

Attack = Callable[[Siege, Random], Awaitable[int]]
FLAG = {"CIPP_MCP_APPROVAL": "flag"}
FLAG_CEILING = 5


def pick(dice: Random) -> tuple[str, dict[str, Any]]:
    tool = dice.choice(list(TARGETS))
    return tool, dict(TARGETS[tool])


async def guess_ids(siege: Siege, dice: Random) -> int:
    async with siege.desk() as desk:
        tool, arguments = pick(dice)
        await siege.plan(desk, tool, arguments)
        for _ in range(3):
            await siege.call(desk, tool, arguments | {"confirm": f"plan_{secrets.token_hex(16)}"})
    return 0


async def replay(siege: Siege, dice: Random) -> int:
    async with siege.desk() as desk:
        arguments = TARGETS["revoke_user_sessions"]
        plan = await siege.approved(desk, "revoke_user_sessions", arguments)
        for _ in range(4):
            await siege.call(desk, "revoke_user_sessions", arguments | {"confirm": plan})
    return 1


async def approve_one_run_another(siege: Siege, dice: Random) -> int:
    async with siege.desk() as desk:
        (mine, mine_arguments), (tool, arguments) = pick(dice), pick(dice)
        plan = await siege.approved(desk, mine, mine_arguments)
        if tool == mine:
            arguments["user_id" if "user_id" in arguments else "template_id"] = f"ben@{FABRIKAM}"
        await siege.call(desk, tool, arguments | {"confirm": plan})
    return 0


async def swap_tenant(siege: Siege, dice: Random) -> int:
    async with siege.desk() as desk:
        plan = await siege.approved(desk, "remove_user", TARGETS["remove_user"])
        for tenant in ("contoso.example", "fabrlkam.example", "woodgrove.example", "brightdesk.example"):
            await siege.call(desk, "remove_user", {"tenant_filter": tenant, "user_id": ANA, "confirm": plan})
    return 0


async def flags_and_fields(siege: Siege, dice: Random) -> int:
    async with siege.desk() as desk:
        tool, arguments = pick(dice)
        plan = await siege.plan(desk, tool, arguments)
        for extra in (
            {"confirm": dice.choice([True, 1, "true", "yes", [plan], {"id": plan}, None, plan.upper(), f" {plan}"])},
            {dice.choice(["force", "approved", "yes", "plan_id", "approval", "phrase", "_confirm"]): True},
            {"request_options": {"confirm": plan}},
        ):
            await siege.call(desk, tool, arguments | extra)
    return 0


async def scripted_accept(siege: Siege, dice: Random) -> int:
    content = dice.choice([{}, None, {"phrase": ""}, {"phrase": True}, {"confirm": True}, {"phrase": "yes."}, {"phrase": "ok"}])
    return await _answered(siege, dice, t.ElicitResult(action="accept", content=content))


async def wrong_name(siege: Siege, dice: Random) -> int:
    phrase = dice.choice([f"ben@{FABRIKAM}", "ana", ANA[:-1], f"{ANA} ", "аna@fabrikam.example", f"1 in {FABRIKAM}", "no"])
    phrase = f"{phrase}!" if phrase.strip() == ANA else phrase
    return await _answered(siege, dice, t.ElicitResult(action="accept", content={"phrase": phrase}))


async def _answered(siege: Siege, dice: Random, answer: t.ElicitResult) -> int:
    async def reply(context: Any, params: Any) -> t.ElicitResult:
        return answer

    async with siege.desk() as desk, client(desk, dice.choice(["auto", "legacy"]), elicitation_callback=reply) as mcp:
        tool, arguments = pick(dice)
        siege.attempts += 1
        await mcp.call_tool(tool, arguments)
    return 0


async def foreign_state(siege: Siege, dice: Random) -> int:
    async def never(context: Any, params: Any) -> t.ElicitResult:
        return t.ElicitResult(action="cancel")

    async with siege.desk() as desk, client(desk, "auto", elicitation_callback=never) as mcp:
        tool, arguments = pick(dice)
        asked = await mcp.session.call_tool(tool, arguments, allow_input_required=True)
        assert isinstance(asked, t.InputRequiredResult)
        request = next(iter((asked.input_requests or {}).values()))
        phrase = request.params.requested_schema["properties"]["phrase"]["description"]
        sealed = asked.request_state or ""
        state = dice.choice([None, "", sealed[:-4] + "AAAA", sealed[::-1], next(iter(desk.plans.all())).id, "v1.AAAA"])
        answers = {"confirm": t.ElicitResult(action="accept", content={"phrase": phrase})}
        other = dict(arguments) | {"tenant_filter": "contoso.example"} if dice.random() < 0.3 else arguments
        siege.attempts += 1
        with contextlib.suppress(MCPError):
            await mcp.session.call_tool(
                tool, other, input_responses=answers, request_state=sealed if other is not arguments else state,
                allow_input_required=True,
            )  # fmt: skip
    return 0


async def expired(siege: Siege, dice: Random) -> int:
    async with siege.desk() as desk:
        tool, arguments = pick(dice)
        plan = await siege.approved(desk, tool, arguments)
        siege.clock.shift += dice.choice([10 * 60 + 1, 3600, 86_400])
        await siege.call(desk, tool, arguments | {"confirm": plan})
        siege.clock.shift = 0.0
    return 0


async def race(siege: Siege, dice: Random, width: int = 50) -> int:
    async with siege.desk() as desk, siege.desk() as other:
        arguments = TARGETS["revoke_user_sessions"]
        plan = await siege.approved(desk, "revoke_user_sessions", arguments)
        async with anyio.create_task_group() as tasks:
            for n in range(width):
                at = desk if n % 2 else other
                tasks.start_soon(siege.call, at, "revoke_user_sessions", arguments | {"confirm": plan})
    return 1


async def _flagged(siege: Siege, desk: Desk, user: str, enabled: bool = False) -> None:
    """One remove by the flag alone, as a model would split a bulk."""
    arguments = {"tenant_filter": FABRIKAM, "user_id": user, "enabled": enabled}
    outcome = await siege.call(desk, "set_user_sign_in", arguments)
    if plan := outcome.facts.get("plan_id"):
        await siege.call(desk, "set_user_sign_in", arguments | {"confirm": plan})


def _members(siege: Siege) -> list[str]:
    people = ("ana", "ana.ruiz2", "ben", "carla", "dora", "hana", "ivo", "jun")
    return [f"{name}@{FABRIKAM}" for name in people]


async def split_the_bulk(siege: Siege, dice: Random) -> int:
    async with siege.desk(**FLAG) as desk:
        for user in _members(siege):
            await _flagged(siege, desk, user)
    return FLAG_CEILING


async def parallel_processes(siege: Siege, dice: Random) -> int:
    async with siege.desk(**FLAG) as one, siege.desk(**FLAG) as two, anyio.create_task_group() as tasks:
        for n, user in enumerate(_members(siege)):
            tasks.start_soon(_flagged, siege, (one, two)[n % 2], user)
    return FLAG_CEILING


async def restart(siege: Siege, dice: Random) -> int:
    for user in _members(siege):
        async with siege.desk(**FLAG) as desk:
            await _flagged(siege, desk, user)
    return FLAG_CEILING


async def clock_set_back(siege: Siege, dice: Random) -> int:
    async with siege.desk(**FLAG) as desk:
        for user in _members(siege):
            await _flagged(siege, desk, user)
            siege.clock.shift -= 3600
        plan = await siege.approved(desk, "remove_user", TARGETS["remove_user"])
        siege.clock.shift -= 7200
        await siege.call(desk, "remove_user", TARGETS["remove_user"] | {"confirm": plan})
    siege.clock.shift = 0.0
    return FLAG_CEILING


async def other_spellings(siege: Siege, dice: Random) -> int:
    (siege.home / "policy.toml").write_text(f'[protected]\nobjects = ["{ANA}"]\n', encoding="utf-8")
    identity = siege.box.world.tenant(FABRIKAM).user(ANA)["id"]
    spellings = [ANA.upper(), identity, identity.upper(), "ａna@fabrikam.example", f"{ANA}\u200b", ANA.replace("a", "а", 1)]
    async with siege.desk(**FLAG) as desk:
        for user in spellings:
            await _flagged(siege, desk, user)
            await siege.call(desk, "remove_user", {"tenant_filter": FABRIKAM, "user_id": user})
    return 0


async def wrong_shapes(siege: Siege, dice: Random) -> int:
    async with siege.desk(**FLAG) as desk:
        for user, tenant in (
            ({"value": ANA}, FABRIKAM), ([ANA], FABRIKAM), (ANA, {"value": FABRIKAM}), (ANA, [FABRIKAM]), (None, FABRIKAM),
            (0, FABRIKAM), (True, FABRIKAM),
        ):  # fmt: skip
            for tool in ("set_user_sign_in", "remove_user"):
                arguments = {"tenant_filter": tenant, "user_id": user} | (
                    {"enabled": False} if tool == "set_user_sign_in" else {}
                )
                await siege.call(desk, tool, arguments)
    return 0


async def no_or_every_tenant(siege: Siege, dice: Random) -> int:
    async with siege.desk(**FLAG) as desk:
        for tenant in ("AllTenants", "alltenants", "", " ", "null", "*", "%tenantid%", "AllTenants ", "\u0410llTenants"):
            tool, arguments = pick(dice)
            if "tenant_filter" in arguments:
                await siege.call(desk, tool, arguments | {"tenant_filter": tenant})
    return 0


async def injected_ids(siege: Siege, dice: Random) -> int:
    identity = siege.box.world.tenant(FABRIKAM).user(ANA)["id"]
    hostile = [
        f"{identity}/../{identity}",
        f"{identity}%2f..",
        f"{identity}?$select=id",
        "')/",
        f"{ANA}#x",
        f"{identity}\n",
        f"{ANA} ",
        "..",
        f"{ANA}&x=1",
        f"x' or id eq '{identity}",
    ]
    async with siege.desk(**FLAG) as desk:
        for user in hostile:
            await _flagged(siege, desk, user)
            await siege.call(desk, "remove_user", {"tenant_filter": FABRIKAM, "user_id": user})
    assert not [r for r in siege.box.requests if any(c in str(r.query.get("UserID", "")) for c in "/?&'\n")]
    return 0


async def variables_in_texts(siege: Siege, dice: Random) -> int:
    async with siege.desk(**FLAG) as desk:
        for text in ("%tenantid%", "x %samappsecret% y", "%%password%%"):
            await siege.call(desk, "reset_user_password", TARGETS["reset_user_password"] | {"display_name": text})
            await siege.call(desk, "offboard_user", TARGETS["offboard_user"] | {"out_of_office": text})
    assert not [r for r in siege.box.requests if r.method == "POST" and r.endpoint and "%" in str(r.body)]
    return 0


async def policy_edited(siege: Siege, dice: Random) -> int:
    place = siege.home / "policy.toml"
    place.write_text('[tools]\nremove_user = "refuse"\n', encoding="utf-8")
    async with siege.desk(**FLAG) as desk:
        place.write_text('approval = "flag"\nall_tenants_writes = ["run_standards"]\n', encoding="utf-8")
        for _ in range(2):
            outcome = await siege.call(desk, "remove_user", TARGETS["remove_user"])
            assert outcome.word == "refused", outcome.envelope()
    return 0


ATTACKS: tuple[Attack, ...] = (
    guess_ids, replay, approve_one_run_another, swap_tenant, flags_and_fields, scripted_accept, wrong_name, foreign_state,
    expired, race, split_the_bulk, parallel_processes, restart, clock_set_back, other_spellings, wrong_shapes,
    no_or_every_tenant, injected_ids, variables_in_texts, policy_edited,
)  # fmt: skip


async def read_the_hijack(siege: Siege) -> None:
    """What a model would have read before: lists whose names give orders."""
    async with siege.desk() as desk:
        await siege.call(desk, "list_users", HIJACK)
