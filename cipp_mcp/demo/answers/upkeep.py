"""CIPP's upkeep of itself: backups, password settings, custom roles."""

from __future__ import annotations

import json
import re
from typing import Any

from cipp_mcp.demo import backups, schedule
from cipp_mcp.demo.answers.cipp import task
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, as_list, is_true, pick, truthy
from cipp_mcp.demo.tenant import visible

AUTOMATIC = "Automated CIPP Backup"


def run_backup(call: Call) -> Reply:
    """The answer repeats the whole backup, secrets of the tables included; a text that holds JSON."""
    backup = backups.take(call.world)
    rows = json.dumps(backup["_rows"], default=str)
    return Reply(json.dumps({"Results": {"resultText": "Created backup", "state": "success"}, "backup": rows}))


def list_backups(call: Call) -> Reply:
    kind, name = call.asked("Type") or "CIPP", call.asked("BackupName")
    if kind != "CIPP":
        where = call.asked("tenantFilter")
        stored = [row for row in call.world.rows("tenant_backups") if where in (None, "AllTenants", row["TenantFilter"])]
        return Reply([visible(row, "id") for row in stored if not name or row["BackupName"] == name])
    rows = [row for row in call.world.rows("backups") if not name or row["name"] == name]
    if is_true(call.asked("NameOnly")):
        return Reply([{"BackupName": row["name"], "Timestamp": row["Timestamp"], "Source": "Table"} for row in reversed(rows)])
    return Reply([{"BackupName": row["name"], "Timestamp": row["Timestamp"], "Backup": row["_rows"]} for row in reversed(rows)])


def restore_backup(call: Call) -> Reply:
    """A name that begins otherwise makes the body itself the rows to import."""
    name = str(call.sent("BackupName") or "")
    if not name.lower().startswith("cippbackup_"):
        rows = call.body if isinstance(call.body, list) else [call.body]
        for row in rows:
            call.world.record(None, "import_rows", "table", {"id": str(pick(row, "table")), "name": "raw rows"})
        return call.done(f"Successfully restored {len(rows)} rows from backup.")
    backup = call.world.table("backups").get(name)
    if backup is None:
        return call.done("Backup not found.")
    wanted = [str(each) for each in as_list(call.sent("SelectedTypes"))]
    return call.done(f"Successfully restored {backups.restore(call.world, backup, wanted)} rows from backup.")


def automatic(call: Call) -> Reply:
    """Without Enabled nothing is done, and the answer is an empty 200."""
    enabled = call.sent("Enabled")
    there = [row for row in call.world.rows("tasks") if row["Name"] == AUTOMATIC]
    if not isinstance(enabled, bool):
        return Reply(None)
    for row in there:
        del call.world.table("tasks")[row["RowKey"]]
        call.world.record(None, "delete", "task", row, AUTOMATIC)
    if enabled:
        schedule.add_task(
            call.world,
            {"TenantFilter": "PartnerTenant", "Name": AUTOMATIC, "Command": "New-CIPPBackup",
             "Parameters": {"backupType": "CIPP"},
             "Recurrence": "1d"},
        )  # fmt: skip
        return Reply({"Results": "Scheduled Task Successfully created"})
    return Reply({"Results": "Scheduled Task Successfully removed" if there else "No existing automatic backup to stop"})


FLAGS = (
    "includeUppercase",
    "includeLowercase",
    "includeDigits",
    "includeSpecialChars",
    "capitalizeWords",
    "appendNumber",
    "appendSpecialChar",
)
DEFAULTS: dict[str, Any] = {
    "passwordType": "Classic", "charCount": 14, "includeUppercase": True, "includeLowercase": True, "includeDigits": True,
    "includeSpecialChars": True, "specialCharSet": "$%&*#", "wordCount": 4, "separator": "-", "capitalizeWords": False,
    "appendNumber": False, "appendSpecialChar": False,
}  # fmt: skip


def password_config(call: Call) -> Reply:
    """Reading needs the write role as well. Writing replaces everything: what is left out becomes false or empty."""
    stored = call.world.table("settings").get("passwords", {"id": "passwords", **DEFAULTS})
    if call.asked("List"):
        return Reply({"Results": visible(stored, "id")})
    try:
        new = _password_config(call)
    except GraphError as refusal:
        return call.failed(f"Failed to set configuration: {refusal}", status=400)
    call.world.table("settings")["passwords"] = stored
    call.world.change(None, "password_config", stored, **new)
    return call.done("Successfully set the configuration")


def _number(call: Call, name: str, needed: bool, least: int, most: int, default: int) -> int:
    text = str(call.sent(name) if call.sent(name) is not None else "")
    if not needed:
        return int(text) if text.isdigit() else default
    if not text.isdigit():
        raise GraphError(f"{name} must be a valid number")
    if not least <= int(text) <= most:
        raise GraphError(f"{name} must be between {least} and {most}")
    return int(text)


def _password_config(call: Call) -> dict[str, Any]:
    kind = str(call.sent("passwordType") or "")
    if kind not in ("Classic", "Passphrase"):
        raise GraphError("The password type is not known")
    flags = {name: truthy(call.sent(name)) for name in FLAGS}
    classic = kind == "Classic"
    characters, separator = str(call.sent("specialCharSet") or ""), str(call.sent("separator") or "")
    numbers = {
        "charCount": _number(call, "charCount", classic, 8, 256, 14),
        "wordCount": _number(call, "wordCount", not classic, 3, 10, 4),
    }
    safe = re.compile(r"[!@#$%^&*()\-_=+/]{1,32}")
    if (flags["includeSpecialChars"] or flags["appendSpecialChar"]) and not safe.fullmatch(characters):
        raise GraphError("Special characters are empty, too many or not allowed")
    if len(separator) > 5 or (separator.strip() and not safe.fullmatch(separator)):
        raise GraphError("Separator is too long or not allowed")
    if classic:
        classes = [flags[name] for name in FLAGS[:4]]
    else:
        classes = [True, flags["capitalizeWords"], flags["appendNumber"], flags["appendSpecialChar"] or bool(separator.strip())]
    if sum(classes) < 3:
        raise GraphError(f"{kind} passwords must include at least 3 of the 4 types")
    return {"passwordType": kind, "specialCharSet": characters, "separator": separator, **flags, **numbers}


def list_roles(call: Call) -> Reply:
    built_in = [
        {"RoleName": name, "Type": "Built-In", "Permissions": "", "AllowedTenants": ["AllTenants"], "BlockedTenants": [],
         "EntraGroup": None,
         "EntraGroupId": None, "IPRange": []}
        for name in ("readonly", "editor", "admin", "superadmin")
    ]  # fmt: skip
    return Reply(json.dumps(built_in + [visible(row, "id") for row in call.world.rows("custom_roles")]))


def list_extension_syncs(call: Call) -> Reply:
    rows = [row for row in call.world.rows("tasks") if row["Hidden"] and "CippExtension" in row["Command"]]
    return Reply(
        json.dumps(
            [{"RowKey": row["RowKey"], "PartitionKey": "ScheduledTask", "Tenant": row["Tenant"], "Name": row["Name"],
              "SyncType": row.get("SyncType"), "ScheduledTime": row["ScheduledTime"], "ExecutedTime": row["ExecutedTime"],
              "RepeatsEvery": row["Recurrence"], "Results": row["Results"]} for row in rows]
        )
    )  # fmt: skip


def task_details(call: Call) -> Reply:
    """The end of a task, tenant by tenant: where the outcome of an offboarding is to be read. A text that holds JSON."""
    row = call.world.table("tasks").get(str(call.either("RowKey") or ""))
    if row is None:
        return Reply("Task not found", 404)
    details = [
        {"Timestamp": each["Timestamp"], "Tenant": each["Tenant"],
         "Results": each["Results"] if isinstance(each["Results"], list) else [each["Results"]]}
        for each in row["_details"]
    ]  # fmt: skip
    return Reply(json.dumps({"Task": task(call, row), "Details": details}))


ENDPOINTS = {
    "ExecRunBackup": Endpoint("CIPP.AppSettings.ReadWrite", run_backup),
    "ExecListBackup": Endpoint("CIPP.Backup.Read", list_backups),
    "ExecRestoreBackup": Endpoint("CIPP.AppSettings.ReadWrite", restore_backup),
    "ExecSetCIPPAutoBackup": Endpoint("CIPP.Backup.ReadWrite", automatic),
    "ExecPasswordConfig": Endpoint("CIPP.AppSettings.ReadWrite", password_config, any_tenant=True),
    "ListCustomRole": Endpoint("CIPP.Core.Read", list_roles),
    "ListExtensionSync": Endpoint("CIPP.Extension.Read", list_extension_syncs, any_tenant=True),
    "ListScheduledItemDetails": Endpoint("CIPP.Scheduler.Read", task_details, any_tenant=True),
}
