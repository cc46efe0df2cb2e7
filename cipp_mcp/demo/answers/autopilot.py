"""Autopilot devices and profiles."""

from __future__ import annotations

from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply
from cipp_mcp.demo.tenant import Tenant, visible


def list_devices(call: Call) -> Reply:
    return Reply([visible(row) for row in call.tenant(call.asked("tenantFilter")).rows("autopilot")])


def list_profiles(call: Call) -> Reply:
    """A type it does not know gives a list with one null."""
    kind = (call.asked("type") or "").lower()
    tenant = call.tenant(call.asked("tenantFilter"))
    if kind not in ("approfile", "esp"):
        return Reply([None])
    return Reply([visible(row) for row in tenant.rows("autopilot_profiles" if kind == "approfile" else "enrolment_pages")])


def assign(call: Call) -> Reply:
    """Both names come from user.addedFields; without them the assignment is cleared."""
    where, key, serial = call.sent("tenantFilter"), str(call.sent("device") or ""), call.sent("serialNumber") or ""
    upn, name = call.sent("user.addedFields.userPrincipalName"), call.sent("user.addedFields.addressableUserName")
    tenant = call.tenant(where)
    try:
        device = tenant.one("autopilot", key)
        call.world.change(
            tenant, "autopilot_device", device, "assign", userPrincipalName=upn or "", addressableUserName=name or ""
        )
    except GraphError as refusal:
        return call.failed(f"Could not assign {upn or ''} to {key} for {where} Error: {refusal}", where, 400)
    return call.done(f"Successfully assigned device: {key} with Serial: {serial} to  {upn or ''} for {where}", where)


def _sync(call: Call, tenant: Tenant) -> None:
    """Intune refuses a second sync within ten minutes."""
    now = call.world.now().timestamp()
    if not tenant.ghost and now - float(tenant.details.get("autopilot_sync", 0)) < 600:
        raise GraphError("Too many requests: a sync ran in the last 10 minutes.")
    if not tenant.ghost:
        tenant.details["autopilot_sync"] = now
        call.world.record(tenant, "sync", "autopilot", {"id": "sync", "name": "Autopilot sync"})


def sync(call: Call) -> Reply:
    where = call.sent("tenantFilter") or call.asked("tenantFilter")
    try:
        _sync(call, call.tenant(where))
    except GraphError:
        return call.failed(f"Failed to start sync for {where}. A sync may have run less than 10 minutes ago.", where, 403)
    return call.done(f"Successfully Started Sync for {where}", where)


def remove(call: Call) -> Reply:
    """The sync after the delete stands outside the error handling: it may turn a done delete into a 500."""
    where, key = call.either("tenantFilter"), str(call.either("ID") or "")
    tenant = call.tenant(where)
    reply = None
    try:
        device = tenant.one("autopilot", key)
        tenant.drop("autopilot", device)
        call.world.record(tenant, "delete", "autopilot_device", device)
    except GraphError as refusal:
        reply = call.failed(f"Failed to delete device {key}: {refusal}", where)
    _sync(call, tenant)
    return reply or call.done(f"Deleted autopilot device {key}", where)


ENDPOINTS = {
    "ListAPDevices": Endpoint("Endpoint.Autopilot.Read", list_devices),
    "ListAutopilotconfig": Endpoint("Endpoint.Autopilot.Read", list_profiles),
    "ExecAssignAPDevice": Endpoint("Endpoint.Autopilot.ReadWrite", assign),
    "RemoveAPDevice": Endpoint("Endpoint.Autopilot.ReadWrite", remove),
    "ExecSyncAPDevices": Endpoint("Endpoint.Autopilot.ReadWrite", sync),
}
