"""Intune apps and CIPP's queue of apps that are to be deployed."""

from __future__ import annotations

import json
import re
from typing import Any

from cipp_mcp.demo import app_queue, assignments
from cipp_mcp.demo.answers import nightly
from cipp_mcp.demo.dialect import Abort, Call, Endpoint, GraphError, Reply, as_list, pick, truthy, unrolled
from cipp_mcp.demo.tenant import Row, Tenant, visible

RMM = ("datto", "ninja", "huntress", "syncro", "ncentral", "automate", "cwcommand")


def app_rows(tenant: Tenant) -> list[Row]:
    rows = []
    for app in tenant.rows("apps"):
        inside, outside = assignments.described(tenant, app["assignments"], with_intent=True)
        rows.append({**visible(app), "AppAssignment": inside, "AppExclude": outside})
    return rows


def list_apps(call: Call) -> Reply:
    if nightly.wanted(call):
        return nightly.report(call, "application", app_rows)
    return Reply(app_rows(call.tenant(call.asked("tenantFilter"))))


def list_queue(call: Call) -> Reply:
    """Every tenant's entries, whoever asks."""
    return Reply(
        [
            {"tenantName": row["_tenant"], "applicationName": row["Name"], "cmdLine": row["_command"],
             "assignTo": row["_assign_to"],
             "id": row["RowKey"], "status": row["status"]}
            for row in call.world.rows("app_queue")
        ]
    )  # fmt: skip


def remove_queued(call: Call) -> Reply:
    key = str(call.sent("ID") or "")
    row = call.world.table("app_queue").pop(key, None)
    if row is None:
        return call.failed(f"Failed to remove application queue for {key}. The entry does not exist.", status=403)
    call.world.record(None, "delete", "queued_app", row, row["_tenant"])
    return call.done(f"Successfully removed application queue for {key}.")


def chosen(call: Call) -> list[Any]:
    """The tenants of an order. One that the client may not reach is left out without a word."""
    entries = as_list(call.sent("selectedTenants"))
    return [each for each in entries if call.allowed is None or str(pick(each, "customerId")) in call.allowed]


def _assign_to(call: Call) -> str:
    to = str(call.sent("AssignTo") or "")
    return str(call.sent("CustomGroup") or "") if to.lower() == "customgroup" else to


def _enqueue(call: Call, kind: str, name: str, command: str) -> list[str]:
    said = []
    for entry in chosen(call):
        domain = str(pick(entry, "defaultDomainName") or "")
        app_queue.add(
            call.world, domain, name, kind, command, _assign_to(call), str(call.sent("excludeGroup") or ""),
            uninstall=truthy(call.sent("InstallationIntent")),
        )  # fmt: skip
        said.append(domain)
    return said


def add_store(call: Call) -> Reply:
    domains = _enqueue(call, "winGet", str(call.sent("ApplicationName") or ""), str(call.sent("PackageName") or ""))
    return Reply({"Results": unrolled([f"Successfully added Store App for {domain} to queue." for domain in domains])})


def add_choco(call: Call) -> Reply:
    package = str(call.sent("PackageName") or "")
    if not package.strip():
        return call.failed("PackageName is required.", status=400)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", package):
        return call.failed(f"Invalid PackageName '{package}'.", status=400)
    command = f"Install.ps1 -InstallChoco -Packagename {package}"
    for name, flag in (("customrepo", "CustomRepo"), ("customArguments", "CustomArguments")):
        command += f" -{flag} {call.sent(name)}" if call.sent(name) else ""
    domains = _enqueue(call, "win32Lob", str(call.sent("ApplicationName") or ""), command)
    return Reply({"Results": unrolled([f"Successfully added Choco App for {domain} to queue." for domain in domains])})


def add_msp(call: Call) -> Reply:
    name = str(call.sent("RMMName.value") or "")
    if name.lower() not in RMM:
        return Reply({"Results": [f"Unknown MSP app type '{name}'."]}, 400)
    if name.lower() in ("ninja", "ncentral"):
        # The name passes the check and has no template file.
        raise ValueError(f"Cannot find path 'AddMSPApp\\{name}.app.json' because it does not exist.")
    secrets = json.dumps(call.sent("params") or {})
    domains = _enqueue(call, "win32Lob", str(call.sent("DisplayName") or ""), f"install {name} {secrets}")
    return Reply({"Results": unrolled([f"Successfully added MSP App for {domain} to queue. " for domain in domains])})


def add_office(call: Call) -> Reply:
    """Done inline, one tenant after the other; a tenant that has an Office deployment is skipped."""
    domains = [str(pick(each, "defaultDomainName") or "") for each in chosen(call)]
    if "AllTenants" in domains:
        domains = [each.default_domain for each in call.world.known(call.allowed)]
    said = []
    for domain in domains:
        tenant = call.tenant(domain)
        if any(app["@odata.type"] == "#microsoft.graph.officeSuiteApp" for app in tenant.rows("apps")):
            said.append(f"Office deployment already exists for {domain}")
            continue
        try:
            app_queue.deploy(call.world, tenant, "Microsoft 365 Apps for Windows", "officeSuite", _assign_to(call),
                             str(call.sent("excludeGroup") or ""), "Required")  # fmt: skip
            said.append(f"Successfully added Office App for {domain}")
        except GraphError as refusal:
            said.append(f"Failed to add Office App for {domain}: {refusal}")
    return Reply({"Results": unrolled(said)})


def upload(call: Call) -> Reply:
    """Work the queue off at once (that is: as soon as the background gets to it)."""
    app_queue.hurry(call.world)
    return call.done("Started running application queue")


def assign(call: Call) -> Reply:
    where, key = call.either("tenantFilter"), str(call.either("ID") or "")
    intent = str(call.either("Intent") or "Required")
    order = assignments.Order.of(call, everywhere=True)
    if order.mode not in ("append", "replace"):
        raise ValueError(f"Unsupported AssignmentMode value '{order.mode}'.")
    if not (order.shown() or order.exclude_ids or order.exclude_name.strip() or order.clears_exclusions):
        raise ValueError("No assignment target was given.")
    tenant = call.tenant(where)
    try:
        app = tenant.one("apps", key)
        wanted = assignments.merged(app.get("assignments", []), assignments.targets(tenant, order, intent), order)
        call.world.change(tenant, "app", app, "assign", assignments=wanted)
    except GraphError as refusal:
        return call.failed(f"Could not assign application {key} to {order.shown()}. Error: {refusal}", where)
    left_out = order.exclude_name or ", ".join(order.exclude_ids)
    if order.shown():
        text = f"Assigned Application {key} to {order.shown()}" + (f" excluding group '{left_out}'" if left_out else "")
    else:
        text = f"Updated exclusions for Application {key}" if left_out else f"Cleared exclusions for Application {key}"
    return call.done(text, where)


def remove(call: Call) -> Reply:
    where, key = call.either("tenantFilter"), call.either("ID")
    if not key:
        raise Abort
    tenant = call.tenant(where)
    try:
        app = tenant.one("apps", key)
    except GraphError as refusal:
        return call.failed(f"Failed to delete app with {key}. Error: {refusal}", where)
    tenant.drop("apps", app)
    call.world.record(tenant, "delete", "app", app)
    return call.done(f"Successfully deleted app with {key}", where)


ENDPOINTS = {
    "ListApps": Endpoint("Endpoint.Application.Read", list_apps),
    "ListApplicationQueue": Endpoint("Endpoint.Application.Read", list_queue),
    "RemoveQueuedApp": Endpoint("Endpoint.Application.ReadWrite", remove_queued),
    "AddStoreApp": Endpoint("Endpoint.Application.ReadWrite", add_store, any_tenant=True),
    "AddChocoApp": Endpoint("Endpoint.Application.ReadWrite", add_choco, any_tenant=True),
    "AddMSPApp": Endpoint("Endpoint.Application.ReadWrite", add_msp, any_tenant=True),
    "AddOfficeApp": Endpoint("Endpoint.Application.ReadWrite", add_office, any_tenant=True),
    "ExecAppUpload": Endpoint("Endpoint.Application.ReadWrite", upload),
    "ExecAssignApp": Endpoint("Endpoint.Application.ReadWrite", assign),
    "RemoveApp": Endpoint("Endpoint.Application.ReadWrite", remove),
}
