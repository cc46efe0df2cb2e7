"""Every row of the fault table, met for real: by the demo's faults, its roles, or a server that plays a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from cipp_mcp import settings
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.access import CustomRole, Role
from cipp_mcp.demo.faults import Fault
from cipp_mcp.demo.serve import Box
from cipp_mcp.doctor import Place, examine
from cipp_mcp.doctor.faults import FAULTS
from cipp_mcp.doctor.report import Report
from cipp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
WITHIN = 60.0
NO_PROXY = Place(system_proxy=lambda _: "", patience=5.0)
PONG = json.dumps({"Results": {"Message": "Pong", "ColdStart": False}})


@dataclass
class Boxed:
    """A fault of the box.

    Attributes:
        says: words of the finding. first: that many faults stand in the report before it.
    """

    says: str
    role: Role = "admin"
    faults: tuple[Fault, ...] = ()
    change: dict[str, Any] = field(default_factory=dict)
    world: Callable[[Box], None] = lambda box: None


def _own(**values: Any) -> Callable[[Box], None]:
    """The API client's own record in CIPP changed."""
    return lambda box: box.world.table("api_clients")[box.client_id].update(values)


def _off(box: Box) -> None:
    box.world.table("settings")["azure"]["clients"] = []


EVERYTHING = frozenset({"*"})
BOXED: dict[str, Boxed] = {
    "api_path": Boxed("without `/api`; both forms work"),
    "portal_address": Boxed("is the portal's address", faults=(Fault("redirect", endpoint="PublicPing"),)),
    "portal_address by a page": Boxed("is the portal's address", faults=(Fault("html", endpoint="PublicPing"),)),
    "kept_out": Boxed("the function app is stopped", faults=(Fault("html", "PublicPing", status=403),)),
    "wrong_tenant": Boxed("AADSTS90002", faults=(Fault("token_no_tenant", after=1),)),
    "wrong_client": Boxed("AADSTS700016", change={"client_id": "11111111-2222-4333-8444-555555555555"}),
    "wrong_secret": Boxed("AADSTS7000215", change={"client_secret": "not-it"}),
    "expired_secret": Boxed("AADSTS7000222", faults=(Fault("token_old_secret", after=1),)),
    "wrong_scope": Boxed("scope api://other/.default is unknown", change={"scope": "api://other/.default"}),
    "wrong_scope by the URI": Boxed("AADSTS500011", faults=(Fault("token_no_resource", after=1),)),
    "sign_in": Boxed("web page came back", faults=(Fault("token_html", after=1),)),
    "not_enabled": Boxed("not enabled, or was not saved to Azure", world=_off),
    "ip_range": Boxed("not in the IP ranges", world=_own(IPRange=["203.0.113.0/24"])),
    "no_role": Boxed("no role that CIPP knows", world=_own(Role=None)),
    "role_too_low": Boxed("'readonly' is too low", role="readonly"),
    "role_too_low for a custom role": Boxed("'helpdesk' is too low", role=CustomRole("helpdesk", frozenset({"CIPP.Core.Read"}))),
    "blocked_endpoint": Boxed(
        "blocks ListTenants", role=CustomRole("r", EVERYTHING, blocked_endpoints=frozenset({"ListTenants"}))
    ),
    "no_tenants": Boxed("includes no tenant", role=CustomRole("r", EVERYTHING, tenants=frozenset())),
    "too_old": Boxed("no endpoint GetVersion", faults=(Fault("role_403", "GetVersion", status=404, text="Endpoint not found"),)),
    "no_answer": Boxed("CIPP gave no answer", faults=(Fault("cut_before", endpoint="PublicPing", times=None),)),
    "throttled": Boxed("too many requests", faults=(Fault("too_many", endpoint="PublicPing", times=None),)),
    "cipp_trouble": Boxed("trouble of its own (500)", faults=(Fault("server_error", endpoint="PublicPing", times=None),)),
    "cold_start": Boxed("CIPP was asleep", faults=(Fault("cold_start", endpoint="PublicPing", seconds=0.3),)),
    "not_cipp": Boxed("not as CIPP does (404)", faults=(Fault("cold_404", endpoint="PublicPing", times=None),)),
    "subscription_ended": Boxed(
        "subscription has ended",
        faults=(Fault("role_403", "PublicPing", text="Your CIPP subscription has ended. Please renew", times=None),),
    ),
    "worker_host": Boxed(
        "background workers",
        faults=(Fault("role_403", "PublicPing", text="API calls are not accepted on this function app", times=None),),
    ),
    "more_rights": Boxed("more rights than the listed tools need (admin)", role="admin"),
    "more_rights of superadmin": Boxed("(superadmin)", role="superadmin"),
    "client_for_mcp by its record": Boxed("(MCPAllowed)", world=_own(MCPAllowed=True)),
}


@contextmanager
def boxed(case: Boxed) -> Iterator[tuple[Box, Settings]]:
    with Box.open(case.role) as box:
        case.world(box)
        box.faults.add(*case.faults)
        environment = {**box.environment(), "CIPP_MCP_WAIT_SCALE": "0.001", "CIPP_MCP_HOME": "nowhere"}
        yield box, replace(settings.read(environment, use_profile=False), **case.change)


async def looked(chosen: Settings, catalog: Catalog, place: Place = NO_PROXY) -> Report:
    with anyio.fail_after(WITHIN):
        return await examine(chosen, catalog, list(catalog), place=place)


@pytest.mark.parametrize("name", BOXED)
async def test_a_fault_of_the_box_is_named(name: str, catalog: Catalog) -> None:
    case, row = BOXED[name], name.partition(" ")[0]
    with boxed(case) as (box, chosen):
        place = replace(NO_PROXY, slow=0.25) if row == "cold_start" else NO_PROXY
        report = await looked(chosen, catalog, place)
    finding = next((f for f in report.findings if f.fault == row), None)
    assert finding is not None, [f.as_json() for f in report.findings]
    assert case.says in finding.says
    assert finding.fix
    if FAULTS[row].level == "fault" and finding.state == "fault":
        assert report.faults == [row], "one cause, one fault"
    assert box.errors == ()
    assert not box.world.ledger, "it only reads"
    shown = json.dumps(report.as_json())
    assert not [s for s in box.secrets if s in shown]


async def test_an_address_with_more_than_a_host_is_no_old_cipp(catalog: Catalog) -> None:
    with boxed(Boxed("")) as (box, chosen):
        report = await looked(replace(chosen, api_url=f"{box.api_url}/api/ListUsers"), catalog)
    assert report.faults == ["not_cipp"] and "only host and `/api`" in report.findings[-1].fix


async def test_a_sound_client_has_no_fault(catalog: Catalog) -> None:
    from cipp_mcp.doctor.role import needed

    listed = [a for a in catalog if not a.own]
    role = CustomRole("cipp-mcp", frozenset(needed(listed, catalog)))
    with boxed(Boxed("", role=role)) as (box, chosen):
        report = await looked(chosen, catalog)
        asked = [r.endpoint for r in box.requests if not r.is_token]
    assert (report.faults, report.rows) == ([], ["api_path"]), [f.as_json() for f in report.findings]
    assert asked == ["PublicPing", "PublicPing", "ListTenants", "GetVersion", "ExecApiClient", "me"]


async def test_the_custom_role_that_is_proposed_is_the_least_that_does(catalog: Catalog) -> None:
    """Without any one of its permissions some listed tool, or a read that guards one, is refused."""
    from cipp_mcp.doctor.rights import Role as Held
    from cipp_mcp.doctor.role import needed

    listed = [a for a in catalog if a.group == "user"]
    wanted = needed(listed, catalog)
    assert all(Held("r", frozenset(wanted)).grants(a.role) for a in listed)
    assert {"Identity.Role.Read", "Identity.User.ReadWrite", "CIPP.Core.Read"} <= set(wanted)
    assert not [p for p in wanted if p.endswith(".Read") and f"{p}Write" in wanted]
    assert not [p for p in wanted if p.startswith("Endpoint.Autopilot")]


async def test_what_the_role_cannot_do_is_listed_by_tool(catalog: Catalog) -> None:
    with boxed(Boxed("", role="readonly")) as (_, chosen):
        report = await looked(chosen, catalog)
    facts = next(f.facts for f in report.findings if f.fault == "role_too_low")
    writing = {a.name for a in catalog if not a.own and a.role.endswith("ReadWrite")}
    assert set(facts["tools"]) == writing
    assert "Identity.User.ReadWrite" in facts["lacks"]


async def test_a_read_only_server_needs_no_more_than_readonly(catalog: Catalog) -> None:
    with boxed(Boxed("", role="readonly")) as (_, chosen):
        reads = [a for a in catalog if a.role.endswith(".Read") and str(a.strongest) == "read"]
        with anyio.fail_after(WITHIN):
            report = await examine(chosen, catalog, reads, place=NO_PROXY)
    assert report.faults == []


async def test_where_cipp_shows_no_role_a_few_reads_are_tried(catalog: Catalog) -> None:
    role = CustomRole("quiet", frozenset({"CIPP.Core.Read", "CIPP.Scheduler.Read"}))
    with boxed(Boxed("", role=role, faults=(Fault("server_error", "me", times=None),))) as (box, chosen):
        report = await looked(chosen, catalog)
        asked = {r.endpoint for r in box.requests}
    lacks = next(f.facts["lacks"] for f in report.findings if f.fault == "role_too_low")
    assert lacks == ["CIPP.Alert.Read", "CIPP.Backup.Read", "CIPP.Extension.Read", "CIPP.Extension.ReadWrite"]
    assert {"ListScheduledItems", "ListAlertsQueue"} <= asked


async def test_a_secret_that_others_can_read_is_told(catalog: Catalog) -> None:
    with boxed(Boxed("")) as (_, chosen), anyio.fail_after(WITHIN):
        report = await examine(chosen, catalog, [], place=NO_PROXY, readable_secret="secret.main")
    assert "secret_readable" in report.faults
