"""Every endpoint against odd and empty input: whatever is sent, the demo makes no mistake of its own."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cipp_mcp.demo.answers import endpoints
from cipp_mcp.demo.serve import Box

F = "fabrikam.example"
NAMES = sorted(endpoints())
IDS = ("ana@fabrikam.example", "nothing", "", None, 7, True, ["x"], {"value": "y"}, {"label": "z", "value": {"value": 1}})
FIELDS = (
    "tenantFilter", "ID", "UserID", "user", "GUID", "Action", "groupId", "Enable", "State", "permissions", "selectedTenants",
    "Users",
    "PolicyId", "body", "RowKey", "Command", "Parameters", "Scheduled", "licenses", "AssignTo", "GroupIds", "Conditions",
    "conditions",
    "input", "change", "URL", "Role", "ClientId", "BackupName", "replacemap", "IpRange", "OOO", "forward", "ScheduledTime", "Ips",
)  # fmt: skip


def bodies() -> list[Any]:
    dice = random.Random(17)
    made: list[Any] = [None, {}, [], [{}], "text", 3, {"tenantFilter": F}, {"tenantFilter": {"value": F}}, [{"tenantFilter": F}]]
    for _ in range(12):
        made.append({name: dice.choice(IDS) for name in dice.sample(FIELDS, 9)} | {"tenantFilter": F})
    return made


@pytest.mark.parametrize("name", NAMES)
def test_no_input_trips_the_demo_itself(name: str, shared: tuple[Box, Any]) -> None:
    box, cipp = shared
    box.front.errors.clear()
    for body in bodies():
        cipp.post(name, body)
    for query in ({}, {"tenantFilter": F}, {"tenantFilter": "AllTenants"},
                  {"tenantFilter": "nowhere.example", "ID": "x", "UserID": "x"},
                  {"tenantFilter": F, "ID": "x", "UserID": "x", "Type": "x", "Action": "x", "UseReportDB": "true"}):  # fmt: skip
        cipp.get(name, **query)
    box.world.advance(60)
    assert [repr(error) for error in box.errors] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_excluded_tenant_is_never_changed(name: str, shared: tuple[Box, Any]) -> None:
    """But for LAPS, which CIPP hands out without its tenant check."""
    box, cipp = shared
    before = len(box.world.ledger)
    where = "woodgrove.example"
    person = {"value": "ana@woodgrove.example"}
    everything = {
        "tenantFilter": where, "tenantid": where, "TenantFilter": where, "ID": "ana@woodgrove.example",
        "UserID": "ana@woodgrove.example",
        "userID": "ana@woodgrove.example", "userId": "ana@woodgrove.example", "GUID": "x", "id": "x", "MailboxType": "Shared",
        "Action": "wipe",
        "AutoReplyState": "Enabled", "State": "enforced", "userPrincipalName": "ana@woodgrove.example",
        "forwardOption": "disabled",
        "change": "delete", "namedLocationId": "x", "GroupType": "Security", "URLName": "Intents", "ScriptType": "Windows",
        "user": [person],
        "selectedTenants": [{"defaultDomainName": where, "value": where}],
    }  # fmt: skip
    cipp.post(name, everything)
    box.world.advance(60)
    changed = [effect for effect in box.world.ledger[before:] if effect.tenant == where and effect.verb != "reveal"]
    assert changed == []


@pytest.fixture(scope="module")
def shared(caller_type: Any) -> Any:
    with Box.open(role="superadmin", enforce_rate=False, token_life=10**9) as box, caller_type(box) as cipp:
        yield box, cipp


@pytest.fixture(scope="module")
def caller_type() -> Any:
    return _Caller


class _Caller:
    def __init__(self, box: Box) -> None:
        import httpx

        self.http = httpx.Client(base_url=box.api_url, timeout=30)
        form = {"grant_type": "client_credentials", "client_id": box.client_id, "client_secret": box.client_secret,
                "scope": f"api://{box.client_id}/.default"}  # fmt: skip
        self.http.headers["Authorization"] = "Bearer " + self.http.post(box.token_url, data=form).json()["access_token"]

    def __enter__(self) -> _Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, name: str, **query: str) -> None:
        self.http.get(f"/api/{name}", params=query)

    def post(self, name: str, body: Any) -> None:
        self.http.post(f"/api/{name}", json=body)
