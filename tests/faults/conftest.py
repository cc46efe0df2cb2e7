"""Boxes for single tests; the matrix opens its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stage import Lane, lanes


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def _lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    with lanes(1, tmp_path_factory.mktemp("faults")) as opened:
        yield opened[0]


@pytest.fixture
def lane(_lane: Lane) -> Lane:
    """A box that a test has for itself; `clean` it into a stage."""
    return _lane
