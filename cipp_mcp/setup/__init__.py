"""The commands of whoever sets the server up: setup, doctor, install, uninstall, print.

Each imports what it needs when it runs. None of them changes anything in CIPP, and no secret comes from a flag.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cipp_mcp import asking, profiles, terminal
from cipp_mcp.clients import ANY, CLIENTS
from cipp_mcp.errors import AuditUnavailable
from cipp_mcp.settings import Settings, variables

if TYPE_CHECKING:
    from cipp_mcp.catalog.action import Action
    from cipp_mcp.catalog.manifests import Catalog
    from cipp_mcp.doctor.report import Finding, Report

Read = Callable[[argparse.Namespace, bool], Settings]
Command = Callable[[str, str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]


def add_commands(command: Command, read: Read) -> None:
    """Add these commands to the parser.

    Args:
        command: makes one sub-parser from name, help and what it runs.
        read: the settings of a parsed command line; whether those of CIPP must be there.
    """
    command("setup", "Ask for CIPP's address and credentials, check them, and connect the clients.", setup)
    doctor_ = command("doctor", "Check everything, and name the exact fault and its fix.", lambda a: doctor(a, read(a, True)))
    doctor_.add_argument("--json", action="store_true", help="machine output")
    install_ = command("install", "Write the server into an MCP client's configuration.", lambda a: install(a, read(a, False)))
    install_.add_argument("client", choices=list(CLIENTS), metavar="CLIENT", help=", ".join(CLIENTS))
    install_.add_argument("--demo", action="store_true", help="the built-in CIPP instead of a profile")
    install_.add_argument("--yes", action="store_true", help="write without asking")
    uninstall_ = command("uninstall", "Take the server out of an MCP client again.", lambda a: uninstall(a, read(a, False)))
    uninstall_.add_argument("client", choices=list(CLIENTS), metavar="CLIENT", help=", ".join(CLIENTS))
    uninstall_.add_argument("--demo", action="store_true", help="the entry of the built-in CIPP")
    uninstall_.add_argument("--yes", action="store_true", help="write without asking")
    print_ = command("print", "Print what a client's configuration needs.", lambda a: print_entry(a, read(a, False)))
    print_.add_argument("client", choices=[*CLIENTS, ANY], metavar="CLIENT", help=f"{', '.join(CLIENTS)}, or {ANY} for any other")
    print_.add_argument("--demo", action="store_true", help="the built-in CIPP instead of a profile")


def setup(arguments: argparse.Namespace) -> int:
    """0: all is well. 1: saved, and doctor found a fault."""
    from cipp_mcp.setup.dialogue import Dialogue

    with asking.at_terminal("cipp-mcp setup") as person:
        return Dialogue(person, arguments, lambda s, name: examined(s, name, person.say)).run()


def doctor(arguments: argparse.Namespace, chosen: Settings) -> int:
    """0: no fault. 1: a fault."""
    chosen_profile = profiles.pick(chosen.home, arguments.profile)
    progress = terminal.Progress()
    try:
        report = examined(chosen, chosen_profile.name if chosen_profile else "", progress)
    finally:
        progress.clear()
    report.findings.insert(0, _sources(chosen_profile.name if chosen_profile else ""))
    print(json.dumps(report.as_json(), ensure_ascii=False) if arguments.json else "\n".join(report_lines(report)))
    return 1 if report.faults else 0


def examined(chosen: Settings, profile: str, tell: Callable[[str], None]) -> Report:
    """The whole examination of these settings."""
    import anyio

    from cipp_mcp import keeping
    from cipp_mcp.catalog import manifests
    from cipp_mcp.doctor import examine
    from cipp_mcp.doctor.report import found

    catalog = manifests.load()
    name = profiles.secret_name(profile)
    readable = name if profile and keeping.is_kept(chosen.home, name) and keeping.others_may_read(chosen.home, name) else ""
    listed = listed_tools(chosen, catalog)

    async def run() -> Report:
        return await examine(chosen, catalog, listed, tell=tell, readable_secret=readable)

    report = anyio.run(run)
    if why := _no_trail(chosen.home.absolute()):
        report.findings.insert(0, found("settings", "no_trail", why=why))
    return report


def _no_trail(home: Path) -> str:
    """Why plans and the trail could not be kept in that folder; empty when they can. Nothing is written to find out."""
    from cipp_mcp.call.guard.key import PLACE
    from cipp_mcp.call.guard.seal import Vault

    try:
        place = next(p for p in (home, *home.parents) if p.exists())
        if not (place.is_dir() and os.access(place, os.W_OK)):
            return f"{place} cannot be written"
        if (home / PLACE).exists():
            Vault(home).seal("doctor", "")
    except OSError:
        return f"{home} cannot be reached"
    except AuditUnavailable as error:
        return error.message.rstrip(".")
    return ""


def _sources(profile: str) -> Finding:
    """Where the values come from, for that is where they are put right; a client's process has not this shell's variables."""
    from cipp_mcp.doctor.report import well

    here = ", ".join(v for v, *_ in variables() if not v.startswith("CIPP_MCP_") and os.environ.get(v))
    kept = f"Values of the profile {profile}, which `cipp-mcp setup` changes." if profile else "There is no profile."
    return well("settings", f"{kept} From the environment, which counts first: {here}." if here else kept)


def listed_tools(chosen: Settings, catalog: Catalog) -> Sequence[Action]:
    """The tools that a server with these settings would list or reach."""
    from cipp_mcp.call.guard.policy import read_policy

    policy = read_policy(chosen, catalog)
    return [a for a in catalog.only(chosen.groups) if policy.lists(a)]


_COLOURS = {"ok": "32", "note": "32", "warning": "33", "fault": "31"}


def report_lines(report: Report) -> list[str]:
    """A report for reading."""
    lines = []
    for finding in report.findings:
        mark = terminal.paint(finding.state.ljust(7), _COLOURS[finding.state])
        lines += terminal.hanging(f"{mark}  {finding.step.ljust(8)}  ", finding.says, width=19)
        if finding.state in {"warning", "fault"}:
            lines += terminal.hanging(" " * 19 + "fix: ", finding.fix, width=24)
    faults, warnings = len(report.faults), sum(f.state == "warning" for f in report.findings)
    end = f"{faults} fault{'s' if faults != 1 else ''}" if faults else "Everything works"
    return [*lines, f"{end}{f', {warnings} warning' + ('s' if warnings > 1 else '') if warnings else ''}."]


def install(arguments: argparse.Namespace, chosen: Settings) -> int:
    """0: it is there. 1: the person said no."""
    from cipp_mcp.setup import installing

    entry = installing.entry_for(arguments.client, arguments, chosen)
    return installing.put(arguments.client, entry, print, None if arguments.yes else installing.ask)


def uninstall(arguments: argparse.Namespace, chosen: Settings) -> int:
    """0: it is not there. 1: the person said no."""
    from cipp_mcp.setup import installing

    name = installing.name_for(arguments, chosen)
    return installing.take(arguments.client, name, print, None if arguments.yes else installing.ask)


def print_entry(arguments: argparse.Namespace, chosen: Settings) -> int:
    """The entry on standard output, where it goes on standard error."""
    from cipp_mcp.setup import installing

    installing.show(arguments.client, installing.entry_for(arguments.client, arguments, chosen))
    return 0
