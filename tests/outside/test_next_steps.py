"""A call that was not right the first time: the answer says what makes the second one right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.outside.guarded import BEN, F
from tests.outside.house import House, shared_out

pytestmark = pytest.mark.anyio

NOBODY = f"nobody@{F}"
NOTHING = "00000000-0000-4000-8000-000000000000"
T = {"tenant_filter": F}
PAGE = {"endpoint": "groups", "top": 2, "no_pagination": True}

# tool, arguments, what is said, in which entry of the answer
SAID: list[tuple[str, dict[str, Any], str, str]] = [
    ("set_user_sign_in", {"user_id": NOBODY, "enabled": True}, "list_users lists them", "next_step"),
    ("run_device_action", {"device_id": NOTHING, "action": "syncDevice"}, "list_intune_devices lists them", "next_step"),
    ("edit_group", {"group_id": NOTHING, "display_name": "x"}, "list_groups lists them", "next_step"),
    ("get_user", {"user_id": NOBODY}, "list_users lists them", "next_step"),
    ("list_user_groups", {"user_id": NOBODY}, "list_users lists them", "next_step"),
    ("get_user", {"user_id": "Ana Ruiz"}, "UPN or object id", "message"),
    ("list_users", {"filter": {"displayName": "Ana*"}}, "goes into request_options", "message"),
    ("list_users", {"request_options": {"filter": {"displayName": "Ana"}}}, "with * it is a part", "next_step"),
    ("set_user_licenses", {"user_ids": [BEN], "operation": "Remove"}, "licenses_to_remove", "message"),
    ("query_graph", PAGE, "with manual_pagination read_more gives them", "notice"),
]


@pytest.mark.parametrize(("era", "tool", "arguments", "says", "where"), shared_out(SAID))
async def test_the_answer_says_what_to_do_instead(
    house: House, tool: str, arguments: dict[str, Any], says: str, where: str
) -> None:
    answer = await house.call(tool, **T, **arguments)
    assert says in answer[where], answer
    assert house.effects == []
