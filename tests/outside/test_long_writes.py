"""What CIPP says of a write may be longer than an answer: shown as far as it fits, never cut in silence, kept whole."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as t
import pytest

from cipp_mcp.demo.faults import Fault
from tests.outside.guarded import ANA, F
from tests.outside.house import ERAS, House
from tests.outside.test_long_answers import DEFAULT, LARGEST, result_of

pytestmark = pytest.mark.anyio

GIL = f"gil@{F}"
ENABLE = {"tenant_filter": F, "user_id": GIL, "enabled": True}


def says(*lines: Any) -> Fault:
    return Fault("mixed_200", "ExecDisableUser", body={"Results": list(lines)})


GOOD = [f"Successfully did step {n} of what was asked for" for n in range(400)]


@pytest.mark.parametrize("era", ERAS)
async def test_many_lines_come_with_what_is_not_good_first_and_the_rest_by_cursor(house: House) -> None:
    house.box.faults.add(says(*GOOD, "Failed to do the last step"))
    text, answer, (link,) = await result_of(house.client, "set_user_sign_in", ENABLE)
    assert len(text) <= DEFAULT + 1_000
    assert answer["details"][0] == {"reads_as": "bad", "text": "Failed to do the last step"}
    seen = list(answer["details"])
    assert answer["notice"].startswith(f"{len(seen)} of 401 lines of details are shown") and "read_more" in answer["notice"]
    (rest,) = (await house.client.read_resource(link.uri)).contents
    assert isinstance(rest, t.TextResourceContents)
    more = answer
    while "next" in more:
        more = await house.call("read_more", cursor=more["next"], request_options={"limit": 1000})
        seen += more["items"]
    assert sorted(line["text"] for line in seen) == sorted([*GOOD, "Failed to do the last step"])
    assert json.loads(rest.text)["items"] == seen[len(answer["details"]) :][: json.loads(rest.text)["returned"]]
    assert house.effects == ["ExecDisableUser"]


@pytest.mark.parametrize("era", ["auto"])
async def test_one_long_text_goes_on_in_further_lines(house: House) -> None:
    whole = "Successfully done: " + '"x"' * 20_000
    house.box.faults.add(says(whole))
    text, answer, _ = await result_of(house.client, "set_user_sign_in", ENABLE)
    assert len(text) <= LARGEST
    seen = list(answer["details"])
    while "next" in answer:
        answer = await house.call("read_more", cursor=answer["next"])
        seen += answer["items"]
    assert "".join(line["text"] for line in seen) == whole


@pytest.mark.parametrize("era", ["legacy"])
async def test_what_was_said_comes_again_with_the_operation(house: House) -> None:
    house.box.faults.add(says(*GOOD))
    first = await house.call("set_user_sign_in", **ENABLE)
    again = await house.call("check_operation", operation_id=first["operation_id"])
    assert again["details"] == first["details"] and again["next"] != first["next"]
    gone = await house.call("read_more", cursor="r0123456789abcdef.0")
    assert "check_operation" in gone["next_step"]


@pytest.mark.parametrize("era", ["auto"])
async def test_evidence_of_a_large_group_is_not_every_member(house: House) -> None:
    tenant = house.box.world.tenant(F)
    with house.box.world.lock:
        group = tenant.one("groups", "VPN Users")
        people = [{**tenant.one("users", ANA), "id": f"00000000-0000-4000-8000-{n:012}"} for n in range(1_000)]
        group["_members"] = [*group["_members"], *(tenant.add("users", person)["id"] for person in people)]
    wanted = {"tenant_filter": F, "group_id": group["id"], "add_members": [f"carla@{F}"]}
    text, answer, _ = await result_of(house.client, "edit_group", wanted)
    assert answer["outcome"] == "done" and len(text) <= DEFAULT, text[:800]
    assert answer["evidence"]["members.id"][-1].endswith(" more")


@pytest.mark.parametrize("era", ["legacy"])
async def test_thousands_of_problems_are_named_in_part(house: House) -> None:
    wrong = {f"x{n}" * 20: n for n in range(3_000)} | {"user_ids": ["no id"] * 3_000, "tenant_filter": F, "operation": "Add"}
    text, answer, _ = await result_of(house.client, "set_user_licenses", wrong)
    assert answer["outcome"] == "refused" and len(text) <= LARGEST
    assert ANA not in text and "more" in answer["problems"][-1]
