"""CIPP's API clients: who may call at all, with which role, from where. One slip here locks the caller out."""

from __future__ import annotations

import re
from typing import Any

from cipp_mcp.demo.dialect import Call, Endpoint, Reply, as_list, first, truthy, value_of
from cipp_mcp.demo.tenant import Row, visible

RANGE = re.compile(r"(\d{1,3}\.){3}\d{1,3}(/\d{1,2})?|([0-9A-Fa-f]{1,4}:){1,7}[0-9A-Fa-f]{1,4}(/\d{1,3})?")
"""What CIPP takes as an address or a range; not an IPv6 address with ::."""

RANK = ("readonly", "editor", "admin", "superadmin")


def manage(call: Call) -> Reply:
    action = str(first(call.asked("Action"), call.sent("Action")) or "")
    deeds = {
        "list": listed, "listavailable": available, "getazureconfiguration": azure, "addupdate": add_or_update, "delete": delete,
        "resetsecret": reset_secret, "repairuri": repair, "savetoazure": save,
    }  # fmt: skip
    deed = deeds.get(action.lower())
    return deed(call) if deed else Reply({"Results": "Invalid action"})


def listed(call: Call) -> Reply:
    rows = [visible(row, "id") for row in call.world.rows("api_clients")]
    return Reply({"Results": rows} if rows else None)


def available(call: Call) -> Reply:
    rows = [{"appId": row["ClientId"], "displayName": row["AppName"], "createdDateTime": row["_created"]}
            for row in call.world.rows("app_registrations")]  # fmt: skip
    return Reply({"Results": rows})


def azure(call: Call) -> Reply:
    saved = call.world.table("settings")["azure"]["clients"]
    host = call.headers.get("host", "127.0.0.1")
    tenant = call.world.partner.customer_id
    return Reply({"Results": {"ApiUrl": f"http://{host}", "TenantID": tenant, "ClientIDs": list(saved), "Enabled": bool(saved)}})


def _may_grant(call: Call, *roles: str) -> str | None:
    """A caller may only touch clients whose permissions are within its own; custom roles are outside of everybody's here."""
    own = RANK.index(call.role) if isinstance(call.role, str) and call.role in RANK else -1
    for role in roles:
        if role and (role not in RANK or RANK.index(role) > own):
            return f"Access denied: you cannot manage an API client with the role '{role}'."
    return None


def _text(text: str, state: str = "success", **more: Any) -> Row:
    return {"resultText": text, "state": state, **more}


def _find(call: Call, key: Any) -> Row | None:
    return next((row for row in call.world.rows("api_clients") if row["ClientId"] == key), None)


def add_or_update(call: Call) -> Reply:
    """Every stored field is written: a role, an address list or a switch that was left out is reset."""
    world, key = call.world, value_of(call.sent("ClientId"))
    role, name = str(call.sent("Role.value") or ""), call.sent("AppName")
    there = _find(call, key)
    if denied := _may_grant(call, role, str(there["Role"] or "") if there else ""):
        return Reply([_text(denied, "error")])
    if not key and not name:
        return Reply({"Results": []})
    ranges = [str(each).strip() for each in as_list(call.sent("IpRange.value"))]
    wrong = [text for text in ranges if not RANGE.fullmatch(text)]
    stored: dict[str, Any] = {
        "Role": role or None, "IPRange": [text for text in ranges if text not in wrong] or ["Any"],
        "Enabled": call.sent("Enabled") is True, "MCPAllowed": truthy(call.sent("MCPAllowed")),
    }  # fmt: skip
    said: list[Any] = []
    if there:
        world.change(None, "api_client", there, "update", **stored)
        if truthy(call.sent("CIPPAPI.ResetSecret")):
            said.append(_new_secret(call, there, "API client updated and application secret reset"))
        else:
            said.append("API client updated")
    else:
        key = key or world.new_id("client")
        row = {"id": key, "ClientId": key, "AppName": str(name or call.sent("ClientId.addedFields.displayName") or ""), **stored}
        world.table("api_clients")[key] = row
        world.record(None, "create", "api_client", row, role or "no role")
        said.append(_text(f"API Client created with the name '{row['AppName']}'.", copyField=world.secret(f"client/{key}")))
    said += [_text(f"'{text}' is not a valid IP address or CIDR range.", "warning") for text in wrong]
    return Reply(said)


def _new_secret(call: Call, row: Row, text: str) -> Row:
    secret = call.world.secret(f"client/{row['ClientId']}")
    call.world.record(None, "reset_secret", "api_client", row)
    return _text(f"{text} for '{row['AppName']}'.", copyField=secret)


def reset_secret(call: Call) -> Reply:
    row = _find(call, call.sent("ClientId"))  # a {value} is not unwrapped here
    if row is None:
        return Reply([_text("API client not found", "error")])
    if denied := _may_grant(call, str(row["Role"] or "")):
        return Reply([_text(denied, "error")])
    return Reply([_new_secret(call, row, "API secret reset")])


def repair(call: Call) -> Reply:
    row = _find(call, call.sent("ClientId"))
    if row is None:
        return Reply([_text("API client not found", "error")])
    if not row.get("_uriMissing"):
        return Reply([_text(f"Identifier URI already correct for {row['AppName']}.", "info")])
    call.world.change(None, "api_client", row, "repair", _uriMissing=False)
    return Reply([_text(f"Identifier URI fixed for {row['AppName']}.")])


def delete(call: Call) -> Reply:
    key = value_of(call.sent("ClientId"))
    if not key:
        return Reply({"Results": f"API client {key or ''} was not found here"})
    row = _find(call, key)
    if row is None:
        return Reply(None)  # the exception is swallowed and leaves no body
    if denied := _may_grant(call, str(row["Role"] or "")):
        return Reply({"Results": denied})
    del call.world.table("api_clients")[row["id"]]
    call.world.record(None, "delete", "api_client", row)
    return Reply({"Results": f"API client {key} deleted"})


def save(call: Call) -> Reply:
    """From now on App Service lets the enabled clients in, and nobody else."""
    row = call.world.table("settings")["azure"]
    clients = [each["ClientId"] for each in call.world.rows("api_clients") if each["Enabled"]]
    call.world.change(None, "authentication", row, "save", clients=clients)
    return Reply({"Results": "API clients saved to Azure"})


ENDPOINTS = {"ExecApiClient": Endpoint("CIPP.Extension.ReadWrite", manage)}
