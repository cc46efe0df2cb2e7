"""Setup and approve on a real pseudo terminal: hidden answers, Ctrl-C, the PIN, and no terminal at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo terminal", allow_module_level=True)

from cipp_mcp import keeping
from cipp_mcp.call.guard import pin
from cipp_mcp.demo.serve import Box
from tests.setup.terminals import WITHIN, command

ANA = {"tenant_filter": "fabrikam.example", "user_id": "ana@fabrikam.example"}


@pytest.fixture
def environment(folder: Path, user: Path) -> dict[str, str]:
    return {"CIPP_MCP_HOME": str(folder), "HOME": str(user), "PATH": os.environ["PATH"]}


@pytest.fixture
def demo_environment(environment: dict[str, str], box: Box) -> Iterator[dict[str, str]]:
    yield {**environment, **box.environment()}


def test_setup_on_a_terminal_shows_no_secret(box: Box, environment: dict[str, str], folder: Path) -> None:
    with command(environment, "setup", "--token-url", box.token_url) as terminal:
        at = 0
        for question, typed in [
            ("Name of this profile [main]: ", ""),
            ("CIPP's API address: ", box.api_url),
            ("Partner tenant (id or domain): ", box.tenant_id),
            ("Client id: ", box.client_id),
            ("Client secret (not shown): ", box.client_secret),
            ("asked with every approval on page and terminal? [y/N]: ", "y"),
            ("not shown): ", "hunter22"),
            ("Once more: ", "hunter22"),
        ]:
            at = terminal.wait_for(question, after=at)
            terminal.type(f"{typed}\n")
        terminal.wait_for("Everything works, 1 warning.")
        assert terminal.end() == 0
    assert box.client_secret not in terminal.screen and "hunter22" not in terminal.screen
    assert box.client_id in terminal.screen, "what is no secret is seen while it is typed"
    assert keeping.read(folder, "secret.main") == box.client_secret


def test_ctrl_c_is_quiet_and_keeps_nothing(environment: dict[str, str], folder: Path) -> None:
    with command(environment, "setup") as terminal:
        terminal.wait_for("Name of this profile")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.screen and "KeyboardInterrupt" not in terminal.screen
    assert [p.name for p in folder.iterdir()] == []


def test_a_server_started_by_hand_says_what_it_waits_for_and_ends_by_ctrl_c(environment: dict[str, str]) -> None:
    with command(environment, "serve", "--demo") as terminal:
        terminal.wait_for("clients start this themselves (`cipp-mcp install`).")
        terminal.type("\x03")
        assert terminal.end() == 130
    assert "Traceback" not in terminal.screen


def test_a_terminal_that_ends_is_no_answer(environment: dict[str, str]) -> None:
    with command(environment, "setup") as terminal:
        terminal.wait_for("Name of this profile")
        terminal.type("\x04")
        assert terminal.end() == 2
    assert "The terminal ended before the answer." in terminal.screen


@pytest.mark.parametrize("argv", [["setup"], ["install", "cursor", "--demo"], ["uninstall", "cursor", "--demo"]])
def test_without_a_terminal_one_sentence_says_so(argv: list[str], environment: dict[str, str], user: Path) -> None:
    if argv[0] == "uninstall":
        ours = {"mcpServers": {"cipp-demo": {"command": "cipp-mcp", "args": ["serve", "--demo"]}}}
        (user / ".cursor").mkdir()
        (user / ".cursor" / "mcp.json").write_text(json.dumps(ours), encoding="utf-8")
    before = sorted(p.name for p in user.rglob("*"))
    ended = subprocess.run(
        [sys.executable, "-m", "cipp_mcp", *argv],
        env={**os.environ, **environment},
        input=b"y\ny\ny\ny\n",
        capture_output=True,
        start_new_session=True,
        timeout=WITHIN,
        check=False,
    )
    assert ended.returncode == 2
    (sentence,) = ended.stderr.decode().splitlines()
    assert "terminal" in sentence
    assert sorted(p.name for p in user.rglob("*")) == before


def test_install_asks_on_the_terminal_even_when_its_output_goes_elsewhere(environment: dict[str, str], user: Path) -> None:
    with command(environment, "install", "cursor", "--demo", all_streams=False) as terminal:
        terminal.wait_for("Write this? [Y/n]: ")
        terminal.type("perhaps\nn\n")
        assert terminal.end() == 1
    assert not (user / ".cursor").exists()


# ------------------------------------------------------------------------------------------- the PIN and approve


def held(environment: dict[str, str]) -> dict[str, Any]:
    """A plan that waits for a person."""
    ended = subprocess.run(
        [sys.executable, "-m", "cipp_mcp", "call", "clear_user_immutable_id", "--args", json.dumps(ANA), "--hold", "--json"],
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **environment},
        capture_output=True,
        timeout=WITHIN,
        check=False,
    )
    plan: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == 3, plan
    return plan


def test_approve_asks_for_the_pin_after_the_phrase(demo_environment: dict[str, str], folder: Path) -> None:
    plan = held(demo_environment)
    pin.set_pin(folder, "hunter22")
    with command(demo_environment, "approve", plan["plan_id"]) as terminal:
        at = terminal.wait_for("> ")
        terminal.type("ana@fabrikam.example\n")
        at = terminal.wait_for("PIN: ", after=at)
        terminal.type("wrong-1\n")
        terminal.wait_for("PIN: ", after=at)
        terminal.type("hunter22\n")
        terminal.wait_for("Approved.")
        assert terminal.end() == 0
    assert "hunter22" not in terminal.screen


def test_three_wrong_pins_decline_the_plan(demo_environment: dict[str, str], folder: Path, box: Box) -> None:
    plan = held(demo_environment)
    pin.set_pin(folder, "hunter22")
    with command(demo_environment, "approve", plan["plan_id"]) as terminal:
        at = terminal.wait_for("> ")
        terminal.type("ana@fabrikam.example\n")
        for _ in range(3):
            at = terminal.wait_for("PIN: ", after=at)
            terminal.type("guess-guess\n")
        terminal.wait_for("That is not the PIN; the plan is declined.")
        assert terminal.end() == 4
    assert not box.world.ledger


# ----------------------------------------------------------------------------------------------------- the demo


@pytest.mark.parametrize("key", ["\x03", "\x04", "no\n"], ids=["Ctrl-C", "Ctrl-D", "no"])
def test_the_demo_can_be_left_at_its_question(key: str, environment: dict[str, str]) -> None:
    with command(environment, "demo") as terminal:
        terminal.wait_for("    > ")
        terminal.type(key)
        assert terminal.end() == (130 if key == "\x03" else 0)
    assert "Traceback" not in terminal.screen
    assert key == "\x03" or "The answer was no, so nothing was sent." in terminal.screen


def test_ctrl_c_while_it_still_starts_is_quiet() -> None:
    """The interrupt comes with the first import that is ours."""
    code = (
        "import builtins, sys; from cipp_mcp.__main__ import main; real = builtins.__import__\n"
        "def stop(name, *rest):\n"
        "    if name == 'cipp_mcp.cli': raise KeyboardInterrupt\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = stop; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=WITHIN, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
