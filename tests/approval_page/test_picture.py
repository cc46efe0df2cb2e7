"""The README's picture of the approval page: taken from a real call in a real browser, and true to what stands there now.

`pytest --update` takes it anew where there is a Chromium. The picture carries the text that it shows, because fonts
differ between computers and letters do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from cipp_mcp.demo.serve import Box
from tests.approval_page import png
from tests.approval_page.seats import sit
from tests.approval_page.test_whole_way import ANA, Browser, serving

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / ".github" / "approval-page.png"
SHOWN: Any = {"width": 820, "height": 10}
MOST_BYTES = 60_000
VARIES = [
    (r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME"),
    (r"(today|\d{4}-\d\d-\d\d) \d\d:\d\d", "TIME"),
    (r"(?m)^[0-9a-f]{8}$", "DIGEST"),
    (r"[ \t]+", " "),
]
WORDS = ("Clear immutable ID", "Fabrikam", "ana@fabrikam.example", "No way back", "What is lost", "Approve", "Decline")


@pytest.fixture
def box() -> Iterator[Box]:
    with Box.open() as running:
        yield running


@pytest.mark.anyio
async def test_the_page_of_a_real_call_is_what_the_picture_shows(box: Box, tmp_path: Path, chromium: Any, update: bool) -> None:
    result: dict[str, Any] = {}
    browser = Browser(tmp_path)
    async with (
        serving(box, tmp_path, browser, CIPP_MCP_OPERATOR="tess@msp.example") as client,
        anyio.create_task_group() as tasks,
    ):

        async def call() -> None:
            result.update((await client.call_tool("clear_user_immutable_id", ANA)).structured_content or {})

        tasks.start_soon(call)
        seat = await sit(chromium, await browser.address())
        await seat.page.set_viewport_size(SHOWN)
        says = varying(str(await seat.page.inner_text("main")))
        if update:
            taken = await seat.page.screenshot(full_page=True)
            PICTURE.write_bytes(png.small(taken, json.dumps(says)))
        await seat.type(ANA["user_id"], "Enter")
        await seat.page.wait_for_url("**/approve")
    assert (result["outcome"], [e.endpoint for e in box.world.ledger]) == ("done", ["ExecClrImmId"])
    assert json.loads(png.note(PICTURE.read_bytes())) == says, "the page says something else now: pytest --update"
    assert [w for w in WORDS if w.casefold() not in says.casefold()] == []


def varying(text: str) -> str:
    """The page's text without what is another one each time."""
    for found, put in VARIES:
        text = re.sub(found, put, text)
    return text


def test_the_readme_shows_the_picture_and_it_is_small() -> None:
    width, height = png.size(PICTURE.read_bytes())

    assert f'src="{PICTURE.relative_to(ROOT).as_posix()}"' in (ROOT / "README.md").read_text(encoding="utf-8")
    assert PICTURE.stat().st_size <= MOST_BYTES
    assert width == SHOWN["width"] and 300 <= height <= 1000
