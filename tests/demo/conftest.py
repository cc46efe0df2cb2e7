"""A box per test and a plain httpx client with a token: the demo is tested without any of our own client code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cipp_mcp.demo.serve import Box

FABRIKAM = "fabrikam.example"


class Caller:
    """Calls endpoints of one box the way any HTTP client would."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.http = httpx.Client(base_url=box.api_url, timeout=10)
        self.sign_in()

    def ask_token(self, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.box.client_id,
            "client_secret": self.box.client_secret,
            "scope": f"api://{self.box.client_id}/.default",
        }
        return self.http.post(self.box.token_url, data=form | changes)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sign_in(self) -> None:
        self.http.headers["Authorization"] = "Bearer " + self.ask_token().json()["access_token"]

    def get(self, endpoint: str, **query: str) -> httpx.Response:
        return self.http.get(f"/api/{endpoint}", params=query)

    def post(self, endpoint: str, body: Any = None, **query: str) -> httpx.Response:
        return self.http.post(f"/api/{endpoint}", json={} if body is None else body, params=query)

    def rows(self, endpoint: str, **query: str) -> list[dict[str, Any]]:
        reply = self.get(endpoint, **query)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        found = body["Results"] if isinstance(body, dict) and "Results" in body else body
        return found if isinstance(found, list) else [found]

    def results(self, endpoint: str, body: Any = None, status: int = 200, **query: str) -> Any:
        reply = self.post(endpoint, body, **query)
        assert reply.status_code == status, reply.text
        return reply.json()["Results"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def box() -> Iterator[Box]:
    with Box.open() as opened:
        yield opened
        assert opened.errors == ()


@pytest.fixture
def cipp(box: Box) -> Iterator[Caller]:
    with Caller(box) as caller:
        yield caller


@pytest.fixture
def caller() -> type[Caller]:
    """For tests that open a box of their own."""
    return Caller
