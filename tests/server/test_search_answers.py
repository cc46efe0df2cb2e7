"""From a technician's words to a schema in one call, over a fifth of the phrases and through a client."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from cipp_mcp import wiring
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.demo.serve import Box
from cipp_mcp.server import build
from cipp_mcp.settings import Surface
from tests.server.conftest import WITHIN, settings_of

pytestmark = pytest.mark.anyio
PHRASES: dict[str, list[str]] = tomllib.loads(
    (Path(__file__).parent.parent / "catalog" / "phrases.toml").read_text(encoding="utf-8")
)
SOME = list(PHRASES)[::5]
MOST = 2_100
"""Characters of one answer; `python -m tests.comparison` counts tokens, and 500 are the limit."""


def schema_of(found: dict[str, Any], wanted: list[str]) -> Any:
    """The schema of an acceptable hit, if it came along."""
    endpoints = {endpoint.casefold() for endpoint in wanted}
    return next(
        (h["input_schema"] for h in found["items"] if h["endpoint"].casefold() in endpoints and "input_schema" in h), None
    )


async def test_a_question_gets_its_schema_in_one_short_answer(box: Box, tmp_path: Path, catalog: Catalog) -> None:
    answers: dict[str, Any] = {}
    async with (
        wiring.open_desk(settings_of(box, tmp_path), catalog, answer_within=WITHIN, whole=True) as desk,
        Client(build(desk, surface=Surface.LEAN), read_timeout_seconds=WITHIN) as client,
    ):
        with anyio.fail_after(120):
            for phrase in SOME:
                answers[phrase] = await client.call_tool("find_action", {"query": phrase})
    assert max(len(a.content[0].text) for a in answers.values()) <= MOST
    with_schema = [p for p, a in answers.items() if schema_of(a.structured_content, PHRASES[p])]
    assert len(with_schema) >= 0.75 * len(SOME)


async def test_a_schema_that_is_too_long_is_left_to_describe_action(box: Box, tmp_path: Path, catalog: Catalog) -> None:
    async with (
        wiring.open_desk(settings_of(box, tmp_path), catalog, answer_within=WITHIN, whole=True) as desk,
        Client(build(desk, surface=Surface.LEAN), read_timeout_seconds=WITHIN) as client,
    ):
        (hit,) = dict(
            (await client.call_tool("find_action", {"query": "AddEditTransportRule", "limit": 1})).structured_content or {}
        )["items"]
        described = await client.call_tool("describe_action", {"action": hit["action"]})
    assert "input_schema" not in hit
    assert len((described.structured_content or {})["item"]["input_schema"]["properties"]) > 50


async def test_where_only_reads_are_run_only_reads_are_found(box: Box, tmp_path: Path, catalog: Catalog) -> None:
    chosen = settings_of(box, tmp_path, CIPP_MCP_READ_ONLY="1")
    async with (
        wiring.open_desk(chosen, catalog, answer_within=WITHIN, whole=True) as desk,
        Client(build(desk, surface=Surface.LEAN), read_timeout_seconds=WITHIN) as client,
    ):
        found = dict((await client.call_tool("find_action", {"query": "reset a password", "limit": 10})).structured_content or {})
    assert {hit["effect"] for hit in found["items"]} == {"read"}
