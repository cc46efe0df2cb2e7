"""Profiles and what is kept beside them: precedence, keyring and file, the PIN's hash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cipp_mcp import keeping, profiles, settings
from cipp_mcp.call.guard import pin
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.errors import SettingsError
from cipp_mcp.profiles import Profiles
from tests.setup.conftest import Ring

WITHIN = 60.0
VALUES = {
    "api_url": "https://cipp.example/api",
    "tenant_id": "msp.example",
    "client_id": "11111111-2222-4333-8444-555555555555",
    "tools": "lean",
    "read_only": True,
    "groups": ["user", "group"],
    "timeout": 90.5,
    "scope": "api://own/.default",
}
SECRET = "canary~Secret"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    profiles.write_file(tmp_path, Profiles().with_one("main", VALUES, default=True))
    keeping.keep(tmp_path, profiles.secret_name("main"), SECRET)
    return tmp_path


def read(home: Path, environment: dict[str, str] | None = None, **given: object) -> settings.Settings:
    return settings.read({"CIPP_MCP_HOME": str(home), **(environment or {})}, dict(given))


def test_a_profile_comes_back_as_it_was_written(home: Path) -> None:
    chosen = read(home)

    assert (chosen.api_url, chosen.tools, chosen.read_only, chosen.groups) == (
        VALUES["api_url"], settings.Surface.LEAN, True, ("user", "group"),
    )  # fmt: skip
    assert (chosen.timeout, chosen.client_secret, chosen.oauth_scope) == (90.5, SECRET, "api://own/.default")
    assert SECRET not in (home / profiles.FILE).read_text("utf-8") and SECRET not in repr(chosen)


def test_flags_beat_the_environment_and_that_beats_the_profile(home: Path) -> None:
    environment = {"CIPP_TIMEOUT": "70", "CIPP_MCP_TOOLS": "all"}
    chosen = read(home, environment, timeout="60")

    assert (chosen.timeout, chosen.tools, chosen.api_url) == (60, settings.Surface.ALL, VALUES["api_url"])


def test_a_profiles_secret_never_serves_another_client(home: Path) -> None:
    other = {"CIPP_CLIENT_ID": "99999999-2222-4333-8444-555555555555"}
    with pytest.raises(SettingsError, match="CIPP_CLIENT_SECRET is not set"):
        read(home, other)
    chosen = read(home, {**other, "CIPP_CLIENT_SECRET": "own"})
    assert (chosen.client_secret, chosen.oauth_scope) == ("own", f"api://{other['CIPP_CLIENT_ID']}/.default")


def test_a_profile_by_name_and_one_that_is_not_there(home: Path) -> None:
    both = profiles.read_file(home).with_one("contoso", {**VALUES, "tenant_id": "contoso.example"}, default=False)
    profiles.write_file(home, both)
    environment = {"CIPP_MCP_HOME": str(home)}
    assert settings.read(environment, need_cipp=False, profile="contoso").tenant_id == "contoso.example"
    assert settings.read(environment, need_cipp=False).tenant_id == "msp.example", "the default one"
    with pytest.raises(SettingsError, match=r"There is no profile nobody\. Profiles: main, contoso"):
        settings.read(environment, need_cipp=False, profile="nobody")
    assert settings.read(environment, need_cipp=False, use_profile=False).tenant_id == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("oops", "not TOML"),
        ("[profiles.a]\nclient_secret = 'x'", "holds client_secret"),
        ("[profiles.a]\nnonsense = 1", "no setting"),
        ("[profiles.a]\ntimeout = 'soon'", "timeout in the profile a is 'soon'"),
        ("default = 'b'\n[profiles.a]", "names the default b"),
        ("profiles = 3", "no table"),
        ("[profiles.'../x']", "no name for a profile"),
        ("[profiles.a]\nproxy = 'http://u:pass@p:1'", "holds a password"),
    ],
)
def test_a_damaged_file_ends_the_start_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / profiles.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=says) as caught:
        read(tmp_path)
    assert "pass@" not in str(caught.value)


# ------------------------------------------------------------------------------------------------- what is kept


def test_with_a_keyring_no_file_holds_the_value(tmp_path: Path, ring: Ring) -> None:
    assert keeping.keep(tmp_path, "secret.main", SECRET) == "keyring"
    assert SECRET in ring.kept.values()
    assert [p.read_text("utf-8") for p in tmp_path.iterdir()] == ["keyring"]
    assert keeping.read(tmp_path, "secret.main") == SECRET


def test_two_folders_share_nothing(tmp_path: Path, ring: Ring) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keeping.keep(tmp_path / name, "secret.main", name)
    assert [keeping.read(tmp_path / name, "secret.main") for name in ("a", "b")] == ["a", "b"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_a_folder_whose_name_is_no_text_is_one_too(tmp_path: Path, ring: Ring) -> None:
    home = tmp_path / os.fsdecode(b"\xff")
    home.mkdir()
    assert keeping.keep(home, "secret.main", "canary") == "keyring"
    assert keeping.read(home, "secret.main") == "canary"
    Vault(home).ready()
    assert Vault(home).key == Vault(home).key != b""


def test_a_locked_keyring_is_an_error_and_not_an_empty_one(tmp_path: Path, ring: Ring) -> None:
    keeping.keep(tmp_path, "secret.main", SECRET)
    ring.locked = True
    with pytest.raises(SettingsError, match="does not give it now"):
        keeping.read(tmp_path, "secret.main")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_a_keyring_that_fails_in_its_own_way_is_none(tmp_path: Path, ring: Ring) -> None:
    """Backends raise what their system raises, and a user's choice of one may name nothing."""
    ring.fails = ConnectionError("bus")
    assert keeping.keep(tmp_path, "secret.a", "x") == "file"
    ring.fails = None
    keeping.keep(tmp_path, "secret.b", "x")
    ring.fails = ConnectionError("bus")
    with pytest.raises(SettingsError, match="Unlock the keyring"):
        keeping.read(tmp_path, "secret.b")


def test_a_choice_of_a_keyring_that_is_not_there_is_told_by_no_traceback(tmp_path: Path) -> None:
    environment = {**os.environ, "CIPP_MCP_HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "nowhere.Keyring"}
    words = [sys.executable, "-m", "cipp_mcp", "breaker", "reset"]
    ended = subprocess.run(words, env=environment, capture_output=True, timeout=WITHIN, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_without_a_keyring_the_file_is_its_owners(tmp_path: Path) -> None:
    assert keeping.keep(tmp_path, "secret.main", SECRET) == "file"
    assert (tmp_path / "secret.main").stat().st_mode & 0o777 == 0o600
    assert not keeping.others_may_read(tmp_path, "secret.main")
    (tmp_path / "secret.main").chmod(0o644)
    assert keeping.others_may_read(tmp_path, "secret.main")


def test_a_pin_is_kept_as_a_salted_hash_and_fails_closed(tmp_path: Path, ring: Ring) -> None:
    assert pin.check_of(tmp_path) is None
    pin.set_pin(tmp_path, "hunter22")
    first = dict(ring.kept)
    pin.set_pin(tmp_path, "hunter22")
    check = pin.check_of(tmp_path)
    assert check is not None and ring.kept != first, "salted anew"
    assert [check("hunter22"), check("hunter23"), check("")] == [True, False, False]
    assert "hunter22" not in str(ring.kept)
    ring.locked = True
    assert not check("hunter22"), "what cannot be checked is no yes"


def test_a_short_pin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 6"):
        pin.set_pin(tmp_path, "12345")
    assert pin.check_of(tmp_path) is None
