"""What is protected stays so where no argument names it: inside free parameters, stored tasks and unreviewed calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.inside import _named, _texts
from cipp_mcp.demo import schedule
from cipp_mcp.message import Outcome
from tests.call.making import many
from tests.guard.siege import ANA, FABRIKAM, Siege, siege

pytestmark = pytest.mark.anyio

BEN = f"ben@{FABRIKAM}"
LENA = f"lena@{FABRIKAM}"  # a helpdesk administrator, in no group
AWAY = {"tenant_filter": FABRIKAM, "name": "Away", "command": "Set-CIPPOutOfOffice"}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Siege]:
    with siege(tmp_path) as running:
        yield running


def rules(at: Siege, text: str) -> None:
    (at.home / "policy.toml").write_text(text, encoding="utf-8")


def id_of(at: Siege, upn: str) -> str:
    row = at.box.world.tenant(FABRIKAM).user(upn)
    assert row is not None
    return str(row["id"])


def task(at: Siege, tenant: str, command: str = "Set-CIPPOutOfOffice", **parameters: Any) -> str:
    """A task that somebody has stored in CIPP; its key."""
    body = {
        "Name": "Stored",
        "Command": command,
        "TenantFilter": tenant,
        "Parameters": parameters,
        "ScheduledTime": 4_000_000_000,
    }
    with at.box.world.lock, at.box.world.acting("test"):
        schedule.add_task(at.box.world, body)
        return str(at.box.world.rows("tasks")[-1]["RowKey"])


async def tried(at: Siege, tool: str, **arguments: Any) -> Outcome:
    """One call; whatever it says, nothing may have happened."""
    async with at.desk(whole=True) as desk:
        before = at.effects()
        outcome = await at.call(desk, tool, arguments)
        assert at.effects() == before
        return outcome


WAYS = {
    "upn": lambda upn, key: {"UserID": upn},
    "another letter case": lambda upn, key: {"userid": upn.upper()},
    "object id": lambda upn, key: {"UserID": key},
    "second name": lambda upn, key: {"UserID": BEN, "Username": upn},
    "option": lambda upn, key: {"UserID": {"label": "somebody", "value": key}},
    "list": lambda upn, key: {"UserID": [BEN, key]},
    "deeper": lambda upn, key: {"UserObj": {"options": [{"Username": key}]}},
    "JSON in a text": lambda upn, key: {"UserObj": json.dumps({"Username": key})},
    "an option in JSON": lambda upn, key: {"UserObj": json.dumps([{"userId": {"value": key}}])},
}


@pytest.mark.parametrize(
    ("rule", "says"), [('objects = ["ana@*"]', "is protected by the policy"), ('groups = ["Sales"]', "is in a group that")]
)
@pytest.mark.parametrize("way", WAYS)
async def test_whoever_is_protected_is_so_in_the_parameters_of_a_task(at: Siege, way: str, rule: str, says: str) -> None:
    rules(at, f"[protected]\n{rule}")
    refused = await tried(at, "add_scheduled_item", **AWAY, parameters=WAYS[way](ANA, id_of(at, ANA)))
    assert refused.word == "refused" and says in refused.message, refused
    assert (await tried(at, "add_scheduled_item", **AWAY, parameters={"UserID": LENA})).word == "needs_approval"


BREAK_GLASS, KIM = f"breakglass@{FABRIKAM}", f"kim@{FABRIKAM}"


def beside(at: Siege, who: str) -> list[tuple[str, dict[str, Any]]]:
    """Calls about a group or a policy that do something to somebody."""
    tenant = at.box.world.tenant(FABRIKAM)
    group = next(g["id"] for g in tenant.table("groups").values() if g["displayName"] == "Sales")
    policy = next(iter(tenant.table("ca_policies")))
    here = {"tenant_filter": FABRIKAM}
    return [
        ("edit_group", here | {"group_id": group, "remove_members": [who]}),
        ("edit_group", here | {"group_id": group, "remove_owners": [BEN, who]}),
        ("set_ca_exclusion", here | {"policy_id": policy, "users": [who], "exclusion_type": "Remove"}),
        ("set_ca_exclusion", here | {"policy_id": policy, "users": [BEN, who], "exclusion_type": "Add"}),
    ]


async def test_whoever_is_protected_is_so_where_the_call_is_about_a_group_or_a_policy(at: Siege) -> None:
    rules(at, '[protected]\nobjects = ["breakglass@*"]')
    for who in (BREAK_GLASS, id_of(at, BREAK_GLASS)):
        for tool, arguments in beside(at, who):
            refused = await tried(at, tool, **arguments)
            assert refused.word == "refused" and "is protected by the policy" in refused.message, (tool, refused)


async def test_a_privileged_one_among_them_is_named_by_the_role_and_asks_for_the_typed_name(at: Siege) -> None:
    for tool, arguments in beside(at, KIM):
        async with at.desk() as desk:
            waiting = await at.call(desk, tool, arguments)
            (plan,) = [p for p in desk.plans.all() if p.id == waiting.facts["plan_id"]]
        assert any("PRIVILEGED: Global Administrator" in line for line in plan.preview["names"]), plan.preview
        assert plan.phrase != "yes"
    for tool, arguments in beside(at, BEN)[:1]:
        assert "names" not in (await tried(at, tool, **arguments)).facts["plan"]


async def test_a_protected_name_is_seen_under_any_key(at: Siege) -> None:
    rules(at, '[protected]\nobjects = ["ana@*"]')
    for parameters in ({"Forward": ANA}, {"x": {"y": [{"z": ANA}]}}, {"AccessUser": f" {ANA} "}):
        assert (await tried(at, "add_scheduled_item", **AWAY, parameters=parameters)).word == "refused"
    assert (await tried(at, "add_scheduled_item", **AWAY, parameters={"UserID": BEN})).word == "needs_approval"


async def test_the_plan_shows_whom_the_parameters_name_and_a_privileged_one_by_its_role(at: Siege) -> None:
    plain = await tried(at, "add_scheduled_item", **AWAY, parameters={"UserID": id_of(at, BEN), "Username": BEN})
    (shown,) = plain.facts["plan"]["names"]
    assert BEN in shown and id_of(at, BEN) in shown and "PRIVILEGED" not in shown
    raised = await tried(at, "add_scheduled_item", **AWAY, parameters={"UserID": LENA})
    assert "PRIVILEGED" in raised.facts["plan"]["names"][0]
    rules(at, '[protected]\nprivileged_roles = "refuse"')
    assert (await tried(at, "add_scheduled_item", **AWAY, parameters={"UserID": id_of(at, LENA)})).word == "refused"


async def test_a_user_who_is_not_there_or_has_no_one_tenant_is_not_scheduled(at: Siege) -> None:
    assert (await tried(at, "add_scheduled_item", **AWAY, parameters={"UserID": f"nobody@{FABRIKAM}"})).word == "refused"
    rules(at, 'all_tenants_writes = ["add_scheduled_item"]')
    everywhere = AWAY | {"tenant_filter": "AllTenants"}
    refused = await tried(at, "add_scheduled_item", **everywhere, parameters={"UserID": ANA})
    assert refused.word == "refused" and "one tenant" in refused.message
    assert (await tried(at, "add_scheduled_item", **everywhere, parameters={"State": "Enabled"})).word == "needs_approval"
    deep: Any = ANA
    for _ in range(60):
        deep = [deep]
    assert (await tried(at, "add_scheduled_item", **AWAY, parameters={"x": deep})).word == "refused"


@pytest.mark.parametrize("tool", ["add_scheduled_item", "remove_scheduled_item"])
async def test_a_stored_task_belongs_to_its_tenant(at: Siege, tool: str) -> None:
    now = {"run_now": True} if tool == "add_scheduled_item" else {}
    own, foreign, gone = task(at, FABRIKAM), task(at, "contoso.example"), task(at, "left.example")
    rules(at, f'tenants = ["{FABRIKAM}"]')
    waiting = await tried(at, tool, task_id=own, **now)
    assert (waiting.word, waiting.facts["tenant"]) == ("needs_approval", FABRIKAM)
    for key in (foreign, gone, task(at, "AllTenants")):
        refused = await tried(at, tool, task_id=key, **now)
        assert refused.word == "refused", refused
        assert "not among the tenants" in refused.message or "AllTenants" in refused.message
    rules(at, 'tenant_rules = { "contoso.example" = "refuse" }')
    assert (await tried(at, tool, task_id=foreign, **now)).word == "refused"
    assert (await tried(at, tool, task_id=gone, **now)).word == "needs_approval"


RULE = {
    "log_source": "Audit.Exchange",
    "conditions": [{k: {"label": "a", "value": v} for k, v in (("Property", "a"), ("Operator", "eq"), ("Input", "b"))}],
    "actions": ["generatemail"],
}


async def test_what_lies_with_cipp_for_another_tenant_is_not_the_policys(at: Siege) -> None:
    """Alert rules, queued apps and templates have no tenant argument that says whose they are."""
    rule = at.box.world.rows("alert_rules")[0]
    rule["_tenants"] = [{"label": d, "value": d, "type": "Tenant"} for d in (FABRIKAM, "contoso.example")]
    template = at.box.world.rows("standards_templates")[0]
    calls = {
        "add_alert_rule": {"tenants": [FABRIKAM], "rule_id": rule["RowKey"], **RULE},
        "remove_standards_template": {"template_id": template["GUID"]},
    }
    for tool, told in calls.items():
        assert (await tried(at, tool, **told)).word == "needs_approval", tool
    rules(at, 'tenants = ["contoso.example"]')
    calls["add_alert_rule"]["tenants"] = ["contoso.example"]
    for tool, told in calls.items():
        refused = await tried(at, tool, **told)
        assert refused.word == "refused" and "not among the tenants" in refused.message, (tool, refused)


async def test_a_task_for_every_tenant_is_not_run_by_its_key_but_can_be_removed(at: Siege) -> None:
    key = task(at, "AllTenants")
    refused = await tried(at, "add_scheduled_item", task_id=key, run_now=True)
    assert refused.word == "refused" and "AllTenants" in refused.message
    assert (await tried(at, "remove_scheduled_item", task_id=key)).word == "needs_approval"


async def test_a_stored_task_about_a_protected_user_is_not_run_now_but_can_be_removed(at: Siege) -> None:
    rules(at, '[protected]\nobjects = ["ana@*"]')
    keys = [
        task(at, FABRIKAM, "Invoke-CIPPOffboardingJob", Username=ANA, options={"DisableSignIn": True}),
        task(at, FABRIKAM, "Remove-CIPPUser", UserID=id_of(at, ANA)),
    ]
    for key in keys:
        assert (await tried(at, "add_scheduled_item", task_id=key, run_now=True)).word == "refused"
        assert (await tried(at, "remove_scheduled_item", task_id=key)).word == "needs_approval"
    for key in keys:  # nor taken over by another: it has to be removed
        assert (await tried(at, "add_scheduled_item", **AWAY, task_id=key, parameters={"UserID": BEN})).word == "refused"
    foreign = task(at, "contoso.example")
    both = await tried(at, "add_scheduled_item", **AWAY, task_id=foreign, parameters={"UserID": BEN})
    assert len(both.facts["plan"]["tenant"]) == 2 and BEN in both.facts["plan"]["names"][0]
    other = task(at, FABRIKAM, "Remove-CIPPUser", UserID="somebody who has gone", Username=BEN)
    waiting = await tried(at, "add_scheduled_item", task_id=other, run_now=True)
    assert BEN in waiting.facts["plan"]["names"][0]


async def test_a_stored_offboarding_of_the_last_global_administrator_is_not_run_but_can_be_removed(at: Siege) -> None:
    key = task(
        at, "contoso.example", "Invoke-CIPPOffboardingJob", Username="admin@contoso.example", options={"DisableSignIn": True}
    )
    refused = await tried(at, "add_scheduled_item", task_id=key, run_now=True)
    assert refused.word == "refused" and "last enabled Global Administrator" in refused.message
    assert (await tried(at, "remove_scheduled_item", task_id=key)).word == "needs_approval"


async def test_an_operation_without_a_manifest_may_not_hold_a_protected_name_anywhere(at: Siege) -> None:
    rules(at, '[protected]\nobjects = ["ana@*"]')
    for member in (ANA, ANA.upper(), f"{BEN},{ANA}", f"{BEN}; {ANA}", f"https://x.example/users/{ANA}/", f"Ana Ruiz <{ANA}>"):
        named = {"tenantFilter": FABRIKAM, "Name": member}
        refused = await tried(at, "ExecCIPPDBCache", **named)
        assert refused.word == "refused" and "protected" in refused.message, refused
    assert (await tried(at, "ExecCIPPDBCache", tenantFilter=FABRIKAM, Name="Mailboxes")).word == "needs_approval"


WRAPS = st.lists(
    st.sampled_from(
        [
            lambda v: [v],
            lambda v: [None, 1, v],
            lambda v: {"x": v},
            lambda v: {"value": v, "label": "somebody"},
            lambda v: json.dumps({"x": v}),
            lambda v: json.dumps([v]),
            lambda v: f" {json.dumps([v])} ",
        ]
    ),
    max_size=12,
)


@many
@given(WRAPS, WRAPS, st.sampled_from(["UserID", "USERID", "userid"]))
def test_a_name_is_found_however_deep_it_is_wrapped(inner: list[Any], outer: list[Any], key: str) -> None:
    value: Any = ANA
    for wrap in inner:
        value = wrap(value)
    assert ANA in set(_texts(value))
    given_: Any = {key: {"value": [ANA]}}
    for wrap in outer:
        given_ = wrap(given_)
    assert list(_named(given_, {"userid": "user"})) == [("user", ANA)]
