"""A JSON-RPC client of our own: a child process, one JSON object a line, nothing of the SDK."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

WITHIN = 30.0
MODERN = "2026-07-28"
CLIENT = {"name": "jsonlines", "version": "1"}


def envelope(version: str = MODERN, capabilities: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What every request of 2026-07-28 carries."""
    return {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": dict(capabilities or {}),
    }


class Talk:
    """One server and everything that it wrote on standard output.

    Args:
        answers: what is answered to a request of the server, by method.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        answers: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] | None = None,
    ) -> None:
        self._log = log.open("ab")
        self.process = subprocess.Popen(command, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        self.lines: list[bytes] = []
        self.notifications: list[dict[str, Any]] = []
        self._answers = answers or {}
        self._ids = 0
        self._arrived: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._early: dict[Any, dict[str, Any]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            try:
                message = json.loads(line)
            except ValueError:
                continue  # kept in `lines`, where the test of purity finds it
            if isinstance(message, dict):
                self._arrived.put(message)
        self._arrived.put(None)

    # -- writing -----------------------------------------------------------------------------------------

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request without waiting for its answer; returns its id."""
        self._ids += 1
        self.write(json.dumps({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": dict(params or {})}).encode())
        return self._ids

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", "method": method, "params": dict(params or {})}).encode())

    # -- reading -----------------------------------------------------------------------------------------

    def wait(self, number: int, within: float = WITHIN) -> dict[str, Any]:
        """The answer to that request. The server's own requests are answered on the way."""
        until = time.monotonic() + within
        while number not in self._early:
            try:
                message = self._arrived.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no answer within {within:g} s") from None
            assert message is not None, "the server ended"
            if "method" in message and "id" in message:
                result = self._answers[message["method"]](message["params"])
                self.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())
            elif "method" in message:
                self.notifications.append(message)
            else:
                self._early[message.get("id")] = message
        return self._early.pop(number)

    def ask(self, method: str, params: Mapping[str, Any] | None = None, within: float = WITHIN) -> dict[str, Any]:
        """One request and its answer."""
        return self.wait(self.send(method, params), within)

    def begin(self, version: str = "2025-11-25", capabilities: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The handshake of the older revisions; returns the result of `initialize`."""
        params = {"protocolVersion": version, "capabilities": dict(capabilities or {}), "clientInfo": CLIENT}
        answer = self.ask("initialize", params)
        self.notify("notifications/initialized")
        return dict(answer["result"])

    def call(self, tool: str, arguments: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """One tool call; the envelope in its text."""
        answer = self.ask("tools/call", {"name": tool, "arguments": dict(arguments), **more})
        return dict(json.loads(answer["result"]["content"][0]["text"]))

    # -- the end -----------------------------------------------------------------------------------------

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self) -> int:
        """Close its input and wait for its end; the exit code."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            code = self.process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait(WITHIN)
        self._reader.join(WITHIN)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        return code
