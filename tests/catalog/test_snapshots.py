"""Every tool as listed is a file: a schema is a public API, and a change of it must be seen in a review."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest

from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.manifests import Catalog, load
from cipp_mcp.server.surface import to_tool

FOLDER = Path(__file__).parent / "tools"
COMMAND = "python -m pytest --update tests/catalog/test_snapshots.py"

ACTIONS = [pytest.param(a, id=a.name) for a in load()]


def as_listed(action: Action) -> dict[str, object]:
    return to_tool(action).model_dump(by_alias=True, mode="json", exclude_none=True)


def as_text(action: Action) -> str:
    return json.dumps(as_listed(action), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_tool_is_listed_as_its_snapshot_says(action: Action, update: bool) -> None:
    file, now = FOLDER / f"{action.name}.json", as_text(action)
    if update:
        FOLDER.mkdir(exist_ok=True)
        file.write_text(now, encoding="utf-8", newline="\n")
    if not file.is_file():
        pytest.fail(f"{action.name} has no snapshot. Run: {COMMAND}")
    then = file.read_text(encoding="utf-8")
    if then != now:
        shown = "".join(difflib.unified_diff(then.splitlines(True), now.splitlines(True), "snapshot", "as listed"))
        pytest.fail(f"{action.name} is listed otherwise. If that is meant, run: {COMMAND}\n{shown}", pytrace=False)


def test_no_snapshot_is_left_of_a_tool_that_is_gone(catalog: Catalog, update: bool) -> None:
    orphans = [f for f in sorted(FOLDER.glob("*.json")) if f.stem not in catalog.actions]
    if update:
        for file in orphans:
            file.unlink()
        orphans = []

    assert [f.name for f in orphans] == [], f"Run: {COMMAND}"
