"""What a command does not import: nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.outside.house import environment

SDK = {"mcp", "mcp_types", "starlette", "uvicorn", "httpx2"}
WIRE = {"httpx", "httpcore", "truststore", "h11"}
CHECKS = {"jsonschema", "keyring", "cryptography"}
ROOMS = {f"cipp_mcp.{room}" for room in ("server", "wire", "demo", "doctor", "handbook", "catalog.search", "catalog.runbooks")}
ALL = SDK | WIRE | CHECKS | ROOMS

RUN = """
import json, sys
from cipp_mcp.__main__ import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write("\\n" + " ".join(sorted(sys.modules)))
"""


def imported(words: list[str], home: Path) -> set[str]:
    env = environment(home)
    done = subprocess.run([sys.executable, "-c", RUN, *words], env=env, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    modules = set(done.stderr.decode("utf-8").splitlines()[-1].split(" "))
    assert "cipp_mcp.cli" in modules
    return modules


@pytest.mark.parametrize(
    "words",
    [
        ["tools"],
        ["tools", "--json"],
        ["plans"],
        ["approve", f"plan_{'0' * 32}"],
        ["policy"],
        ["audit", "verify"],
        ["completion", "bash"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_command_that_asks_nobody_imports_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert imported(words, tmp_path) & ALL == set()


def test_a_call_imports_the_wire_and_no_sdk(tmp_path: Path) -> None:
    modules = imported(["call", "list_tenants", "--demo"], tmp_path)

    assert modules & SDK == set()
    assert {"httpx", "cipp_mcp.wire"} <= modules
