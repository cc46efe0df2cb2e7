"""Connections that do not come about: each kind told apart, nothing at the server, and TLS for real."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cipp_mcp.errors import Lost, NotSent, SettingsError, SignInFailed
from cipp_mcp.message import Repeat, Request, Response
from cipp_mcp.settings import Settings
from cipp_mcp.wire.client import Wire
from tests.wire.conftest import outcome, settings_for
from tests.wire.scripted_server import Play, ScriptedServer, answer, hang, raw, reset

pytestmark = pytest.mark.anyio

WRITE = Request("POST", "/api/X", body={})


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that only we know, for 127.0.0.1, made for this run."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
async def tls_server(certificate: tuple[Path, Path]) -> AsyncIterator[ScriptedServer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with ScriptedServer(context) as running:
        yield running


async def sent(settings: Settings, request: Request = WRITE, **arguments: Any) -> object:
    async with Wire(settings, **arguments) as wire:
        return await outcome(wire, request)


def away(server: ScriptedServer, **changes: Any) -> Settings:
    """A token from the server, but CIPP elsewhere."""
    return settings_for(server.url, **changes)


async def test_a_name_that_dns_does_not_know(server: ScriptedServer) -> None:
    got = await sent(away(server, api_url="https://cipp.invalid"))
    assert isinstance(got, NotSent) and "The name of CIPP at cipp.invalid cannot be found in DNS" in got.message
    assert "CIPP_API_URL" in got.hint


async def test_a_closed_port(server: ScriptedServer) -> None:
    got = await sent(away(server, api_url="http://127.0.0.1:1"))
    assert isinstance(got, NotSent) and "The connection was refused by CIPP at 127.0.0.1" in got.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops connections beyond the backlog")
@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_host_that_never_accepts(server: ScriptedServer, repeat: Repeat) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(3)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        try:
            got = await sent(
                away(server, api_url=f"http://127.0.0.1:{full.getsockname()[1]}"),
                Request("POST", "/api/X", body={}, repeat=repeat),
                connect_timeout=0.2,
            )
        finally:
            for one in crowd:
                one.close()
    assert isinstance(got, NotSent) and "No connection to CIPP at 127.0.0.1 came about in time" in got.message


async def test_a_certificate_that_nobody_trusts_names_tls_inspection(server: ScriptedServer, tls_server: ScriptedServer) -> None:
    got = await sent(away(server, api_url=tls_server.url))
    assert isinstance(got, NotSent) and "certificate of 127.0.0.1 is not trusted" in got.message
    assert "inspects TLS" in got.hint and "CIPP_CA_BUNDLE" in got.hint
    assert tls_server.requests == []
    # Tried, as the table says, three times; a handshake that fails counts no request.
    assert len(server.tokens_asked) == 1


async def test_a_certificate_for_another_name_is_not_trusted(
    server: ScriptedServer, tls_server: ScriptedServer, certificate: tuple[Path, Path]
) -> None:
    got = await sent(away(server, api_url=f"https://localhost:{tls_server.port}", ca_bundle=str(certificate[0])))
    assert isinstance(got, NotSent) and "certificate of localhost is not trusted" in got.message


async def test_a_ca_bundle_makes_it_trusted_for_cipp_and_the_token_endpoint(
    tls_server: ScriptedServer, certificate: tuple[Path, Path]
) -> None:
    got = await sent(settings_for(tls_server.url, ca_bundle=str(certificate[0])))
    assert isinstance(got, Response) and got.status == 200
    assert len(tls_server.tokens_asked) == 1


async def test_verification_can_be_switched_off(tls_server: ScriptedServer) -> None:
    got = await sent(settings_for(tls_server.url, verify_tls=False))
    assert isinstance(got, Response) and got.status == 200


async def test_a_ca_bundle_without_a_certificate_is_a_setting_to_correct(tls_server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing here", encoding="utf-8")
    async with Wire(settings_for(tls_server.url, ca_bundle=str(tmp_path / "empty.pem"))) as wire:
        with pytest.raises(SettingsError, match="CIPP_CA_BUNDLE") as caught:
            await wire.send(WRITE)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["plain HTTP port", "cut in the handshake"])
async def test_a_handshake_that_fails_is_told_as_tls(server: ScriptedServer, said: bytes) -> None:
    async def speak(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.receive()
            if said:
                await client.send(said)

    with anyio.fail_after(20):
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, speak)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            got = await sent(away(server, api_url=f"https://127.0.0.1:{port}"))
            group.cancel_scope.cancel()
    assert isinstance(got, NotSent) and "The TLS handshake with 127.0.0.1 failed" in got.message
    assert "TLS inspection" in got.hint


async def test_a_sign_in_over_untrusted_tls_is_told_as_tls(tls_server: ScriptedServer) -> None:
    got = await sent(settings_for(tls_server.url))
    assert isinstance(got, SignInFailed) and "The TLS certificate of 127.0.0.1 is not trusted" in got.message
    assert tls_server.tokens_asked == []


async def test_an_honest_proxy_carries_cipp_and_the_sign_in(
    server: ScriptedServer, tls_server: ScriptedServer, certificate: tuple[Path, Path]
) -> None:
    got = await sent(
        settings_for(tls_server.url, ca_bundle=str(certificate[0]), proxy=f"http://user:pass@127.0.0.1:{server.port}")
    )
    assert isinstance(got, Response) and got.status == 200
    assert server.connections == 2 and len(tls_server.requests) == 1


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize(
    ("play", "says"),
    [
        (answer(407, "", ""), "The proxy did not let the request through to 127.0.0.1"),
        (answer(403, "<p>canary", "text/html"), "The proxy did not let the request through to 127.0.0.1"),
        (reset(), "No connection to the proxy could be opened"),
        (raw(b""), "No connection to the proxy could be opened"),
        (raw(b"canary\r\n\r\n"), "No connection to the proxy could be opened"),
        (hang, "No connection to the proxy came about in time"),
    ],
    ids=["407", "403", "reset", "end", "junk", "hang"],
)
async def test_trouble_in_the_proxy_before_its_tunnel_stands_is_proven_not_sent(
    server: ScriptedServer, tls_server: ScriptedServer, certificate: tuple[Path, Path], play: Play, says: str, repeat: Repeat
) -> None:
    settings = settings_for(tls_server.url, ca_bundle=str(certificate[0]), proxy=f"http://user:canary@127.0.0.1:{server.port}")
    async with Wire(settings) as wire:
        first = await outcome(wire, Request("GET", "/api/First"))
        assert isinstance(first, Response)
        server.script.extend([play] * 5)
        got = await outcome(wire, Request("POST", "/api/X", body={}, repeat=Repeat(repeat), timeout=0.2))
    assert isinstance(got, NotSent) and says in got.message
    assert "canary" not in str(got)
    assert len(server.script) == 2  # three tries
    assert len(tls_server.requests) == 1


async def test_a_proxy_that_is_away_is_named_by_its_setting(server: ScriptedServer, tls_server: ScriptedServer) -> None:
    got = await sent(settings_for(tls_server.url, proxy="http://user:canary@127.0.0.1:1"))
    assert isinstance(got, SignInFailed) and "The connection was refused by the proxy" in got.message
    assert "CIPP_PROXY" in got.hint and "canary" not in str(got)


async def test_what_breaks_inside_the_tunnel_is_lost(
    server: ScriptedServer, tls_server: ScriptedServer, certificate: tuple[Path, Path]
) -> None:
    tls_server.otherwise = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    got = await sent(settings_for(tls_server.url, ca_bundle=str(certificate[0]), proxy=f"http://127.0.0.1:{server.port}"))
    assert isinstance(got, Lost)
    assert len(tls_server.requests) == 1


async def test_an_address_too_long_for_any_server_is_not_sent(server: ScriptedServer) -> None:
    got = await sent(settings_for(server.url), Request("GET", "/api/X", query={"$filter": "x" * 70_000}))
    assert isinstance(got, NotSent) and "address of CIPP cannot be used" in got.message
    assert not server.requests


async def test_no_tls_context_is_made_before_the_first_call_or_for_plain_http(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    plain = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *a, **k: (made.append(a), plain(*a, **k)))
    got = await sent(settings_for(server.url))
    assert isinstance(got, Response) and made == []
