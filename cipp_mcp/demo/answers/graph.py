"""ListGraphRequest: a GET on Microsoft Graph through CIPP, with its pages, its queue, and no fence around secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cipp_mcp.demo import filters, methods, people, schedule
from cipp_mcp.demo.answers.setup import organisation
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, pick, to_boolean
from cipp_mcp.demo.tenant import Row, Tenant, deleted, visible

PAGE = 100
Rows = list[Row]


def _table(name: str) -> Callable[[Call, Tenant, re.Match[str]], Rows]:
    return lambda call, tenant, found: [visible(row) for row in tenant.rows(name)]


def _one(name: str) -> Callable[[Call, Tenant, re.Match[str]], Rows]:
    def read(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
        row = tenant.one(name, found[1])
        return [visible(row)] if row else []

    return read


def _people(keys: list[str], tenant: Tenant) -> Rows:
    return [visible(row) for key in keys for table in ("users", "entra_devices") if (row := tenant.table(table).get(key))]


def _roles(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    return [{**visible(row), "roleTemplateId": row["templateId"]} for row in tenant.rows("roles")]


def _risky(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    return [row for user in tenant.rows("users") if (row := methods.risk(user))]


def _risky_user(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    row = methods.risk(tenant.one("users", found[1]))
    if row is None and not tenant.ghost:
        raise GraphError(
            f"Resource '{found[1]}' does not exist or one of its queried reference-property objects are not present."
        )
    return [] if row is None else [row]


def _any_object(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    """By id alone, whatever it is; what lies in the recycle bin is not found."""
    for table, kind in (("users", "user"), ("groups", "group"), ("entra_devices", "device"), ("roles", "directoryRole"),
                        ("applications", "application"), ("servicePrincipals", "servicePrincipal")):  # fmt: skip
        if row := tenant.table(table).get(found[1]):
            return [{"@odata.type": f"#microsoft.graph.{kind}", **visible(row)}]
    return [] if tenant.ghost else [tenant.one("users", found[1])]


def _skus(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    return [
        {"id": f"{tenant.customer_id}_{sku['id']}", "skuId": sku["id"], "skuPartNumber": sku["skuPartNumber"],
         "appliesTo": "User",
         "capabilityStatus": "Enabled", "consumedUnits": people.consumed(tenant, sku["id"]),
         "prepaidUnits": {"enabled": sku["enabled"], "suspended": 0, "warning": 0}, "servicePlans": []}
        for sku in tenant.rows("skus")
    ]  # fmt: skip


def _domains(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    names = list(dict.fromkeys((tenant.default_domain, tenant.initial_domain)))
    return [{"id": name, "isDefault": name == tenant.default_domain, "isInitial": name == tenant.initial_domain,
             "isVerified": True}
            for name in names]  # fmt: skip


def _laps(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    """Nothing stops this path: the password leaves under a role that says Read."""
    rows = []
    for device in tenant.rows("managed_devices"):
        if device["_laps"] and found[1] in (None, device["azureADDeviceId"]):
            secret = base64.b64encode(device["_laps"].encode()).decode()
            credentials = [{"accountName": "localadmin", "passwordBase64": secret}] if found[1] else []
            rows.append({"id": device["azureADDeviceId"], "deviceName": device["deviceName"], "credentials": credentials})
            if found[1]:
                call.world.state.secrets.append(secret)
                call.world.record(tenant, "reveal", "managed_device", device, "LAPS by Graph")
    return rows


def _bitlocker(call: Call, tenant: Tenant, found: re.Match[str]) -> Rows:
    rows = []
    for device in tenant.rows("managed_devices"):
        for held in device["_bitlocker"]:
            if found[1] in (None, held["id"]):
                key = {"key": held["key"]} if found[1] else {}
                rows.append({"id": held["id"], "deviceId": device["azureADDeviceId"], "volumeType": "1", **key})
                if key:
                    call.world.record(tenant, "reveal", "managed_device", device, "BitLocker by Graph")
    return rows


PATHS: tuple[tuple[str, Callable[[Call, Tenant, re.Match[str]], Rows]], ...] = (
    (r"users", _table("users")),
    (r"users/([^/]+)", _one("users")),
    (r"users/([^/]+)/authentication/methods", lambda c, t, f: methods.shown(t.one("users", f[1]), c.world.now())),
    (r"users/([^/]+)/authentication/temporaryAccessPassMethods",
     lambda c, t, f: methods.passes(t.one("users", f[1]), c.world.now())),
    (r"users/([^/]+)/memberOf", lambda c, t, f: [visible(row) for row in people.groups_of(t, t.one("users", f[1]))]),
    (r"groups", _table("groups")),
    (r"groups/([^/]+)", _one("groups")),
    (r"groups/([^/]+)/members", lambda c, t, f: _people(t.one("groups", f[1]).get("_members", []), t)),
    (r"groups/([^/]+)/owners", lambda c, t, f: _people(t.one("groups", f[1]).get("_owners", []), t)),
    (r"directoryRoles", _roles),
    (r"directoryRoles/([^/]+)/members", lambda c, t, f: _people(t.one("roles", f[1]).get("_members", []), t)),
    (r"(?:identityProtection/)?riskyUsers", _risky),
    (r"(?:identityProtection/)?riskyUsers/([^/]+)", _risky_user),
    (r"directoryObjects/([^/]+)", _any_object),
    (r"subscribedSkus", _skus),
    (r"organization", lambda c, t, f: [] if t.ghost else [organisation(t)]),
    (r"domains", _domains),
    (r"devices", _table("entra_devices")),
    (r"devices/([^/]+)", _one("entra_devices")),
    (r"deviceManagement/managedDevices", _table("managed_devices")),
    (r"deviceManagement/managedDevices/([^/]+)", _one("managed_devices")),
    (r"deviceManagement/windowsAutopilotDeviceIdentities", _table("autopilot")),
    (r"deviceAppManagement/mobileApps", _table("apps")),
    (r"identity/conditionalAccess/policies", _table("ca_policies")),
    (r"identity/conditionalAccess/policies/([^/]+)", _one("ca_policies")),
    (r"identity/conditionalAccess/namedLocations", _table("named_locations")),
    (r"auditLogs/signIns", _table("sign_ins")),
    (r"security/alerts(?:_v2)?", _table("alerts")),
    (r"security/incidents", _table("incidents")),
    (r"directory/deletedItems/microsoft\.graph\.(\w+)",
     lambda c, t, f: [deleted(row) for row in t.rows("deleted") if row["_kind"] == f[1]]),
    (r"directory/deviceLocalCredentials(?:/([^/]+))?", _laps),
    (r"informationProtection/bitlocker/recoveryKeys(?:/([^/]+))?", _bitlocker),
)  # fmt: skip


def rows_of(call: Call, tenant: Tenant, path: str) -> Rows:
    for pattern, read in PATHS:
        if found := re.fullmatch(pattern, path.strip("/"), re.IGNORECASE):
            return read(call, tenant, found)
    raise GraphError(f"Resource not found for the segment '{path.strip('/').split('/')[-1]}'.")


def _asked(call: Call, path: str) -> tuple[str, dict[str, str]]:
    """The path and its options; a path may bring options of its own."""
    parts = urlsplit(path)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    for name in ("$filter", "$select", "$top", "$orderby", "$search", "$count", "$expand"):
        if value := call.query.get(name):
            options[name] = value
    if "$filter" not in options and call.asked("graphFilter"):
        options["$filter"] = str(call.asked("graphFilter"))
    return unquote(parts.path), options


def _chosen(call: Call, tenant: Tenant, path: str, options: dict[str, str]) -> Rows:
    rows = filters.keep(rows_of(call, tenant, path), options.get("$filter"))
    if search := re.fullmatch(r'"?(\w+):([^"]*)"?', options.get("$search", "")):
        rows = [row for row in rows if search[2].lower() in str(pick(row, search[1]) or "").lower()]
    if order := options.get("$orderby"):
        field, _, direction = order.partition(" ")
        rows = sorted(rows, key=lambda row: str(pick(row, field) or ""), reverse=direction.strip().lower() == "desc")
    if select := options.get("$select"):
        names = [name.split("/")[0] for name in select.split(",")]
        rows = [{name: row.get(name) for name in names} for row in rows]
    return rows


def request(call: Call) -> Reply:
    path, where = call.asked("Endpoint") or "", call.asked("TenantFilter")
    options: dict[str, str] = {}
    try:
        path, options = _asked(call, path)
        reply = _answer(call, path, options, where)
    except (GraphError, ValueError) as refusal:
        text = f"Graph Error: {refusal} - Endpoint: {call.asked('Endpoint')}"
        return Reply(text, 200 if call.asked("IgnoreErrors") else 400)
    return reply


def _flag(call: Call, name: str) -> bool:
    return to_boolean(call.asked(name) or None)


def _answer(call: Call, path: str, options: dict[str, str], where: str | None) -> Reply:
    metadata: dict[str, Any] = {"Endpoint": path, "Parameters": options, "CippLink": None, "TenantFilter": where}
    if call.asked("ListProperties"):
        tenant = call.world.known(call.allowed)[0] if where == "AllTenants" else call.tenant(where)
        rows = _chosen(call, tenant, path, {})
        return Reply({"Results": list(rows[0]) if rows else [], "Metadata": metadata})
    if where == "AllTenants":
        return _everywhere(call, path, options, metadata)
    rows = _chosen(call, call.tenant(where), path, options)
    if _flag(call, "CountOnly"):
        return Reply({"Results": [len(rows)], "Metadata": metadata})
    if _flag(call, "manualPagination") or _flag(call, "NoPagination"):
        rows = _page(call, rows, path, options, metadata)
    shown = [{**row, "Tenant": where, "CippStatus": "Good"} for row in rows]
    if sort := call.asked("Sort"):
        shown.sort(key=lambda row: str(pick(row, sort) or ""))
    return Reply({"Results": shown, "Metadata": metadata})


def _page(call: Call, rows: Rows, path: str, options: dict[str, str], metadata: dict[str, Any]) -> Rows:
    size, begin = int(options.get("$top") or PAGE), 0
    link = call.asked("nextLink")
    if link and _flag(call, "manualPagination"):
        parts = urlsplit(link)
        if parts.hostname != "graph.microsoft.com":
            raise GraphError(f"Invalid nextLink URL: {link}")
        begin = int(parse_qs(parts.query).get("$skiptoken", ["0"])[0])
    if begin + size < len(rows):
        version = call.asked("Version") or "beta"
        metadata["nextLink"] = f"https://graph.microsoft.com/{version}/{path}?$top={size}&$skiptoken={begin + size}"
    return rows[begin : begin + size]


def _everywhere(call: Call, path: str, options: dict[str, str], metadata: dict[str, Any]) -> Reply:
    """From a cache of an hour, or straight with SkipCache; nextLink is dropped here."""
    world = call.world
    reference = f"AllTenants-{path}-{sorted(options.items())}"
    if not _flag(call, "SkipCache"):
        if busy := schedule.running(world, reference):
            queued = {"Queued": True, "QueueMessage": "Data still processing: ask again later", "QueueId": busy["RowKey"]}
            return Reply({"Results": [], "Metadata": metadata | queued})
        if schedule.cached(world, reference, 60) is None:
            queue = schedule.enqueue(world, f"{path} (All Tenants)", reference, len(world.known()))
            text = "Loading data for all tenants. Ask again when the job is done"
            return Reply(
                {"Results": [], "Metadata": metadata | {"Queued": True, "QueueMessage": text, "QueueId": queue["RowKey"]}}
            )
    rows: Rows = []
    for tenant in world.known(call.allowed):
        try:
            found = _chosen(call, tenant, path, options)
            rows += [{**row, "Tenant": tenant.default_domain, "CippStatus": "Good"} for row in found]
        except GraphError as refusal:
            rows.append({"Tenant": tenant.default_domain, "CippStatus": f"Could not connect to tenant. {refusal}"})
    return Reply({"Results": rows, "Metadata": metadata})


ENDPOINTS = {"ListGraphRequest": Endpoint("CIPP.Core.Read", request)}
