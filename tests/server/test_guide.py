"""The server's instructions: facts about the tools that are listed, in what every host lets through."""

from __future__ import annotations

import re

import pytest

from cipp_mcp.call.guard.policy import Policy
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.server.guide import WHERE, instructions
from cipp_mcp.server.surface import listed
from cipp_mcp.settings import GROUPS, Surface

CUT_AFTER = 2_048
"""Characters that Claude Code passes on (2026)."""
SURFACES = ("all", "lean", "read-only", "user", "license")


def said(catalog: Catalog, surface: str) -> tuple[str, set[str]]:
    narrowed = catalog.only((surface,)) if surface in GROUPS else catalog
    lean = Surface.LEAN if surface == "lean" else Surface.ALL
    tools = listed(narrowed, Policy(read_only=surface == "read-only"), lean)
    return instructions(tools), {tool.name for tool in tools}


@pytest.mark.parametrize("surface", SURFACES)
def test_a_host_that_cuts_instructions_off_cuts_nothing(catalog: Catalog, surface: str) -> None:
    assert len(said(catalog, surface)[0]) <= CUT_AFTER


@pytest.mark.parametrize("surface", SURFACES)
def test_no_tool_is_named_that_is_not_listed(catalog: Catalog, surface: str) -> None:
    text, names = said(catalog, surface)

    assert set(re.findall(r"[a-z]+(?:_[a-z0-9]+)+", text)) & set(catalog.actions) <= names


def test_each_surface_says_where_to_look(catalog: Catalog) -> None:
    everything, lean = said(catalog, "all")[0], said(catalog, "lean")[0]

    assert [names for _, names in WHERE[1:] if ", ".join(names) not in everything] == []
    assert "find_action" in lean and "find_action" not in everything


def test_who_is_asked_first_is_said_where_something_asks(catalog: Catalog) -> None:
    assert "hinted destructive" in said(catalog, "all")[0]
    assert "change_action asks a person first" in said(catalog, "lean")[0]
    assert "confirm" not in said(catalog, "read-only")[0]
