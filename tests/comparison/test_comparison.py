"""What can be checked of the comparison without npm: its tasks are calls that exist, its limits bite, and its skip is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cipp_mcp.catalog import inputs
from cipp_mcp.catalog.manifests import Catalog
from cipp_mcp.settings import GROUPS
from tests.catalog.requests import BOUNDS
from tests.comparison import __main__ as command
from tests.comparison import playing
from tests.comparison.peers import PEERS, cell
from tests.comparison.tasks import TASKS
from tests.conformance.npm import Skipped, installed


def test_each_task_is_made_of_calls_that_the_tools_take(catalog: Catalog) -> None:
    assert len(TASKS) == 8
    for step in (step for task in TASKS for step in task.steps):
        inputs.check(catalog.get(step.tool), step.arguments, bounds=BOUNDS)


def test_the_peers_are_asked_the_same_tasks() -> None:
    assert list(PEERS["tasks"]) == [task.title for task in TASKS]
    assert cell(None) == "no tool"
    assert cell((1_466, 2, 1, 3)) == "1,466 in 2, 1 failed, 3 done unasked"


def test_the_groups_that_are_played_are_groups() -> None:
    assert set(playing.GROUPS.split(",")) <= set(GROUPS)


@pytest.mark.parametrize(
    ("tokens", "search", "over"),
    [
        ({"all": 17_000, "--tools lean": 1_000}, 500, []),
        ({"all": 17_001, "--tools lean": 1_000}, 500, ["all"]),
        ({"all": 17_000, "--tools lean": 1_001}, 501, ["--tools lean", "find_action"]),
    ],
)
def test_what_costs_more_than_it_may_is_named(tokens: dict[str, int], search: int, over: list[str]) -> None:
    measured = {name: command.Measured({"a_tool": n}, 0, 0, 0, [], [(search, True)]) for name, n in tokens.items()}

    assert command.over(measured) == over


def test_without_npm_it_is_skipped_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIPP_MCP_TEST_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert command.main([]) == 0
    assert capsys.readouterr().out == "comparison: skipped, because npm is not installed\n"


@pytest.mark.slow
def test_every_surface_costs_no_more_tokens_than_it_may() -> None:
    try:
        installed()
    except Skipped as why:
        pytest.skip(str(why))
    assert command.main([]) == 0
