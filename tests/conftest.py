"""`pytest --update` rewrites what is generated (tool snapshots, reference, README blocks) instead of failing on it.

What is marked slow runs only when a marker expression asks for it: `pytest -m slow`. With one, properties look at new examples
in each run; without one, at the same, so that a change is not stopped by what it did not do.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

from cipp_mcp.catalog.manifests import Catalog, load

OF_TESTS = {"CIPP_OPENAPI", "CIPP_MCP_SCREENSHOTS", "CIPP_MCP_TEST_CACHE"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite snapshots and generated documentation")


def pytest_configure(config: pytest.Config) -> None:
    """No test reads the settings of whoever runs it, or touches the keyring of the computer it runs on."""
    for name in [n for n in os.environ if n.startswith("CIPP_") and n not in OF_TESTS]:
        del os.environ[name]
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    slow_machine = [hypothesis.HealthCheck.too_slow]
    hypothesis.settings.register_profile(
        "here", derandomize=not config.option.markexpr, deadline=None, suppress_health_check=slow_machine
    )
    hypothesis.settings.load_profile("here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr:
        return
    slow = [i for i in items if i.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [i for i in items if not i.get_closest_marker("slow")]


@pytest.fixture(scope="session")
def update(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--update"))


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The shipped manifests."""
    return load()
