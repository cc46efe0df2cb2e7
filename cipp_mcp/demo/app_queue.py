"""CIPP's own queue of apps: worked off every twelve hours, or soon after somebody asks for it."""

from __future__ import annotations

import contextlib
from datetime import datetime

from cipp_mcp.demo import assignments
from cipp_mcp.demo.dialect import GraphError, same
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import World, stamp

EVERY = 12 * 3600.0
SOON = 5.0


def add(world: World, domain: str, name: str, kind: str, command: str, assign_to: str, exclude: str, uninstall: bool) -> Row:
    row: Row = {
        "RowKey": world.new_id("queued-app"), "Name": name, "status": "Not Deployed yet", "_tenant": domain, "_kind": kind,
        "_command": command, "_assign_to": assign_to, "_exclude": exclude, "_uninstall": uninstall,
        "_due": world.now().timestamp() + EVERY,
    }  # fmt: skip
    world.table("app_queue")[row["RowKey"]] = row
    world.record(None, "queue", "queued_app", row, domain)
    return row


def hurry(world: World) -> None:
    for row in world.rows("app_queue"):
        row["_due"] = world.now().timestamp() + SOON


def deploy(world: World, tenant: Tenant, name: str, kind: str, assign_to: str, exclude: str, intent: str) -> Row:
    """Make the app, then assign it: one whose groups are not found stays, for nobody.

    Raises:
        GraphError: no group matches.
    """
    app: Row = {
        "id": world.new_id("app"), "@odata.type": f"#microsoft.graph.{kind}App", "displayName": name, "publisher": "",
        "createdDateTime": stamp(world.now()), "assignments": [],
    }  # fmt: skip
    tenant.add("apps", app)
    world.record(tenant, "create", "app", app, f"{intent} for {assign_to or 'nobody'}")
    if assign_to and assign_to.lower() != "on":
        order = assignments.Order(assign_to, [], [], [], exclude, "append", None)
        app["assignments"] = assignments.targets(tenant, order, intent)
    return app


def run_due(world: World, until: datetime) -> None:
    """An entry is taken out before it is tried, so no end is shown; one for all tenants stays for those that come later."""
    for row in world.rows("app_queue"):
        if row["_due"] > until.timestamp():
            continue
        everywhere = row["_tenant"] == "AllTenants"
        if everywhere:
            row |= {"status": "Deployed", "_due": row["_due"] + EVERY}
        else:
            del world.table("app_queue")[row["RowKey"]]
        for tenant in world.known() if everywhere else [world.reach(row["_tenant"])]:
            if tenant.ghost or any(same(app["displayName"], row["Name"]) for app in tenant.rows("apps")):
                continue
            # "Required" in the order meant uninstall: any text is true.
            intent = "uninstall" if row["_uninstall"] else "required"
            with world.acting("queue:apps"), contextlib.suppress(GraphError):
                deploy(world, tenant, row["Name"], row["_kind"], row["_assign_to"], row["_exclude"], intent)
