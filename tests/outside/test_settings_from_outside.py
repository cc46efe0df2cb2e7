"""A missing or wrong setting ends the start with one sentence that names the variable and the fix."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cipp_mcp import cli
from tests.outside.house import WITHIN, command, environment

GOOD = {
    "CIPP_API_URL": "https://cipp.example/api",
    "CIPP_TENANT_ID": "msp.example",
    "CIPP_CLIENT_ID": "00000000-0000-4000-8000-00000000c11e",
    "CIPP_CLIENT_SECRET": "kanari~secret",
}

# What is changed, and the variable that the sentence must name.
WRONG = [
    ({"CIPP_API_URL": ""}, "CIPP_API_URL"),
    ({"CIPP_TENANT_ID": ""}, "CIPP_TENANT_ID"),
    ({"CIPP_CLIENT_ID": ""}, "CIPP_CLIENT_ID"),
    ({"CIPP_CLIENT_SECRET": ""}, "CIPP_CLIENT_SECRET"),
    ({"CIPP_CLIENT_SECRET": "   "}, "CIPP_CLIENT_SECRET"),
    ({"CIPP_API_URL": "cipp.example"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "http://cipp.example"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "http://127.0.0.1.evil.example"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "ftp://cipp.example"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "https://"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "https://cipp.example/api?x=1"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "https://user:kanari~pw@cipp.example"}, "CIPP_API_URL"),
    ({"CIPP_API_URL": "https://cipp.example:99999"}, "CIPP_API_URL"),
    ({"CIPP_TENANT_ID": "msp.example/../evil"}, "CIPP_TENANT_ID"),
    ({"CIPP_CLIENT_ID": "a b"}, "CIPP_CLIENT_ID"),
    ({"CIPP_TOKEN_URL": "http://login.example/token"}, "CIPP_TOKEN_URL"),
    ({"CIPP_PROXY": "socks"}, "CIPP_PROXY"),
    ({"CIPP_CA_BUNDLE": "/no/such/file.pem"}, "CIPP_CA_BUNDLE"),
    ({"CIPP_VERIFY_TLS": "maybe"}, "CIPP_VERIFY_TLS"),
    ({"CIPP_MCP_READ_ONLY": "yes"}, "CIPP_MCP_READ_ONLY"),
    ({"CIPP_MCP_APPROVAL": "nobody"}, "CIPP_MCP_APPROVAL"),
    ({"CIPP_MCP_GROUPS": "user,printers"}, "CIPP_MCP_GROUPS"),
    ({"CIPP_MCP_TOOLS": "some"}, "CIPP_MCP_TOOLS"),
    ({"CIPP_MCP_ANSWER_WITHIN": "soon"}, "CIPP_MCP_ANSWER_WITHIN"),
    ({"CIPP_MCP_ANSWER_WITHIN": "0"}, "CIPP_MCP_ANSWER_WITHIN"),
    ({"CIPP_MCP_WAIT_SCALE": "-1"}, "CIPP_MCP_WAIT_SCALE"),
    ({"CIPP_TIMEOUT": "nan"}, "CIPP_TIMEOUT"),
    ({"CIPP_TIMEOUT": "1e9"}, "CIPP_TIMEOUT"),
    ({"CIPP_BATCH_SIZE": "2.5"}, "CIPP_BATCH_SIZE"),
    ({"CIPP_BATCH_SIZE": "0"}, "CIPP_BATCH_SIZE"),
    ({"CIPP_BATCH_INTERVAL": "-0.1"}, "CIPP_BATCH_INTERVAL"),
]


def one_sentence(said: str, variable: str) -> None:
    assert len(said.strip().splitlines()) == 1, said
    assert variable in said
    assert said.strip().endswith(".")
    assert "Traceback" not in said
    assert "kanari" not in said


@pytest.mark.parametrize(("changes", "variable"), WRONG, ids=[f"{v}-{n}" for n, (_, v) in enumerate(WRONG)])
def test_the_start_ends_with_a_sentence(
    changes: dict[str, str], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [n for n in os.environ if n.startswith("CIPP_")]:
        monkeypatch.delenv(name)
    for name, value in {**GOOD, "CIPP_MCP_HOME": str(tmp_path), **changes}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["serve"]) == 2
    out, said = capfd.readouterr()
    assert out == ""
    one_sentence(said, variable)


REAL = [((), *WRONG[0]), (("serve",), *WRONG[3]), (("serve",), *WRONG[21])]


@pytest.mark.parametrize(("arguments", "changes", "variable"), REAL, ids=["missing", "secret", "group"])
def test_so_does_the_real_process(arguments: tuple[str, ...], changes: dict[str, str], variable: str, tmp_path: Path) -> None:
    env = environment(tmp_path, GOOD, changes)
    ended = subprocess.run(
        command(*arguments), env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=WITHIN, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    one_sentence(ended.stderr.decode(), variable)


FLAGS = [
    (["--api-url", "http://cipp.example"], "CIPP_API_URL"),
    (["--groups", "printers"], "CIPP_MCP_GROUPS"),
    (["--read-only", "perhaps"], "CIPP_MCP_READ_ONLY"),
]


@pytest.mark.parametrize(("flags", "variable"), FLAGS)
def test_a_flag_overrides_its_variable_and_is_checked_alike(
    flags: list[str], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**GOOD, "CIPP_MCP_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["serve", *flags]) == 2
    one_sentence(capfd.readouterr().err, variable)


@pytest.mark.parametrize("flag", ["--client-secret", "--proxy"])
def test_no_secret_is_taken_from_a_command_line(flag: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", flag, "kanari"]) == 2
    assert "unrecognized" in capfd.readouterr().err
