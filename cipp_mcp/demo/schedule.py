"""CIPP's scheduler and its queues: what was accepted now and happens later.

A planned task runs when the world's clock passes it. A task asked for at once runs a few seconds later, never
inside the request: that a success text means "accepted" is the first thing a client has to learn.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cipp_mcp.demo import app_queue
from cipp_mcp.demo.dialect import GraphError, as_list, pick, value_of
from cipp_mcp.demo.tenant import Row
from cipp_mcp.demo.world import World, stamp

SOON = 5.0  # seconds from "run now" to running
LOADING = 4.0  # seconds that an all-tenants query takes to fill its cache

Job = Callable[[World, Row, dict[str, Any]], Any]


def jobs() -> dict[str, Job]:
    """The commands that the demo can really run; the others complete without doing anything."""
    from cipp_mcp.demo import deeds, offboarding

    return {"Invoke-CIPPOffboardingJob": offboarding.run, **deeds.JOBS}


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def add_task(world: World, task: dict[str, Any], hidden: bool = False, run_now: bool = False, unique: bool = False) -> str:
    """What Add-CIPPScheduledTask does, and the sentence it gives back."""
    command = str(value_of(pick(task, "Command")) or "")
    name = str(pick(task, "Name") or "")
    now = world.now()
    if unique and any(row["Name"] == name and row["TaskState"] not in ("Completed", "Failed") for row in world.rows("tasks")):
        return f"Task with name {name} already exists"
    if world.tasks_left is not None:
        if world.tasks_left < 1:
            raise GraphError("Error - Could not add task: The table service is busy.")
        world.tasks_left -= 1
    wanted = value_of(pick(task, "ScheduledTime"))
    at = int(wanted) if wanted not in (None, "", 0, "0") else epoch(now)
    tenant = value_of(pick(task, "TenantFilter"))
    after = pick(task, "PostExecution")
    chosen = [part for part in ("Webhook", "Email", "PSA") if pick(after, part) is True] if isinstance(after, dict) else []
    if isinstance(after, list):
        chosen = [str(value_of(part)) for part in after]
    row: Row = {
        "PartitionKey": "ScheduledTask", "RowKey": str(pick(task, "RowKey") or world.new_id("task")), "TaskState": "Planned",
        "Tenant": "" if tenant is None else str(tenant), "excludedTenants": "", "Name": name, "Command": command,
        # In PowerShell false and 0 equal an empty text, so these go as well.
        "Parameters": {key: value for key, value in (pick(task, "Parameters") or {}).items() if value not in (None, "", [], 0)},
        "ScheduledTime": at, "ExecutedTime": None, "Recurrence": str(value_of(pick(task, "Recurrence")) or ""),
        "PostExecution": ",".join(chosen), "Reference": str(pick(task, "Reference") or ""), "AdditionalProperties": "{}",
        "Hidden": hidden,
        "Results": "Planned", "_due": at + SOON if run_now else max(at, epoch(_quarter(now))), "_details": [],
    }  # fmt: skip
    existed = row["RowKey"] in world.table("tasks")
    world.table("tasks")[row["RowKey"]] = row
    world.record(None, "replace" if existed else "schedule", "task", row, f"{command} for {row['Tenant']}")
    if run_now:
        return f"Task {name} scheduled to run now"
    return f"Successfully added task: {name}. It will run in {_until(row['_due'] - epoch(now))}."


def run_task_now(world: World, key: str) -> str:
    row = world.table("tasks").get(key)
    if row is None:
        return "Could not run task: The property 'ScheduledTime' cannot be found on this object."
    row.update(ScheduledTime=epoch(world.now()), TaskState="Planned", _due=epoch(world.now()) + SOON)
    world.record(None, "run_now", "task", row, row["Command"])
    return f"Task {row['Name']} scheduled to run now"


def _quarter(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) + timedelta(minutes=15 - now.minute % 15)


def _until(seconds: float) -> str:
    minutes = seconds / 60
    if minutes >= 1440:
        return f"{int(minutes // 1440)} day(s)"
    if minutes >= 60:
        return f"{int(minutes // 60)} hour(s)"
    return f"about {round(minutes)} minutes" if minutes >= 2 else "about 1 minute" if minutes >= 1 else "less than a minute"


def run_due(world: World, until: datetime) -> None:
    """Run every planned task and finish every queue whose time has come, oldest first."""
    for queue in world.rows("queues"):
        if queue["Status"] != "Completed" and queue["_ready"] <= until.timestamp():
            queue["Status"] = "Completed"
            queue["CompletedTasks"] = queue["TotalTasks"]
            world.table("caches")[queue["Reference"]] = {"id": queue["Reference"], "at": world.now()}
            for tenant in world.known():
                if tenant.customer_id in queue.get("_snapshots", ()):
                    world.take_snapshot(tenant)
    app_queue.run_due(world, until)
    for row in sorted(world.rows("tasks"), key=lambda task: task["_due"]):
        if row["TaskState"] == "Planned" and row["_due"] <= until.timestamp() and not row.get("Trigger"):
            run_one(world, row)


def run_one(world: World, row: Row) -> None:
    """A command that fails ends its task as completed, and only the text says it; an offboarding that cannot start has failed."""
    with world.acting(f"scheduler:{row['Command']}"):
        row["ExecutedTime"] = epoch(world.now())
        job = jobs().get(row["Command"])
        try:
            result = job(world, row, row["Parameters"]) if job else "Completed"
            row["TaskState"] = "Completed"
        except GraphError as refusal:
            result = f"Task Failed: {refusal}"
            row["TaskState"] = "Failed" if row["Command"] == "Invoke-CIPPOffboardingJob" else "Completed"
        result = _kept(result)
        row["Results"] = json.dumps(result)
        row["_details"] = [{"Tenant": row["Tenant"], "Results": result, "Timestamp": stamp(world.now())}]
        every = _every(row["Recurrence"])
        if every and row["TaskState"] == "Completed":
            row["TaskState"] = "Planned"
            row["ScheduledTime"] = epoch(world.now()) + every
            row["_due"] = row["ScheduledTime"]


def _kept(result: Any) -> Any:
    """What a command gave back, as it is kept with the task: of each text, and of what has one, only the text."""
    if isinstance(result, list):
        return [kept for each in result for kept in as_list(_kept(each))]
    text = result if isinstance(result, str) else result.get("resultText")
    return {"Results": text} if isinstance(text, str) else result


def _every(recurrence: str) -> int:
    units = {"m": 60, "h": 3600, "d": 86400}
    if recurrence[-1:] in units and recurrence[:-1].isdigit():
        return int(recurrence[:-1]) * units[recurrence[-1]]
    return 0


# ------------------------------------------------------------------------------------------ queued caches


def enqueue(world: World, name: str, reference: str, total: int) -> Row:
    """Start filling an all-tenants cache; the row is what ListCippQueue shows."""
    key = world.new_id("queue")
    row: Row = {
        "PartitionKey": "CippQueue", "RowKey": key, "Name": name, "Link": None, "Reference": reference,
        "TotalTasks": max(total, 1),
        "CompletedTasks": 0, "FailedTasks": 0, "Status": "Running", "Timestamp": stamp(world.now()),
        "_ready": world.now().timestamp() + LOADING,
    }  # fmt: skip
    world.table("queues")[key] = row
    return row


def running(world: World, reference: str) -> Row | None:
    return next((row for row in world.rows("queues") if row["Reference"] == reference and row["Status"] != "Completed"), None)


def cached(world: World, reference: str, minutes: float) -> datetime | None:
    """When that cache was filled, if that is recent enough."""
    entry = world.table("caches").get(reference)
    if entry is None or (world.now() - entry["at"]).total_seconds() > minutes * 60:
        return None
    at: datetime = entry["at"]
    return at


def load(world: World, reference: str, name: str, minutes: float) -> tuple[Row, bool]:
    """The Metadata of an all-tenants list and whether its rows are there; starts the loading where they are not."""
    said = "Still loading data for all tenants. Ask again in some minutes"
    queue = running(world, reference)
    if queue is None and cached(world, reference, minutes) is None:
        said = "Loading data for all tenants. Ask again in some minutes"
        queue = enqueue(world, name, reference, len(world.known()))
    if queue is not None:
        return {"QueueMessage": said, "QueueId": queue["RowKey"]}, False
    return {"QueueId": None}, True


def moment(seconds: Any) -> str | None:
    return None if seconds is None else stamp(datetime.fromtimestamp(int(seconds), UTC))
