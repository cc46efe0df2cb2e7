"""Fixtures of the tests from outside: one child process for each module and era.

A test says in its parameter `era` which of the two clients it drives. Cases are shared out between the eras where both
would see the same: a server keeps CIPP's limit of 100 requests in 10 s, and a test must not wait for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.outside.house import ERAS, House, opened


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
