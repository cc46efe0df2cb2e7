"""Every endpoint the demo knows, gathered from the groups by name: a list to read, not a registration at import."""

from __future__ import annotations

from cipp_mcp.demo.answers import (
    account,
    calendar,
    cipp,
    group,
    group_edit,
    insight,
    license,
    mailbox,
    nightly,
    policy,
    standards,
    tenant,
    user,
)
from cipp_mcp.demo.dialect import Endpoint

GROUPS = (
    user, account, insight, mailbox, calendar, tenant, license, group, group_edit, policy, standards, cipp, nightly,
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
