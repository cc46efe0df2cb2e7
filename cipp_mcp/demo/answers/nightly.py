"""Reports from CIPP's nightly database: what the tenants looked like hours ago, or an error where they were never read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cipp_mcp.demo import schedule
from cipp_mcp.demo.dialect import Call, Endpoint, Reply, is_true
from cipp_mcp.demo.tenant import Row, Tenant
from cipp_mcp.demo.world import stamp


def wanted(call: Call, all_tenants: bool = True) -> bool:
    """Whether this request is served from the database."""
    return is_true(call.asked("UseReportDB")) or (all_tenants and call.asked("tenantFilter") == "AllTenants")


def snapshots(call: Call, where: str | None) -> list[tuple[str, Tenant]]:
    """The copies of the tenants in question with the time each was taken."""
    found = []
    for tenant in call.world.known(call.allowed):
        if tenant.customer_id in call.world.nightly and (where == "AllTenants" or (where and tenant.answers_to(where))):
            at, copy = call.world.nightly[tenant.customer_id]
            found.append((stamp(at), copy))
    return found


def report(call: Call, kind: str, rows: Callable[[Tenant], Iterable[Row]], stamped: str = "CacheTimestamp") -> Reply:
    where = call.asked("tenantFilter")
    taken = snapshots(call, where)
    if not taken:
        return Reply([f"No cached {kind} data found for {where}. Run a cache sync first."], 500)
    return Reply([{**row, "Tenant": tenant.default_domain, stamped: at} for at, tenant in taken for row in rows(tenant)])


def sync(call: Call) -> Reply:
    """Start a cache sync; the copies are renewed when its queue is done."""
    where, name = call.asked("TenantFilter"), call.asked("Name")
    if not name or not where:
        missing = "Name" if not name else "TenantFilter"
        return Reply({"Results": f"Failed to start cache operation: {missing} parameter is required"}, 400)
    everyone = where == "AllTenants"
    tenants = call.world.known(call.allowed) if everyone else [call.tenant(where)]
    queue = schedule.enqueue(
        call.world, f"{name} Cache Sync ({'All Tenants' if everyone else where})", f"db-{name}-{where}", len(tenants)
    )
    queue["_snapshots"] = [tenant.customer_id for tenant in tenants]
    text = f"Successfully started cache operation for {name} {'for all tenants' if everyone else f'on tenant {where}'}"
    metadata: dict[str, Any] = {"Name": name, "Tenant": where, "InstanceId": queue["RowKey"], "QueueId": queue["RowKey"]}
    return Reply({"Results": text, "Metadata": metadata})


ENDPOINTS = {"ExecCIPPDBCache": Endpoint("CIPP.Core.ReadWrite", sync)}
