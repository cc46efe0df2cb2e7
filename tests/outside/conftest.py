"""Fixtures of the tests from outside: one child process for each module and era.

A test says in its parameter `era` which of the two clients it drives. Cases are shared out between the eras where both
would see the same: a server keeps CIPP's limit of 100 requests in 10 s, and a test must not wait for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cipp_mcp import cli
from cipp_mcp.demo.serve import Box
from tests.outside.house import ERAS, QUIET, Ended, House, Run, opened


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def houses(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, House]]:
    """A house for each era, whose client asks a person."""
    async with AsyncExitStack() as stack:
        yield {era: await stack.enter_async_context(opened(era, tmp_path_factory.mktemp(era))) for era in ERAS}


@pytest.fixture
def house(houses: dict[str, House], era: str) -> House:
    """The module's house of that era, as clean as on the first day."""
    houses[era].clean()
    return houses[era]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Box.open(enforce_rate=False) as opened_box:
        yield opened_box


@pytest.fixture
def run(box: Box, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs one command in this process: argv in; exit code, standard output and standard error out."""
    for name in [n for n in os.environ if n.startswith("CIPP_")]:
        monkeypatch.delenv(name)
    for name, value in {**QUIET, **box.environment(), "CIPP_MCP_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)

    def ran(*argv: str, **more: str) -> Ended:
        capfd.readouterr()
        with monkeypatch.context() as context:
            for name, value in more.items():
                context.setenv(name, value)
            try:
                code = cli.main(list(argv))
            except SystemExit as ended:
                code = int(str(ended.code))
        sys.stdout.flush()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ended(code, out, err)

    return ran
