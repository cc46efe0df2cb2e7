"""`install`, `uninstall`, `print`: the entry for a client, shown, asked about, written.

The person is asked through a function that is handed in; `--yes` hands in none, for nothing in CIPP is approved here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipp_mcp import __version__, asking, profiles, terminal
from cipp_mcp import settings as settings_
from cipp_mcp.clients import CLIENTS, Client, entry, entry_name, launcher, origin_of, writing
from cipp_mcp.errors import SettingsError
from cipp_mcp.settings import Settings, Surface

Say = Callable[[str], object]
Ask = Callable[[str], bool]


@dataclass(frozen=True)
class Entry:
    """A server as a client's file holds it."""

    name: str
    value: dict[str, Any]


def entry_for(client: str, arguments: argparse.Namespace, chosen: Settings) -> Entry:
    """The entry that fits the client, the profile and the flags.

    Raises:
        SettingsError: there is no profile to name in it.
    """
    profile = None if arguments.demo else profiles.pick(chosen.home, arguments.profile)
    if profile is None and not arguments.demo:
        raise SettingsError(
            "There is no profile yet that the client could use.",
            hint="Run `cipp-mcp setup` first; with --demo the client gets the built-in CIPP.",
        )
    surface = _surface(arguments)
    if surface and (known := CLIENTS.get(client)) is not None:
        _must_fit(known, chosen)
    usual = settings_.read({}, need_cipp=False, use_profile=False).home
    value = entry(
        CLIENTS.get(client),
        launcher(sys.platform, sys.executable, __version__, lambda p: Path(p).is_file(), shutil.which, _origin()),
        profile=profile.name if profile else "",
        demo=arguments.demo,
        home=str(chosen.home.absolute()) if chosen.home.absolute() != usual.absolute() else "",
        surface=surface,
    )
    return Entry(name_for(arguments, chosen), value)


def _origin() -> str:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return origin_of(distribution("cipp-mcp").read_text("direct_url.json"))
    except PackageNotFoundError:
        return ""


def _must_fit(client: Client, chosen: Settings) -> None:
    """Refuse flags by which a client would get more tools than it takes: it would then take none, or leave out any.

    Raises:
        SettingsError: it would.
    """
    from cipp_mcp.call.guard.policy import Policy
    from cipp_mcp.catalog import manifests

    policy = Policy(read_only=chosen.read_only)
    wanted = sum(not a.lean and policy.lists(a) for a in manifests.load().only(chosen.groups))
    if client.most and chosen.tools is not Surface.LEAN and wanted > client.most:
        raise SettingsError(
            f"{client.title} takes at most {client.most} tools, and these flags list {wanted}.",
            hint="Without flags it gets the lean surface, which reaches everything; --groups and --read-only list fewer too.",
        )


def name_for(arguments: argparse.Namespace, chosen: Settings) -> str:
    """Under which name the entry stands."""
    if arguments.demo:
        return entry_name("", "", demo=True)
    default = profiles.read_file(chosen.home).default
    return entry_name(arguments.profile or default, default, demo=False)


def _surface(arguments: argparse.Namespace) -> list[str]:
    """The flags of the command line that choose tools, as they go into the entry."""
    flags: list[str] = []
    for name in ("tools", "groups"):
        if (given := getattr(arguments, name, None)) is not None:
            flags += [f"--{name}", str(given)]
    if (read_only := getattr(arguments, "read_only", None)) is not None:
        flags += ["--read-only", str(read_only)]
    return flags


def ask(question: str) -> bool:
    """Put it to the person at the terminal.

    Raises:
        SettingsError: there is none.
    """
    try:
        with asking.at_terminal("This command") as person:
            return asking.agrees(person, question, default=True)
    except SettingsError as error:
        raise SettingsError(error.message, hint="Run it in a terminal, or add --yes to write without being asked.") from None


def put(client: str, given: Entry, say: Say, ask_: Ask | None) -> int:
    """Write the entry; 1 when the person said no."""
    known = CLIENTS[client]
    change = writing.put(known, writing.place_of(known), given.name, given.value)
    if not change.needed:
        say(f"{known.title} has {given.name} already; nothing to do.")
        return 0
    return _do(change, say, ask_, f"{known.title} has {given.name} now. {known.after}")


def take(client: str, name: str, say: Say, ask_: Ask | None) -> int:
    """Take the entry out; 1 when the person said no."""
    known = CLIENTS[client]
    change = writing.take(known, writing.place_of(known), name)
    if not change.needed:
        say(f"{known.title} has no {name}; nothing to do.")
        return 0
    return _do(change, say, ask_, f"{known.title} has no {name} any more. {known.after}")


def show(client: str, given: Entry) -> None:
    """Print the entry."""
    known = CLIENTS.get(client)
    holder = known.holder if known else "mcpServers"
    print(json.dumps({holder: {given.name: given.value}}, indent=2, ensure_ascii=False))
    if known is not None:
        try:
            where = f"It goes into {writing.place_of(known)}."
        except SettingsError as error:
            where = error.message
        print(f"{where} {known.after}", file=sys.stderr)


def _do(change: writing.Change, say: Say, ask_: Ask | None, done: str) -> int:
    say("\n".join(terminal.difference(change.difference())))
    if ask_ is not None and not ask_("Write this?"):
        say("Nothing was written.")
        return 1
    backup = writing.write(change)
    say(done + (f" The old file is {backup.name} beside it." if backup else ""))
    return 0
