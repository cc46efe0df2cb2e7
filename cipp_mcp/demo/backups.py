"""CIPP's backups of itself: rows of its own tables, secrets included, kept under a name."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from cipp_mcp.demo.tenant import Row
from cipp_mcp.demo.world import stamp

if TYPE_CHECKING:
    from cipp_mcp.demo.world import World

# What a backup holds. Roles and address limits come back for a super administrator only.
TABLES = (
    "api_clients",
    "custom_roles",
    "standards_templates",
    "intune_templates",
    "alert_rules",
    "tasks",
    "settings",
    "mappings",
)
RESTRICTED = ("custom_roles",)


def take(world: World) -> Row:
    now = world.now()
    name = f"CippBackup_{now.strftime('%Y-%m-%d-%H%M%S')}"
    rows = [{"table": table, "key": key, **copy.deepcopy(row)} for table in TABLES for key, row in world.table(table).items()]
    backup: Row = {"id": name, "name": name, "Timestamp": stamp(now), "_rows": rows}
    world.table("backups")[name] = backup
    world.record(None, "create", "backup", backup, f"{len(rows)} rows")
    return backup


def restore(world: World, backup: Row, tables: list[str]) -> int:
    """Put the rows back over what is there; what was added since stays."""
    restored = 0
    for row in backup["_rows"]:
        if row["table"] in RESTRICTED or (tables and row["table"] not in tables):
            continue
        world.table(row["table"])[row["key"]] = copy.deepcopy(
            {key: value for key, value in row.items() if key not in ("table", "key")}
        )
        restored += 1
    world.record(None, "restore", "backup", backup, f"{restored} rows")
    return restored


def scheduled(world: World, task: Row, given: dict[str, Any]) -> str:
    return f"Created backup {take(world)['name']}"
