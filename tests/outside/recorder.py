"""An HTTP server that writes down what arrives and answers as it is told: a CIPP that the product has never seen.

Plain standard library, so that nothing of the product or of its HTTP client decides what is heard.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, str, bytes]

TENANTS = [
    {
        "customerId": "11111111-aaaa-4aaa-8aaa-000000000001",
        "defaultDomainName": "fabrikam.example",
        "initialDomainName": "fabrikamdemo.onmicrosoft.com",
        "displayName": "Fabrikam & Söhne",
    },
    {
        "customerId": "22222222-bbbb-4bbb-8bbb-000000000002",
        "defaultDomainName": "contoso.example",
        "initialDomainName": "contosodemo.onmicrosoft.com",
        "displayName": "Contoso",
    },
]
ANA = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c01"
BEN = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c02"
MIRA = "6f1c1a52-54a3-4ac6-9a0f-0d3e0a6b1c03"
GUEST = "mira_partner.example#EXT#@fabrikamdemo.onmicrosoft.com"


def user(key: str, upn: str, name: str) -> dict[str, Any]:
    return {"id": key, "userPrincipalName": upn, "displayName": name, "accountEnabled": True, "userType": "Member"} | {
        "onPremisesSyncEnabled": False,
        "onPremisesImmutableId": "QUJDREVGRw==",
        "assignedLicenses": [],
        "lastPasswordChangeDateTime": "2026-01-01T00:00:00Z",
    }


USERS = [
    user(ANA, "ana@fabrikam.example", "Ana Ruiz"),
    user(BEN, "ben@fabrikam.example", "Ben Okafor"),
    user(MIRA, GUEST, "Mira"),
]


@dataclass(frozen=True)
class Heard:
    """One request, byte for byte."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def endpoint(self) -> str:
        return self.path.removeprefix("/api/")

    @property
    def pairs(self) -> set[str]:
        """The query's parts, still encoded."""
        return set(filter(None, self.target.partition("?")[2].split("&")))

    @property
    def changes_something(self) -> bool:
        return self.path.startswith("/api/") and not self.endpoint.lower().startswith("list")


def as_json(value: Any, status: int = 200) -> Reply:
    return status, "application/json; charset=utf-8", json.dumps(value).encode()


class Recorder:
    """The server. `answers` maps an endpoint to what it answers; everything else has a plain default."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: dict[str, Reply] = {}
        self._lock = threading.Lock()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _turn(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k.lower(): v for k, v in self.headers.items()}
                status, kind, content = recorder.turn(Heard(self.command, self.path, headers, body))
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                if 300 <= status < 400:
                    self.send_header("Location", "/.auth/login/aad")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _turn

            def log_message(self, *_: Any) -> None:
                return None

        class Server(ThreadingHTTPServer):
            # Threads end with their connections; closing does not wait for the client to leave them.
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        return {
            "CIPP_API_URL": f"{self.url}/api",
            "CIPP_TOKEN_URL": f"{self.url}/token",
            "CIPP_TENANT_ID": "msp.example",
            "CIPP_CLIENT_ID": "00000000-0000-4000-8000-00000000c11e",
            "CIPP_CLIENT_SECRET": "kanari~recorder",
        }

    def clear(self) -> None:
        with self._lock:
            self.heard.clear()
        self.answers.clear()

    @property
    def changing(self) -> list[Heard]:
        """What arrived that could change something."""
        with self._lock:
            return [h for h in self.heard if h.changes_something]

    def calls(self, endpoint: str) -> list[Heard]:
        with self._lock:
            return [h for h in self.heard if h.endpoint == endpoint]

    def turn(self, heard: Heard) -> Reply:
        with self._lock:
            self.heard.append(heard)
        if heard.path == "/token":
            return as_json({"access_token": "kanari-token", "token_type": "Bearer", "expires_in": 3599})
        if heard.endpoint in self.answers:
            return self.answers[heard.endpoint]
        query = {k: v[0] for k, v in parse_qs(urlsplit(heard.target).query).items()}
        match heard.endpoint:
            case "ListTenants":
                return as_json(TENANTS)
            case "ListUsers":
                wanted = query.get("UserID", "").casefold()
                if wanted:
                    return as_json([u for u in USERS if wanted in {str(u["id"]), str(u["userPrincipalName"]).casefold()}])
                filtered = query.get("graphFilter", "")
                return as_json([u for u in USERS if "%23EXT%23" not in filtered or "#EXT#" in str(u["userPrincipalName"])])
            case "ListConditionalAccessPolicies":
                return as_json({"Results": [{"id": "1", "displayName": "P", "Tenant": "fabrikam.example"}], "Metadata": {}})
            case endpoint if endpoint.startswith("List"):
                return as_json([])
            case _:
                return as_json({"Results": "Successfully did it"})
