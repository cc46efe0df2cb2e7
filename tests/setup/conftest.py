"""A box, a folder, a person who answers from a list, and a certificate that nobody trusts."""

from __future__ import annotations

import ipaddress
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from keyring.backends.null import Keyring as NoKeyring

from cipp_mcp.demo.serve import Box

INSPECTOR = "Contoso TLS Inspection"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def box() -> Iterator[Box]:
    with Box.open() as running:
        yield running


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory; `locked` makes it give nothing, `fails` is what it raises instead.

    Its class says that nobody wants it, or the library would choose it in every later test.
    """

    priority = -1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.fails: Exception | None = None

    def _may(self) -> None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")
        if self.fails is not None:
            raise self.fails

    def get_password(self, service: str, username: str) -> str | None:
        self._may()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._may()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """No test may touch the keyring of the computer it runs on."""
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.fixture
def ring(no_keyring: None) -> Ring:
    made = Ring()
    made.priority = 5
    keyring.set_keyring(made)
    return made


class Scripted:
    """A person who types what is on a list; `said` is what the screen shows, without what was typed unseen."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.said: list[str] = []

    def say(self, text: str = "") -> None:
        self.said.append(text)

    def ask(self, question: str) -> str:
        self.said.append(question)
        assert self.answers, f"nobody expected: {question}"
        return self.answers.pop(0)

    def ask_hidden(self, question: str) -> str:
        return self.ask(question)

    @property
    def screen(self) -> str:
        return "\n".join(self.said)


@pytest.fixture(scope="session")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS with a certificate for 127.0.0.1 from an authority that only an inspected network knows."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "ES"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, INSPECTOR)])
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cipp.example")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("inspected")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home folder with nothing in it, for the clients' files."""
    home = tmp_path / "user"
    home.mkdir()
    for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "VSCODE_PORTABLE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE", "APPDATA"):
        monkeypatch.setenv(name, str(home))
    return home


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder, and no setting from outside."""
    for name in [n for n in os.environ if n.startswith("CIPP_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "state"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("CIPP_MCP_HOME", str(home))
    monkeypatch.setenv("CIPP_MCP_WAIT_SCALE", "0.001")
    return home


Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(capsys: pytest.CaptureFixture[str]) -> Main:
    """Run a command in this process: status, standard output, standard error."""
    from cipp_mcp.cli import main as run

    def made(*argv: str) -> tuple[int, str, str]:
        code = run(argv)
        told = capsys.readouterr()
        return code, told.out, told.err

    return made


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
