"""One frozen `Settings`: flags over environment over a profile over defaults, checked before anything starts.

Names, defaults and meanings live in the field table below, from which the README's settings table and the
command line are made. A secret never appears in `repr`, a log or an error. No I/O beyond reading the environment,
the profile and its secret may enter.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cipp_mcp import keeping, profiles
from cipp_mcp.errors import SettingsError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
GROUPS = (
    "calendar_permission",
    "cipp_administration",
    "group",
    "intune",
    "license",
    "security_compliance",
    "teams_sharepoint",
    "tenant",
    "tool",
    "user",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # what may stand in the token endpoint's path and the default scope


class Approval(StrEnum):
    """Who may say yes: a person outside the model's reach, or (operator's choice) the confirm flag alone."""

    PERSON = "person"
    FLAG = "flag"


class Surface(StrEnum):
    """Which tools are listed."""

    ALL = "all"
    LEAN = "lean"


def _setting(variable: str, meaning: str, *, default: Any, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"variable": variable, "meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, typed and checked. Times are seconds."""

    api_url: str = _setting("CIPP_API_URL", "CIPP's API address, host root or with `/api`; http only to loopback", default="")
    tenant_id: str = _setting("CIPP_TENANT_ID", "The partner (MSP) tenant: id or domain", default="")
    client_id: str = _setting("CIPP_CLIENT_ID", "Application (client) id of the CIPP API client", default="")
    client_secret: str = _setting("CIPP_CLIENT_SECRET", "Its secret", default="", secret=True)
    scope: str = _setting("CIPP_SCOPE", "OAuth scope; default `api://<client id>/.default`", default="")
    token_url: str = _setting("CIPP_TOKEN_URL", "Token endpoint for sovereign clouds; default Entra's public one", default="")
    home: Path = _setting("CIPP_MCP_HOME", "Folder for plans and the audit trail; default by the system's rules", default=Path())
    policy: Path = _setting("CIPP_MCP_POLICY", "The policy file; default `policy.toml` in CIPP_MCP_HOME", default=Path())
    groups: tuple[str, ...] = _setting("CIPP_MCP_GROUPS", "Comma-separated groups to list; default all", default=())
    tools: Surface = _setting("CIPP_MCP_TOOLS", "Which surface to list: `all` or `lean`", default=Surface.ALL)
    openapi: str = _setting(
        "CIPP_MCP_OPENAPI",
        "CIPP's OpenAPI document, a file or an https address; default this CIPP's own where it has one, else what is shipped",
        default="",
    )
    read_only: bool = _setting("CIPP_MCP_READ_ONLY", "List and run reads only", default=False)
    approval: Approval = _setting(
        "CIPP_MCP_APPROVAL",
        "`person` asks a person; with `flag` confirm alone runs set, create, remove",
        default=Approval.PERSON,
    )
    operator: str = _setting("CIPP_MCP_OPERATOR", "Who operates this server (UPN); default the OS login", default="")
    answer_within: float = _setting(
        "CIPP_MCP_ANSWER_WITHIN", "How long a call may take before it hands out a plan or a handle", default=45.0
    )
    wait_scale: float = _setting(
        "CIPP_MCP_WAIT_SCALE", "Multiplies every deliberate wait (read-back looks, back-off, polling); for tests", default=1.0
    )
    timeout: float = _setting("CIPP_TIMEOUT", "How long to wait for CIPP's answer to a read", default=120.0)
    proxy: str = _setting("CIPP_PROXY", "Proxy for the connection to CIPP and the token endpoint", default="", secret=True)
    verify_tls: bool = _setting("CIPP_VERIFY_TLS", "Verify TLS certificates (operating system's store)", default=True)
    ca_bundle: str = _setting("CIPP_CA_BUNDLE", "PEM file to trust instead of the operating system's store", default="")
    batch_size: int = _setting("CIPP_BATCH_SIZE", "Requests sent together by a call that needs several", default=4)
    batch_interval: float = _setting("CIPP_BATCH_INTERVAL", "Pause between such batches", default=0.0)

    @property
    def api_root(self) -> str:
        """The address up to and without `/api`, no trailing slash."""
        return re.sub(r"/api$", "", self.api_url.rstrip("/"), flags=re.IGNORECASE)

    @property
    def oauth_scope(self) -> str:
        return self.scope or f"api://{self.client_id}/.default"

    @property
    def oauth_token_url(self) -> str:
        return self.token_url or f"https://login.microsoftonline.com/{self.tenant_id}/oauth2/v2.0/token"


def variables() -> list[tuple[str, str, str]]:
    """(variable, default as text, meaning) of every setting, in order: the README's table."""
    return [(f.metadata["variable"], _shown(f.default), f.metadata["meaning"]) for f in fields(Settings)]


def read(
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    *,
    need_cipp: bool = True,
    profile: str | None = None,
    use_profile: bool = True,
) -> Settings:
    """Settings from a profile, overridden by the environment, overridden by flags (by field name; None means not given).

    Args:
        need_cipp: False for commands that never talk to CIPP.
        profile: the profile's name; the default one where None.
        use_profile: False where everything is given, as with the built-in CIPP.

    Raises:
        SettingsError: names the variable and the fix.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for f in fields(Settings):
        raw = (flags or {}).get(f.name)
        if raw is None:
            raw = environment.get(f.metadata["variable"], "").strip()
        if raw != "" and raw is not None:
            values[f.name] = _parse(f.metadata["variable"], f.default, raw)
    if not values.get("home"):
        values["home"] = _default_home()
    if use_profile and (chosen := profiles.pick(values["home"], profile)) is not None:
        values = _of_profile(chosen, values, need_cipp) | values
    if not values.get("policy"):
        values["policy"] = values["home"] / "policy.toml"
    if not values.get("operator"):
        values["operator"] = os_login()
    settings = Settings(**values)
    _check(settings, need_cipp)
    return settings


_ONE_CLIENTS = frozenset({"client_secret", "scope", "token_url"})
"""What belongs to one API client: never taken from a profile for another client."""


def _of_profile(profile: profiles.Profile, given: Mapping[str, Any], need_cipp: bool) -> dict[str, Any]:
    known = {f.name: f for f in fields(Settings)}
    values: dict[str, Any] = {}
    for name, raw in profile.values.items():
        if name not in known:
            raise SettingsError(f"The profile {profile.name} holds {name}, which is no setting.", hint="Remove it.")
        if name not in given:
            text = ",".join(str(r) for r in raw) if isinstance(raw, list) else raw
            values[name] = _parse(f"{name} in the profile {profile.name}", known[name].default, text)
    if urlsplit(str(values.get("proxy", ""))).password:
        raise SettingsError(
            f"The proxy in the profile {profile.name} holds a password.", hint="Put it into CIPP_PROXY in the environment."
        )
    own = str(profile.values.get("client_id", ""))
    if given.get("client_id", own) != own:
        return {n: v for n, v in values.items() if n not in _ONE_CLIENTS}
    if need_cipp and "client_secret" not in given:
        secret = keeping.read(given["home"], profiles.secret_name(profile.name))
        values |= {"client_secret": secret} if secret else {}
    return values


def os_login() -> str:
    """The operating system's login name, or `unknown` where there is none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _default_home() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("cipp-mcp", appauthor=False))


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "1" if default else "0"
    if isinstance(default, Path) or default in ("", ()):
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def _parse(variable: str, default: Any, raw: Any) -> Any:
    text = str(raw).strip()
    if isinstance(default, StrEnum):
        choices = [str(c) for c in type(default)]
        if text.lower() not in choices:
            raise SettingsError(f"{variable} is {text!r}.", hint=f"Set it to one of: {', '.join(choices)}.")
        return type(default)(text.lower())
    if isinstance(default, bool):
        if text.lower() not in {"1", "0", "true", "false"}:
            raise SettingsError(f"{variable} is {text!r}.", hint="Set it to 1, 0, true or false.")
        return text.lower() in {"1", "true"}
    if isinstance(default, int | float):
        return _number(variable, text, whole=isinstance(default, int))
    if isinstance(default, Path):
        return Path(text).expanduser()
    if isinstance(default, tuple):
        groups = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
        if unknown := [g for g in groups if g not in GROUPS]:
            raise SettingsError(f"{variable} names {', '.join(unknown)}.", hint=f"The groups are: {', '.join(GROUPS)}.")
        return groups
    if not text.isprintable():
        raise SettingsError(f"{variable} has a character that cannot be seen, or bytes that are no text.", hint="Set it again.")
    return text


def _number(variable: str, text: str, *, whole: bool) -> float | int:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        raise SettingsError(
            f"{variable} is {text!r}.", hint=f"Set it to a {'whole ' if whole else ''}number{'' if whole else ' of seconds'}."
        ) from None
    least = {"CIPP_BATCH_INTERVAL": 0.0, "CIPP_MCP_WAIT_SCALE": 0.0}.get(variable, 1 if whole else 0.001)
    if not least <= value <= 86_400:
        raise SettingsError(f"{variable} is {text}.", hint=f"Set it between {least:g} and 86400.")
    return value


def _check(s: Settings, need_cipp: bool) -> None:
    for variable, url in (("CIPP_API_URL", s.api_url), ("CIPP_TOKEN_URL", s.token_url), ("CIPP_PROXY", s.proxy)):
        if url:
            _check_url(variable, url, plain_http=variable == "CIPP_PROXY")
    if "://" in s.openapi:
        _check_url("CIPP_MCP_OPENAPI", s.openapi, plain_http=False)
    elif s.openapi and not Path(s.openapi).expanduser().is_file():
        raise SettingsError(f"CIPP_MCP_OPENAPI names {s.openapi}, which is not a file.", hint="Give CIPP's openapi.json.")
    if s.ca_bundle and not Path(s.ca_bundle).is_file():
        raise SettingsError(f"CIPP_CA_BUNDLE names {s.ca_bundle}, which is not a file.", hint="Point it to a PEM file.")
    if not need_cipp:
        return
    where = "in CIPP under CIPP > Integrations > CIPP-API"
    for variable, value in (
        ("CIPP_API_URL", s.api_url),
        ("CIPP_TENANT_ID", s.tenant_id),
        ("CIPP_CLIENT_ID", s.client_id),
        ("CIPP_CLIENT_SECRET", s.client_secret),
    ):
        if not value:
            raise SettingsError(
                f"{variable} is not set.",
                hint=f"`cipp-mcp setup` asks for it; you find it {where}. To try without a CIPP run `cipp-mcp demo`.",
            )
    if not _NAME.fullmatch(s.tenant_id):
        raise SettingsError("CIPP_TENANT_ID is neither a tenant id nor a domain.", hint=f"Copy the tenant id as shown {where}.")
    if not _NAME.fullmatch(s.client_id):
        raise SettingsError("CIPP_CLIENT_ID is not an application id.", hint="Copy it from the API client in CIPP.")


def _check_url(variable: str, url: str, *, plain_http: bool) -> None:
    fix = "Write it as http://host:port." if plain_http else "Write it as https://host."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingsError(f"{variable} is not an address.", hint=fix) from None
    if parts.scheme not in {"http", "https"} or not host or any(c.isspace() for c in url):
        raise SettingsError(f"{variable} is not an http(s) address.", hint=fix)
    if parts.scheme == "http" and not plain_http and host not in LOOPBACK:
        raise SettingsError(f"{variable} uses http to {host}.", hint="Only loopback may be reached without TLS: write https://.")
    if variable == "CIPP_API_URL" and (parts.query or parts.fragment or parts.username):
        raise SettingsError(f"{variable} has more than a host and a path.", hint="Write it as https://host or https://host/api.")
