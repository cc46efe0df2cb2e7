"""Every tool that reads: the demo has rows for it, and reading changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog
from tests.demo.driving import Case, Stage, cases, opened, parameters

pytestmark = pytest.mark.anyio
CASES = cases("every_read")


@pytest.fixture(scope="module")
async def stage(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with opened(catalog, tmp_path_factory.mktemp("home")) as stage:
        yield stage


def test_no_tool_is_left_out(catalog: Catalog) -> None:
    assert {case.tool for case in CASES} == {a.name for a in catalog if a.effect is Effect.READ and not a.lean}


@pytest.mark.parametrize("case", parameters(CASES))
async def test_each_read_gives_rows(case: Case, stage: Stage) -> None:
    outcome = await stage.play(case)
    assert outcome.word == case.ends, outcome.envelope()
    assert outcome.facts.get("total", 0) >= case.rows, outcome.envelope()
    assert stage.happened == []
