"""Managed devices: lists, actions, and the secrets that belong to a device."""

from __future__ import annotations

from typing import Any

from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, first, is_true, pick, unrolled
from cipp_mcp.demo.tenant import Row, visible
from cipp_mcp.demo.world import stamp


def list_devices(call: Call) -> Reply:
    return Reply([visible(row) for row in call.tenant(call.asked("tenantFilter")).rows("managed_devices")])


# Action -> what it leaves on the device; every other name is forwarded to Graph, which knows no such segment.
ACTIONS: dict[str, Row] = {
    "syncDevice": {}, "rebootNow": {}, "locateDevice": {}, "rotateLocalAdminPassword": {}, "windowsDefenderScan": {},
    "windowsDefenderUpdateSignatures": {}, "createDeviceLogCollectionRequest": {},
    "cleanWindowsDevice": {"managementState": "cleanPending"},
    "retire": {"managementState": "retirePending"}, "wipe": {"managementState": "wipePending"},
}  # fmt: skip


def act(call: Call) -> Reply:
    where, key, action = call.sent("tenantFilter"), str(call.sent("GUID") or ""), str(call.sent("Action") or "")
    tenant, world = call.tenant(where), call.world
    try:
        device = tenant.one("managed_devices", key)
        if device and device["id"] != key:
            raise GraphError(f"Resource '{key}' does not exist or one of its queried reference-property objects are not present.")
        if action == "delete":
            tenant.drop("managed_devices", device)
            world.record(tenant, "delete", "managed_device", device)
            return call.done("", where)  # the result variable is never set on this branch
        if action == "users":
            user = tenant.one("users", call.sent("user.value"))
            changes = {"userId": user.get("id"), "userPrincipalName": user.get("userPrincipalName")}
            world.change(tenant, "managed_device", device, "primary_user", **changes)
            return call.done(f"Changed primary user on device {key} to {user.get('id', call.sent('user.value'))}", where)
        if action == "setDeviceName":
            name = str(call.sent("input") or "").replace("%SERIAL%", str(device.get("serialNumber", "")))[:15]
            world.change(tenant, "managed_device", device, "set_device_name", managedDeviceName=name, _pendingName=name)
        elif action in ACTIONS:
            _carry_out(call, device, action)
            if device:
                world.record(tenant, action, "managed_device", device, _options(call.body))
        else:
            raise GraphError(f"Resource not found for the segment '{action}'.")
    except GraphError as refusal:
        return call.failed(f"Failed to queue action {action} on {key} : {refusal}", where)
    return call.done(f"Queued {action} on {key}", where)


def _carry_out(call: Call, device: Row, action: str) -> None:
    device.update(ACTIONS[action])
    result = {"actionName": action, "actionState": "pending", "startDateTime": stamp(call.world.now())}
    device["deviceActionResults"] = [*device.get("deviceActionResults", []), result]
    if action == "rotateLocalAdminPassword":
        device["_laps"] = call.world.secret(f"laps/{device.get('id')}")


def _options(body: Any) -> str:
    """The whole body goes on to Graph, so only options in Graph's own names count."""
    names = ("quickScan", "keepUserData", "keepEnrollmentData", "useProtectedWipe")
    return ", ".join(name for name in names if is_true(pick(body, name)))


def recovery_key(call: Call) -> Reply:
    where, key = call.either("tenantFilter"), str(call.either("GUID") or "")
    kind = str(first(call.sent("RecoveryKeyType"), "BitLocker"))
    tenant, world = call.tenant(where), call.world
    rows = tenant.rows("managed_devices")
    found: list[Any] = []
    if kind.lower() == "bitlocker":
        # Keys hang on the Entra device id, not on the Intune id.
        for device in [row for row in rows if row["azureADDeviceId"] == key]:
            for held in device["_bitlocker"]:
                found.append(_key(f"Id: {held['id']} Key: {held['key']}", held["key"]))
    elif kind.lower() == "filevault":
        found = [_key(f"Key: {row['_filevault']}", row["_filevault"]) for row in rows if row["id"] == key and row["_filevault"]]
    elif kind.lower() == "biospassword":
        found = [_key(f"BIOS password retrieved for serial {row['serialNumber']}.", row["_bios"]) for row in rows
                 if row["id"] == key and row["_bios"]]  # fmt: skip
    else:
        return call.failed(f"Invalid RecoveryKeyType specified: {kind}.", where)
    if not found:
        return call.done(f"No {kind} recovery keys found for {key}", where)
    call.log(f"Retrieved {kind} recovery key for {key}", where)
    for device in rows:
        if key in (device["id"], device["azureADDeviceId"]):
            world.record(tenant, "reveal", "managed_device", device, kind)
    return Reply({"Results": unrolled(found)})


def _key(text: str, key: str) -> Row:
    return {"resultText": text, "copyField": key, "state": "success"}


def local_admin(call: Call) -> Reply:
    """Always 200, and without the tenant check: an excluded tenant's password comes out as well."""
    where, key = str(call.sent("TenantFilter") or ""), str(call.sent("guid") or "")
    tenants = [each for each in call.world.tenants if each.answers_to(where)] if where else [call.world.partner]
    for tenant in tenants:
        for device in tenant.rows("managed_devices"):
            if device["azureADDeviceId"] == key and device["_laps"]:
                call.world.record(tenant, "reveal", "managed_device", device, "LAPS")
                call.log(f"Retrieved LAPS password for {key}", where)
                return Reply({"Results": _key("LAPS password retrieved for localadmin.", device["_laps"])})
        if any(device["azureADDeviceId"] == key for device in tenant.rows("managed_devices")):
            return Reply({"Results": f"No LAPS password found for {key}"})
    return Reply({"Results": f"Could not retrieve LAPS password for {key}. Error: Unable to find device with id {key}."})


def defender_state(call: Call) -> Reply:
    """An error is one text in a list, under 200."""
    tenant, key = call.tenant(call.asked("tenantFilter")), call.asked("DeviceID")
    if key and not tenant.ghost and key not in tenant.table("managed_devices"):
        return Reply([f"Resource '{key}' does not exist."])
    rows = [row for row in tenant.rows("managed_devices") if not key or row["id"] == key]
    names = ("id", "deviceName", "deviceType", "operatingSystem")
    return Reply([{**{name: row[name] for name in names}, "windowsProtectionState": row["_defender"]} for row in rows])


def vulnerabilities(call: Call) -> Reply:
    tenant = call.tenant(call.asked("tenantFilter"))
    rows = []
    for cve in tenant.rows("vulnerabilities"):
        names = [
            {"deviceName": row["deviceName"]} for row in tenant.rows("managed_devices") if row["deviceName"] in cve["_devices"]
        ]
        rows.append(
            {"customerId": tenant.customer_id, "affectedDevicesCount": len(names), **visible(cve, "id"), "affectedDevices": names}
        )
    return Reply(rows)


ENDPOINTS = {
    "ListDevices": Endpoint("Endpoint.Device.Read", list_devices),
    "ExecDeviceAction": Endpoint("Endpoint.MEM.ReadWrite", act),
    "ExecGetRecoveryKey": Endpoint("Endpoint.Device.Read", recovery_key),
    "ExecGetLocalAdminPassword": Endpoint("Endpoint.Device.Read", local_admin),
    "ListDefenderState": Endpoint("Endpoint.MEM.Read", defender_state),
    "ListDefenderTVM": Endpoint("Endpoint.MEM.Read", vulnerabilities),
}
