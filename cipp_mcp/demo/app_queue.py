"""CIPP's own queue of apps: worked off every twelve hours, or soon after somebody asks for it."""

from __future__ import annotations

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
        if row["status"] == "Not Deployed yet":
            row["_due"] = world.now().timestamp() + SOON


def deploy(world: World, tenant: Tenant, name: str, kind: str, assign_to: str, exclude: str, intent: str) -> Row:
    app: Row = {
        "id": world.new_id("app"), "@odata.type": f"#microsoft.graph.{kind}App", "displayName": name, "publisher": "",
        "createdDateTime": stamp(world.now()), "assignments": [],
    }  # fmt: skip
    if assign_to and assign_to.lower() != "on":
        order = assignments.Order(assign_to, [], [], [], exclude, "append", None)
        app["assignments"] = assignments.targets(tenant, order, intent)
    tenant.add("apps", app)
    world.record(tenant, "create", "app", app, f"{intent} for {assign_to or 'nobody'}")
    return app


def run_due(world: World, until: datetime) -> None:
    for row in world.rows("app_queue"):
        if row["status"] != "Not Deployed yet" or row["_due"] > until.timestamp():
            continue
        tenant = world.reach(row["_tenant"])
        if any(same(app["displayName"], row["Name"]) for app in tenant.rows("apps")):
            row["status"] = "Not deployed: an app of that name exists"
            continue
        with world.acting("queue:apps"):
            try:
                # "Required" in the order meant uninstall: any text is true.
                intent = "uninstall" if row["_uninstall"] else "required"
                deploy(world, tenant, row["Name"], row["_kind"], row["_assign_to"], row["_exclude"], intent)
                row["status"] = "Failed: the tenant is not reachable" if tenant.ghost else "Successfully deployed"
            except GraphError as refusal:
                row["status"] = f"Failed: {refusal}"
