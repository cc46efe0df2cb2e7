"""One public document: bounds, no redirects, and our own sentences when it does not come."""

from __future__ import annotations

import gzip
import socket
from typing import Any

import anyio
import pytest

from cipp_mcp import __version__
from cipp_mcp.errors import CippMcpError, Lost, NotSent, SettingsError, TooLarge
from cipp_mcp.wire.fetch import fetch
from tests.wire.conftest import settings_for
from tests.wire.scripted_server import Play, ScriptedServer, answer, drip, hang, raw

pytestmark = pytest.mark.anyio


async def fetched(url: str, **changes: Any) -> bytes | CippMcpError:
    given: dict[str, Any] = {"most_bytes": 1000, "within": 10.0}
    with anyio.fail_after(20):
        try:
            return await fetch(url, settings_for("http://127.0.0.1:9"), **(given | changes))
        except CippMcpError as error:
            return error


async def test_a_document_comes_as_it_is_and_no_credential_goes_out(server: ScriptedServer) -> None:
    server.script.append(answer(200, '{"paths": {}}'))

    assert await fetched(f"{server.url}/openapi.json?raw=1") == b'{"paths": {}}'
    (heard,) = server.requests
    assert (heard.method, heard.target) == ("GET", "/openapi.json?raw=1")
    assert heard.headers["user-agent"] == f"cipp-mcp/{__version__}"
    assert "authorization" not in heard.headers
    assert server.tokens_asked == []


async def test_a_redirect_is_said_and_not_followed(server: ScriptedServer) -> None:
    server.script.append(answer(302, "", Location=f"{server.url}/elsewhere"))

    told = await fetched(f"{server.url}/a")

    assert isinstance(told, Lost)
    assert told.message == "127.0.0.1 answered with a redirect."
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [204, 401, 404, 500, 503])
async def test_another_status_is_said_without_the_servers_words(server: ScriptedServer, status: int) -> None:
    server.script.append(answer(status, "" if status == 204 else "canary text"))

    told = await fetched(f"{server.url}/a")

    assert isinstance(told, Lost)
    assert told.message == f"127.0.0.1 answered {status}."
    assert "canary" not in str(told)


async def test_a_document_that_is_too_large_is_cut(server: ScriptedServer) -> None:
    server.script += [answer(200, b" " * 1001), answer(200, gzip.compress(b" " * 100_000), Content_Encoding="gzip")]

    assert isinstance(await fetched(f"{server.url}/a"), TooLarge)
    assert isinstance(await fetched(f"{server.url}/a"), TooLarge)


@pytest.mark.parametrize("play", [hang, drip(0.01)], ids=["silence", "drip"])
async def test_it_ends_in_time(server: ScriptedServer, play: Play) -> None:
    server.script.append(play)

    told = await fetched(f"{server.url}/a", within=0.3, most_bytes=10**6)

    assert isinstance(told, Lost)
    assert "Download the document" in told.hint


@pytest.mark.parametrize("data", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_a_broken_answer_is_one_sentence_of_ours(server: ScriptedServer, data: bytes) -> None:
    server.script.append(raw(data))

    assert isinstance(await fetched(f"{server.url}/a"), Lost)


async def test_nobody_there_is_said(unused_port: int) -> None:
    told = await fetched(f"http://127.0.0.1:{unused_port}/a")

    assert isinstance(told, NotSent)
    assert "refused" in told.message


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    ["http://cipp.example/x", "ftp://127.0.0.1/x", "https://", "https:///x", "file:///etc/passwd", "https://a:b@cipp.example/x",
     "http://[::1/x", "http://127.0.0.1:99999/x", "//cipp.example/x", "x"],
)  # fmt: skip
async def test_only_https_or_loopback_is_fetched(url: str) -> None:
    told = await fetched(url)

    assert isinstance(told, SettingsError)
    assert told.hint
