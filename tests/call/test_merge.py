"""What an overwriting endpoint would lose is filled in from what is stored, and only where the caller said nothing."""

from __future__ import annotations

from typing import Any

import pytest

from cipp_mcp.call.encode import encode
from cipp_mcp.call.merge import read_stored
from cipp_mcp.call.targets import Target
from cipp_mcp.message import Request, Response
from tests.call.making import ANA_ID, FABRIKAM, case

pytestmark = pytest.mark.anyio

EXCLUDED = [{"label": "contoso.example", "value": "contoso.example", "type": "Tenant"}]
ROW = {"RowKey": ANA_ID, "AlertComment": "by night", "CustomSubject": "Look", "excludedTenants": EXCLUDED}
NEEDED: dict[str, Any] = {
    "tenants": ["fabrikam.example"],
    "log_source": "Audit.Exchange",
    "conditions": [{"Property": {"label": "Operation", "value": "Operation"}}],
    "actions": ["generatemail"],
}


async def nothing_is_asked(request: Request) -> Response:
    raise AssertionError(f"{request.path} was asked, although the row is there")


async def body(row: dict[str, Any] | None, **given: Any) -> dict[str, Any]:
    targets = [Target("alert_rule", ANA_ID, ANA_ID, "rule", row=row)] if row is not None else []
    arguments = NEEDED | given | ({"rule_id": ANA_ID} if row is not None else {})
    one = case("add_alert_rule", arguments, *targets, tenants={"fabrikam.example": FABRIKAM})
    stored = await read_stored(nothing_is_asked, one)
    sent = encode(one.action, arguments, one.tenants, one.objects, stored=stored).body
    assert isinstance(sent, dict)
    return sent


async def test_a_replaced_alert_rule_keeps_what_was_left_out() -> None:
    sent = await body(ROW)
    assert (sent["AlertComment"], sent["CustomSubject"], sent["excludedTenants"]) == ("by night", "Look", EXCLUDED)


async def test_what_the_caller_gives_wins_and_nothing_stored_sends_nothing() -> None:
    sent = await body(ROW, comment="by day")
    assert (sent["AlertComment"], sent["CustomSubject"]) == ("by day", "Look")
    empty = await body({"RowKey": ANA_ID, "AlertComment": "", "CustomSubject": None, "excludedTenants": []})
    assert not {"AlertComment", "CustomSubject", "excludedTenants"} & set(empty)


async def test_a_new_rule_takes_over_nothing() -> None:
    assert not {"AlertComment", "CustomSubject", "excludedTenants", "RowKey"} & set(await body(None))
