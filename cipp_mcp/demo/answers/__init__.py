"""Every endpoint the demo knows, gathered from the groups by name: a list to read, not a registration at import."""

from __future__ import annotations

from cipp_mcp.demo.answers import (
    account,
    app,
    app_policy,
    autopilot,
    calendar,
    cipp,
    client,
    device,
    extension,
    graph,
    group,
    group_edit,
    insight,
    intune,
    license,
    location,
    mailbox,
    nightly,
    policy,
    security,
    setup,
    sharepoint,
    standards,
    teams,
    tenant,
    tool,
    upkeep,
    user,
)
from cipp_mcp.demo.dialect import Endpoint

GROUPS = (
    user, account, insight, mailbox, calendar, group, group_edit, license, tenant, setup, policy, location, standards, device,
    intune, app, app_policy,
    autopilot, security, sharepoint, teams, tool, graph, cipp, nightly, upkeep, client, extension,
)  # fmt: skip


def endpoints() -> dict[str, Endpoint]:
    """By lower-case name: PowerShell finds a function in any letter case."""
    known: dict[str, Endpoint] = {}
    for part in GROUPS:
        for name, endpoint in part.ENDPOINTS.items():
            if name.lower() in known:
                raise ValueError(f"two groups answer {name}")
            known[name.lower()] = endpoint
    return known


def named() -> dict[str, Endpoint]:
    """By name, as CIPP writes it."""
    return {name: endpoint for part in GROUPS for name, endpoint in part.ENDPOINTS.items()}
