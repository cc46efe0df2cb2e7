"""Which tools are listed.

The list is fixed by configuration when the server starts; the protocol forbids changing it by calls.
"""

from __future__ import annotations

import mcp_types as t

from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.server.promises import PROMISES
from cipp_mcp.settings import Surface

LEAN = (
    "list_tenants",
    "get_user",
    "find_action",
    "describe_action",
    "read_action",
    "change_action",
    "check_operation",
    "read_more",
)


def listed(catalog: Catalog, policy: Policy, surface: Surface = Surface.ALL) -> list[t.Tool]:
    """The tools of a surface, sorted by name."""
    if surface is Surface.LEAN:
        chosen = [catalog.actions[name] for name in LEAN if name in catalog.actions]
    else:
        chosen = [a for a in catalog if not a.lean]
    return [to_tool(a) for a in sorted(chosen, key=lambda a: a.name) if policy.lists(a)]


def to_tool(action: Action) -> t.Tool:
    """One action as a tool; the four hints follow from its effect word alone."""
    strongest = action.strongest
    promised = PROMISES.get(action.name)
    return t.Tool(
        name=action.name,
        title=action.title,
        description=inputs.description(action),
        input_schema=inputs.schema(action),
        output_schema=dict(promised) if promised else None,
        annotations=t.ToolAnnotations(
            read_only_hint=strongest is Effect.READ,
            destructive_hint=strongest.asks,
            idempotent_hint=strongest in {Effect.READ, Effect.SET},
            open_world_hint=True,
        ),
    )
