"""Profiles: the settings of one CIPP instance by name, in `profiles.toml` of the state folder.

No secret stands in that file; the client's secret is kept elsewhere under the profile's name. What a key means and
which values it takes is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cipp_mcp import keeping
from cipp_mcp.errors import SettingsError

FILE = "profiles.toml"
FIRST_NAME = "main"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
NEVER = frozenset({"home", "client_secret"})
"""Keys that no profile has: where it lies itself, and what must not lie there."""

_HEAD = "# Written by `cipp-mcp setup`. No secret stands here; it is in the keyring, or in a file of its owner.\n"


@dataclass(frozen=True)
class Profile:
    """One profile: setting name -> value as written."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Profiles:
    """The file, whole.

    Attributes:
        default: the profile that counts when none is named.
    """

    default: str = ""
    by_name: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def with_one(self, name: str, values: Mapping[str, Any], *, default: bool) -> Profiles:
        """The same with one profile put in."""
        return Profiles(name if default or not self.default else self.default, {**self.by_name, name: values})


def read_file(home: Path) -> Profiles:
    """What the folder's file says; nothing where there is none.

    Raises:
        SettingsError: it is damaged, and where.
    """
    place = home / FILE
    if not place.exists():
        return Profiles()
    import tomllib

    fix = f"Correct {FILE} in the folder of CIPP_MCP_HOME, or move it away and run `cipp-mcp setup`."
    try:
        raw = tomllib.loads(place.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{FILE} cannot be read.", hint=fix) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE} is not TOML: {error}.", hint=fix) from None
    found, default = raw.get("profiles", {}), raw.get("default", "")
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()) or not isinstance(default, str):
        raise SettingsError(f"{FILE} has no table for each profile.", hint=fix)
    for name, values in found.items():
        check_name(name)
        if wrong := sorted(NEVER & set(values)):
            raise SettingsError(f"The profile {name} holds {wrong[0]}, which no profile may hold.", hint=fix)
    if default and default not in found:
        raise SettingsError(f"{FILE} names the default {default}, which is no profile in it.", hint=fix)
    return Profiles(default or (next(iter(found)) if len(found) == 1 else ""), found)


def write_file(home: Path, profiles: Profiles) -> None:
    """Write the file, for its owner only.

    Raises:
        SettingsError: it cannot be written.
    """
    lines = [_HEAD + f"default = {_toml(profiles.default)}"]
    for name, values in profiles.by_name.items():
        lines += ["", f"[profiles.{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    keeping.write_private(home / FILE, "\n".join(lines) + "\n")


def pick(home: Path, name: str | None) -> Profile | None:
    """The profile of that name, or the default one where none is named; None where there is none.

    Raises:
        SettingsError: there is no profile of that name.
    """
    found = read_file(home)
    wanted = name or found.default
    if not wanted:
        return None
    if wanted not in found.by_name:
        known = ", ".join(found.by_name) or "none yet"
        raise SettingsError(f"There is no profile {wanted}.", hint=f"Profiles: {known}. `cipp-mcp setup` makes one.")
    return Profile(wanted, found.by_name[wanted])


def check_name(name: str) -> str:
    """The name, if it may be one.

    Raises:
        SettingsError: it may not.
    """
    if not NAME.fullmatch(name):
        raise SettingsError(
            "That is no name for a profile.", hint="Use small letters, digits, - and _, at most 32, for instance contoso."
        )
    return name


def secret_name(profile: str) -> str:
    """Under which name the profile's secret is kept."""
    return f"secret.{profile}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(v) for v in value)}]"
    return json.dumps(str(value).replace("\x7f", ""), ensure_ascii=False)
