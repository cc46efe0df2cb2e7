"""CIPP itself: ping, version, log book, queues and the scheduler's list."""

from __future__ import annotations

import fnmatch
import json
import uuid
from datetime import datetime
from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.dialect import Call, Endpoint, GraphError, Reply, is_true
from cipp_mcp.demo.tenant import Row, visible
from cipp_mcp.demo.world import stamp

VERSION = "10.8.2"
LEVELS = ("Info", "Warn", "Warning", "Error", "Critical", "Alert")


def ping(call: Call) -> Reply:
    """A text that holds JSON: CIPP converts it itself, so the content type is plain text."""
    pong = {"Message": "Pong", "ColdStart": False, "Timestamp": stamp(call.world.now()), "RequestId": call.world.new_id("ping")}
    return Reply(json.dumps({"Results": pong}))


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-")[0].split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise ValueError(f'Cannot convert value "{version}" to type "System.Management.Automation.SemanticVersion".')
    return tuple(int(part) for part in parts)


def version(call: Call) -> Reply:
    local = _numbers(call.asked("LocalVersion") or "")
    return Reply(
        {
            "LocalCIPPVersion": call.asked("LocalVersion"), "RemoteCIPPVersion": "10.9.0", "LocalCIPPAPIVersion": VERSION,
            "RemoteCIPPAPIVersion": VERSION, "OutOfDateCIPP": _numbers("10.9.0") > local, "OutOfDateCIPPAPI": False,
        }
    )  # fmt: skip


def list_queue(call: Call) -> Reply:
    key, reference = call.asked("QueueId"), call.asked("Reference")
    rows = call.world.rows("queues")
    if key:
        rows = [row for row in rows if row["RowKey"] == key]
    else:
        recent = [row for row in rows if (call.world.now() - datetime.fromisoformat(row["Timestamp"])).total_seconds() < 3 * 3600]
        rows = [row for row in recent if reference is None or row["Reference"] == reference]
    return Reply([_queue(row) for row in reversed(rows)])


def _queue(row: Row) -> Row:
    total, done, failed = row["TotalTasks"], row["CompletedTasks"], row["FailedTasks"]
    busy = 0 if row["Status"].startswith("Completed") else total - done
    return {
        **visible(row), "RunningTasks": busy, "PercentComplete": round(done / total * 100, 1),
        "PercentFailed": round(failed / total * 100, 1),
        "PercentRunning": round(busy / total * 100, 1),
        "Tasks": [{"Timestamp": row["Timestamp"], "Name": row["Name"], "Status": "Running" if busy else "Completed"}],
    }  # fmt: skip


def list_logs(call: Call) -> Reply:
    rows = call.world.rows("logs")
    if call.asked("ListLogs"):
        return Reply([{"value": day, "label": day} for day in sorted({row["PartitionKey"] for row in rows})])
    for name in ("StartDate", "EndDate", "DateFilter"):
        if (day := call.asked(name)) and not (day.isdigit() and len(day) == 8):
            raise GraphError(f"Invalid value for {name}: a date as yyyyMMdd is expected.")
    if key := call.asked("logentryid"):
        uuid.UUID(key)  # any other text is an exception
        return Reply([_log(row, "Standard") for row in rows if row["RowKey"] == key])
    today = call.world.now().strftime("%Y%m%d")
    first_day = last_day = today
    levels: tuple[str, ...] = LEVELS
    if is_true(call.asked("Filter")):
        levels = tuple((call.asked("Severity") or ",".join(LEVELS)).split(","))
        begin, end = (call.asked(name) or call.asked("DateFilter") for name in ("StartDate", "EndDate"))
        first_day = begin or today
        last_day = end if begin and end else first_day
        for name, field in (("Tenant", "Tenant"), ("API", "API"), ("User", "User")):
            text = (call.asked(name) or "").lower()
            if text and text not in ("alltenants", "*"):
                rows = [row for row in rows if text in row[field].lower() or (name == "Tenant" and text == row["TenantID"])]
    rows = [row for row in rows if first_day <= row["PartitionKey"] <= last_day and row["Severity"] in levels]
    if call.allowed is not None:
        rows = [row for row in rows if row["TenantID"] in call.allowed or row["Tenant"] == "CIPP"]
    return Reply([_log(row, "StandardInfo") for row in reversed(rows)])


def _log(row: Row, standard: str) -> Row:
    return {
        **{key: value for key, value in row.items() if key != "PartitionKey"},
        standard: {},
        "DateFilter": row["PartitionKey"],
    }


def list_scheduled(call: Call) -> Reply:
    key, where = call.either("Id"), call.either("tenantFilter")
    rows = call.world.rows("tasks")
    if key:
        rows = [row for row in rows if row["RowKey"] == key]
    else:
        hidden = is_true(call.asked("ShowHidden")) or is_true(call.sent("ShowHidden"))
        rows = [row for row in rows if row["Hidden"] is hidden]
        for name, field in (("Name", "Name"), ("Type", "Command")):
            if wanted := call.either(name):
                rows = [row for row in rows if row[field] == wanted]
        if title := call.either("SearchTitle"):
            rows = [row for row in rows if fnmatch.fnmatch(row["Name"].lower(), str(title).lower())]
    if where and where != "AllTenants":
        tenant = call.tenant(where)
        names = {str(where)} if tenant.ghost else {tenant.default_domain, tenant.customer_id}
        rows = [row for row in rows if row["Tenant"] in names]
    if call.allowed is not None:
        rows = [row for row in rows if not (reached := call.tenant(row["Tenant"])).ghost and reached.customer_id in call.allowed]
    rows = sorted(rows, key=lambda row: (row["ScheduledTime"], row["ExecutedTime"] or 0), reverse=True)
    return Reply([task(call, row) for row in rows])


def task(call: Call, row: Row) -> Row:
    name: Any = row["Tenant"] or "None"
    for tenant in call.world.tenants:
        if tenant.customer_id == name:
            name = tenant.default_domain
    return {
        **visible(row), "Recurrence": row["Recurrence"] or "Once", "ScheduledTime": schedule.moment(row["ScheduledTime"]),
        "ExecutedTime": schedule.moment(row["ExecutedTime"]),
        "Tenant": name if name == "None" else {"label": name, "value": name, "type": "Tenant"},
    }  # fmt: skip


def remove_scheduled(call: Call) -> Reply:
    """The text speaks of success in both ends; only the status tells them apart."""
    key = call.asked("id") or call.sent("id")
    row = call.world.table("tasks").pop(str(key), None)
    if row is not None:
        call.world.record(None, "delete", "task", row, row["Name"])
    return Reply({"Results": "Task removed successfully."}, 400 if row is None else 200)


ENDPOINTS = {
    "PublicPing": Endpoint("Public", ping),
    "GetVersion": Endpoint("CIPP.Core.Read", version, any_tenant=True),
    "ListCippQueue": Endpoint("CIPP.Core.Read", list_queue, any_tenant=True),
    "ListLogs": Endpoint("CIPP.Core.Read", list_logs, any_tenant=True),
    "ListScheduledItems": Endpoint("CIPP.Scheduler.Read", list_scheduled, any_tenant=True),
    "RemoveScheduledItem": Endpoint("CIPP.Scheduler.ReadWrite", remove_scheduled, any_tenant=True),
}
