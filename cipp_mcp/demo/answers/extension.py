"""Extensions: their configuration, the map of tenants to their companies, a test, a sync."""

from __future__ import annotations

from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.dialect import Call, Endpoint, Reply, is_true, pick
from cipp_mcp.demo.tenant import Row

NINJA_HOSTS = ("app.ninjarmm.com", "eu.ninjarmm.com", "oc.ninjarmm.com", "ca.ninjarmm.com", "us2.ninjarmm.com")
COMPANIES = ("HaloPSA", "Hudu", "NinjaOne", "Sherweb")
FIELDS = ("HuduFields", "NinjaOneFields")


def _config(call: Call) -> Row:
    return call.world.table("settings").setdefault("extensions", {"id": "extensions", "config": {}})


def list_config(call: Call) -> Reply:
    return Reply(_config(call)["config"])


def set_config(call: Call) -> Reply:
    """The whole record is replaced; a key goes to the vault and leaves a mark; a bad host is reported and saved."""
    sent = call.body if isinstance(call.body, dict) else {}
    said: list[str] = []
    new: dict[str, Any] = {}
    if is_true(pick(sent, "NinjaOne.Enabled")):
        host = str(pick(sent, "NinjaOne.Instance") or "").replace("/ws", "").replace("https://", "")
        if host not in NINJA_HOSTS:
            said.append("Error: NinjaOne URL is not allowed.")
    for name, settings in sent.items():
        if not isinstance(settings, dict):
            continue
        key = pick(settings, "APIKey")
        if key and key != "SentToKeyVault":
            call.world.state.secrets.append(str(key))
            call.world.record(None, "store_key", "extension", {"id": name, "name": name})
        kept = {field: value for field, value in settings.items() if field.lower() not in ("apikey", "resetpassword")}
        new[name] = {**kept, "APIKey": "" if key == "" else "SentToKeyVault"}
    call.world.change(None, "extension_config", _config(call), config=new)
    portal = call.world.table("settings").setdefault("portal", {"id": "portal", "host": "portal.cipp.example"})
    call.world.change(
        None, "instance", portal, host=call.headers.get("x-ms-original-url", "").removeprefix("https://").split("/")[0]
    )
    said.append("Successfully saved the extensions.")
    return Reply({"Results": said if len(said) > 1 else said[0]})


def mapping(call: Call) -> Reply:
    table, world = call.world.table("mappings"), call.world
    if name := call.asked("List"):
        return Reply(_shown(call, name))
    if name := call.asked("AutoMapping"):
        if name != "NinjaOne":
            return Reply("Automapping of 0 tenants done.")
        world.later(schedule.SOON, lambda: _match(call))
        return Reply("AutoMapping was queued.")
    name = call.asked("AddMapping") or ""
    if name in COMPANIES:
        # A list of {TenantId, IntegrationId, IntegrationName}; whatever was mapped before is gone, an empty list maps nothing.
        sent = call.body if isinstance(call.body, list) else list(call.body.values()) if isinstance(call.body, dict) else []
        new = {str(pick(each, "TenantId")): _entry(each) for each in sent if pick(each, "TenantId")}
        row = table.setdefault(name, {"id": name, "entries": {}})
        world.change(None, "extension_mapping", row, entries=new)
        return Reply({"Results": "Successfully saved the mapping."})
    if name in FIELDS:
        row = table.setdefault(name, {"id": name, "entries": {}})
        world.change(None, "extension_mapping", row, entries={**row["entries"], **(call.body or {})})
        return Reply({"Results": "Successfully saved the mapping."})
    return Reply("Mapping API failed. The mapping is not known.")


def _match(call: Call) -> None:
    """Each tenant that is not mapped yet, to the company of its name."""
    row = call.world.table("mappings").setdefault("NinjaOne", {"id": "NinjaOne", "entries": {}})
    new = {
        tenant.customer_id: {"TenantId": tenant.customer_id, "IntegrationId": tenant.details["key"],
                             "IntegrationName": tenant.display_name}
        for tenant in call.world.known()
    }  # fmt: skip
    call.world.change(None, "extension_mapping", row, "match", entries={**new, **row["entries"]})


def _entry(sent: Any) -> Row:
    return {name: str(pick(sent, name) or "") for name in ("TenantId", "IntegrationId", "IntegrationName")}


def _shown(call: Call, name: str) -> Any:
    if name == "HaloPSAFields":
        return {"TicketTypes": [], "Outcomes": [], "Priorities": []}
    if name == "PWPushFields":
        return {"Accounts": []}
    entries = call.world.table("mappings").get(name, {"entries": {}})["entries"]
    if name in FIELDS:
        return {
            "CIPPFields": [],
            "IntegrationFields": [],
            "Mappings": [{"RowKey": key, "IntegrationId": each} for key, each in entries.items()],
        }
    if name not in COMPANIES:
        return None
    companies = [{"name": tenant.display_name, "value": tenant.details["key"]} for tenant in call.world.known()]
    known = {tenant.customer_id: tenant for tenant in call.world.known()}
    shown = [
        {**entry, "Tenant": known[key].display_name, "TenantDomain": known[key].default_domain}
        for key, entry in entries.items()
        if key in known
    ]
    return {"Companies": companies, "Mappings": shown}


def sync(call: Call) -> Reply:
    name, key = call.asked("Extension"), call.asked("TenantID")
    if name == "NinjaOne":
        mapped = call.world.table("mappings").get("NinjaOne", {"entries": {}})["entries"]
        if key and key not in mapped:
            return Reply({"Results": "Tenant was not found."})
        text = f"NinjaOne Synchronization Queued for {key}" if key else f"NinjaOne Synchronization Queuing {len(mapped)} Tenants"
    elif name == "Hudu":
        text = "Extension sync was planned anew and begins within a quarter of an hour"
    elif name == "Gradient":
        if not is_true(pick(_config(call)["config"], "Gradient.BillingEnabled")):
            return Reply(None)
        text = "Successfully queued Gradient Sync"
    else:
        return Reply(None)
    call.world.record(None, "sync", "extension", {"id": name, "name": name}, key or "every mapped tenant")
    schedule.add_task(
        call.world,
        {
            "TenantFilter": key or "AllTenants",
            "Name": f"{name} Extension Sync",
            "Command": "Push-CippExtensionData",
            "Parameters": {},
        },
        hidden=True,
    )
    return Reply({"Results": text})


def test(call: Call) -> Reply:
    name = call.asked("extensionName") or ""
    if name == "CIPP-API":
        return Reply({"Results": "The CIPP-API cannot be tested from within."})
    if not is_true(pick(_config(call)["config"], f"{name}.Enabled")):
        return Reply({"Results": f"Failed to connect to {name}: are its credentials right?"})
    call.world.record(None, "test", "extension", {"id": name, "name": name})
    if name == "PWPush":
        link = "https://pwpush.example/p/" + call.world.secret("pwpush")
        return Reply({"Results": [{"resultText": "Successfully generated PWPush", "copyField": link, "state": "success"}]})
    return Reply({"Results": f"Successfully Connected to {name}"})


ENDPOINTS = {
    "ListExtensionsConfig": Endpoint("CIPP.Extension.Read", list_config, any_tenant=True),
    "ExecExtensionsConfig": Endpoint("CIPP.Extension.ReadWrite", set_config),
    "ExecExtensionMapping": Endpoint("CIPP.Extension.ReadWrite", mapping, any_tenant=True),
    "ExecExtensionSync": Endpoint("CIPP.Extension.ReadWrite", sync),
    "ExecExtensionTest": Endpoint("CIPP.Extension.Read", test, any_tenant=True),
}
