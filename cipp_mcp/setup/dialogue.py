"""`cipp-mcp setup`: the questions, what is saved of the answers, and the order of it all.

Talks to the person through `asking.Person` alone. The secret goes from the hidden answer to the keyring (or a file of its
owner) and into the settings that are examined, nowhere else.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cipp_mcp import keeping, profiles
from cipp_mcp import settings as settings_
from cipp_mcp.asking import Person, agrees, with_default
from cipp_mcp.call.guard import pin
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.clients import CLIENTS, writing
from cipp_mcp.errors import SettingsError
from cipp_mcp.settings import Settings

if TYPE_CHECKING:
    from cipp_mcp.doctor.report import Report

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SOUND = {"api_url": "https://host", "tenant_id": "t", "client_id": "c", "client_secret": "s"}
_OF_THE_CONNECTION = ("scope", "token_url", "ca_bundle", "verify_tls", "timeout", "proxy")
"""Settings of the environment that a client's process would miss, so they go into the profile."""
_ASKED = {f.name: f.metadata["variable"] for f in fields(Settings) if f.name in _SOUND}


class Dialogue:
    """One run of setup.

    Args:
        examine: doctor, for settings and a profile's name.
    """

    def __init__(
        self,
        person: Person,
        arguments: argparse.Namespace,
        examine: Callable[[Settings, str], Report],
    ) -> None:
        self._person = person
        self._arguments = arguments
        self._examine = examine

    def run(self) -> int:
        """Ask, keep, check, connect. 0: all is well; 1: saved, and a fault is left."""
        from cipp_mcp.setup import report_lines

        person = self._person
        person.say("You find all of this under CIPP > Integrations > CIPP-API. Enter keeps what stands in brackets.")
        home, existing = self._start()
        name = self._name(existing)
        first = True
        while True:
            self._save(home, name, *self._answers(home, name), first)
            if first:
                self._offer_pin(home)
            person.say("\nChecking (this only reads):")
            report = self._examine(self._saved(name), name)
            person.say("\n".join(report_lines(report)))
            if not report.faults or not agrees(person, "Correct the entries now?", default=True):
                break
            first = False
        self._offer_clients(name)
        return 1 if report.faults else 0

    def _start(self) -> tuple[Path, profiles.Profiles]:
        """The folder, before any profile counts: a new profile's name is no mistake here."""
        given = {f.name: getattr(self._arguments, f.name, None) for f in fields(Settings)}
        home = settings_.read(None, given, need_cipp=False, use_profile=False).home
        Vault(home).ready()
        return home, profiles.read_file(home)

    def _name(self, existing: profiles.Profiles) -> str:
        if self._arguments.profile:
            return profiles.check_name(self._arguments.profile)
        return self._asked("Name of this profile", existing.default or profiles.FIRST_NAME, profiles.check_name)

    def _answers(self, home: Path, name: str) -> tuple[dict[str, Any], str]:
        """What the profile shall hold, and the secret (empty: the one that is kept stays)."""
        held = dict(profiles.read_file(home).by_name.get(name, {}))
        values = held | self._given(held)
        values["api_url"] = self._asked(
            "CIPP's API address", _text(values.get("api_url")), lambda t: _sound("api_url", _address(t))
        )
        tenant = self._asked("Partner tenant (id or domain)", _text(values.get("tenant_id")), lambda t: _sound("tenant_id", t))
        client = self._asked("Client id", _text(values.get("client_id")), lambda t: _sound("client_id", t))
        known = client == held.get("client_id") and keeping.is_kept(home, profiles.secret_name(name))
        return values | {"tenant_id": tenant, "client_id": client}, self._secret(known)

    def _saved(self, name: str) -> Settings:
        """What a client's process will have: what was typed, whatever flags and this shell's variables say of it."""
        flags = {f.name: getattr(self._arguments, f.name, None) for f in fields(Settings) if f.name not in _ASKED}
        environment = {k: v for k, v in os.environ.items() if k not in _ASKED.values()}
        return settings_.read(environment, flags, profile=name)

    def _given(self, held: Mapping[str, Any]) -> dict[str, Any]:
        """What flags say, and what the environment says of the connection."""
        given = {f.name: getattr(self._arguments, f.name, None) for f in fields(Settings)}
        chosen = settings_.read(None, given, need_cipp=False, use_profile=False)
        usual = {f.name: f.default for f in fields(Settings)}
        wanted = [n for n, v in given.items() if v is not None and n not in profiles.NEVER]
        wanted += [n for n in _OF_THE_CONNECTION if getattr(chosen, n) != usual[n]]
        wanted += [n for n in ("api_url", "tenant_id", "client_id") if n not in held and getattr(chosen, n)]
        if urlsplit(chosen.proxy).password:
            wanted = [n for n in wanted if n != "proxy"]
            self._person.say("The proxy's password is not kept: leave CIPP_PROXY in the environment.")
        return {n: _plain(getattr(chosen, n)) for n in wanted}

    def _asked(self, question: str, default: str, check: Callable[[str], str]) -> str:
        while True:
            typed = with_default(self._person, question, default)
            if not typed:
                self._person.say("Without it nothing works.")
                continue
            try:
                return check(typed)
            except SettingsError as error:
                self._person.say(str(error))

    def _secret(self, known: bool) -> str:
        while True:
            typed = self._person.ask_hidden(f"Client secret (not shown{'; Enter keeps the one that is kept' if known else ''}): ")
            if _GUID.fullmatch(typed):
                self._person.say("That looks like the secret's id. Paste its value.")
            elif typed or known:
                return typed
            else:
                self._person.say("Without the secret nothing works.")

    def _save(self, home: Path, name: str, values: Mapping[str, Any], secret: str, first: bool) -> None:
        existing = profiles.read_file(home)
        default = existing.default in {"", name}
        if not default and first:
            default = agrees(self._person, f"Make {name} the profile that counts when none is named?", default=False)
        profiles.write_file(home, existing.with_one(name, values, default=default))
        if secret:
            self._say_where("The secret", keeping.keep(home, profiles.secret_name(name), secret), home)

    def _say_where(self, what: str, place: keeping.Place, home: Path) -> None:
        if place == "keyring":
            self._person.say(f"{what} is in the operating system's keyring.")
        else:
            self._person.say(
                f"This computer has no keyring that we can use: {what.lower()} is in a file in {home} that only you can read."
            )

    def _offer_pin(self, home: Path) -> None:
        check = pin.check_of(home)
        question = "Change the operator PIN?" if check else "Set an operator PIN, asked with every approval on page and terminal?"
        if not agrees(self._person, question, default=False):
            return
        if check is not None and not check(self._person.ask_hidden("The PIN until now: ")):
            self._person.say("That is not the PIN; it stays as it was.")
            return
        while True:
            new = self._person.ask_hidden(f"New PIN (at least {pin.SHORTEST} characters, not shown): ")
            if not new:
                self._person.say("No PIN was set.")
                return
            if len(new) >= pin.SHORTEST and new != self._person.ask_hidden("Once more: "):
                self._person.say("The two differ.")
                continue
            try:
                self._say_where("Its hash", pin.set_pin(home, new), home)
                return
            except SettingsError as error:
                self._person.say(str(error))

    def _offer_clients(self, name: str) -> None:
        from cipp_mcp.setup import installing

        person = self._person
        found = [c for c in CLIENTS.values() if writing.seems_installed(c)]
        for client in found:
            if not agrees(person, f"\nConnect {client.title}?", default=True):
                continue
            try:
                entry = installing.entry_for(client.id, argparse.Namespace(profile=name, demo=False), self._saved(name))
                installing.put(client.id, entry, person.say, lambda q: agrees(person, q, default=True))
            except SettingsError as error:
                person.say(str(error))
        if found:
            person.say('\nThen ask your assistant, for instance: "Which tenants are there in CIPP?"')
        else:
            person.say("\nNo known client was found here; `cipp-mcp print json` shows what any other needs.")


def _address(text: str) -> str:
    return text if re.match(r"https?:|.*://", text, re.IGNORECASE) else f"https://{text}"


def _sound(name: str, value: str) -> str:
    """The value, if it may stand there.

    Raises:
        SettingsError: it may not.
    """
    settings_.read({}, {**_SOUND, name: value}, use_profile=False)
    return value


def _text(value: Any) -> str:
    return str(value or "")


def _plain(value: Any) -> Any:
    """A value as TOML holds it."""
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, bool | int | float) else str(value)
