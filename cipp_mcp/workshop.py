"""The commands of whoever changes the manifests: new, facts, drift, handbook, packages.

They read documents and write files of the working copy; none of them talks to CIPP. Rooms are imported by the command
that needs them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from cipp_mcp.errors import ManifestError, SettingsError
from cipp_mcp.settings import Settings

Read = Callable[[argparse.Namespace], Settings]

_DOCUMENT = "CIPP's openapi.json"


class Command(Protocol):
    """Makes one sub-parser from name, help and what it runs."""

    def __call__(
        self, name: str, help_text: str, run: Callable[[argparse.Namespace], int], *, config: bool = True
    ) -> argparse.ArgumentParser: ...


def add_commands(command: Command, read: Read) -> None:
    """Add these commands to the parser.

    Args:
        read: the settings of a parsed command line.
    """
    new_ = command("new", "Print a manifest skeleton for an endpoint of CIPP.", new, config=False)
    new_.add_argument("endpoint", metavar="ENDPOINT", help="for instance ExecSomething")
    new_.add_argument("--openapi", metavar="FILE", help=f"{_DOCUMENT}; without it the facts that we hold are used")
    drift_ = command("drift", "Compare the manifests with a document of CIPP's.", lambda a: drift(a, read(a)))
    drift_.add_argument("document", metavar="FILE|URL", help=_DOCUMENT)
    drift_.add_argument("--json", action="store_true", help="machine output")
    facts_ = command("facts", "Take over the facts of a document for the contract test.", facts, config=False)
    facts_.add_argument("document", metavar="FILE", help=_DOCUMENT)
    handbook_ = command("handbook", "Write README blocks, reference pages and the editor schema.", handbook, config=False)
    handbook_.add_argument("--check", action="store_true", help="write nothing, fail when something is outdated")
    packages_ = command("packages", "Write what the shipped packages say, or pack the bundle.", packages, config=False)
    packages_.add_argument("--check", action="store_true", help="write nothing, fail when something is outdated")
    packages_.add_argument("--bundle", metavar="FILE", help="pack the bundle for Claude Desktop into this file")


def drift(arguments: argparse.Namespace, chosen: Settings) -> int:
    """0: nothing of ours is touched. 1: drift. 2 (an error): no document."""
    import anyio

    from cipp_mcp import document
    from cipp_mcp.catalog import drift as drifting
    from cipp_mcp.catalog import facts as held
    from cipp_mcp.catalog import manifests, openapi, uses

    newer = openapi.operations(anyio.run(document.given, arguments.document, chosen))
    found = drifting.compare(uses.uses(manifests.load()), held.read(), newer)
    print(json.dumps(found.as_json(), ensure_ascii=False) if arguments.json else "\n".join(found.lines()))
    return 1 if found.changes else 0


def new(arguments: argparse.Namespace) -> int:
    """The skeleton goes to standard output, what to do with it to standard error."""
    from cipp_mcp import handbook as book
    from cipp_mcp.catalog import facts as held
    from cipp_mcp.catalog import given, manifests, openapi
    from cipp_mcp.catalog.manifests import Catalog
    from cipp_mcp.catalog.openapi import Operation
    from cipp_mcp.handbook.skeleton import skeleton

    known: Mapping[str, Operation]
    if arguments.openapi:
        known, where = openapi.operations(given.from_file(arguments.openapi)), "that document"
    else:
        known, where = held.read().operations, "the facts that we hold"
    wanted = arguments.endpoint.rpartition("/")[2].casefold()
    found = [o for o in known.values() if o.path.rpartition("/")[2].casefold() == wanted]
    if not found:
        raise SettingsError(f"{arguments.endpoint} is not in {where}.", hint=_hint(wanted, known, bool(arguments.openapi)))
    try:
        catalog = manifests.load()
    except ManifestError:  # a shell that writes the output into the folder has put an empty file there
        catalog = Catalog({}, {}, {}, "")
    print("\n".join(skeleton(o, catalog, book.shared_fields()) for o in found), end="")
    print(
        "Then: python -m cipp_mcp facts OPENAPI.json, and python -m pytest --update writes snapshot and reference.",
        file=sys.stderr,
    )
    return 0


def _hint(wanted: str, known: Mapping[str, object], with_document: bool) -> str:
    import difflib

    if not with_document:
        return "Give CIPP's document with --openapi FILE (Config/openapi.json of CIPP-API)."
    names = {e.rpartition("/")[2].casefold(): e.rpartition("/")[2] for e in known}
    near = [names[n] for n in difflib.get_close_matches(wanted[:100], list(names), n=3)]
    return f"Nearest: {', '.join(near)}." if near else "Check the name."


def facts(arguments: argparse.Namespace) -> int:
    """Write `tests/contract/facts.json`."""
    from cipp_mcp import handbook as book
    from cipp_mcp.catalog import facts as held
    from cipp_mcp.catalog import given, manifests, openapi, uses

    place = book.working_copy() / "tests" / "contract"
    told = openapi.operations(given.from_file(arguments.document))
    text = held.taken(told, uses.uses(manifests.load()), held.differences(place))
    (place / "facts.json").write_text(text, encoding="utf-8", newline="\n")
    print(f"{place / 'facts.json'}: written. Review its diff.")
    return 0


def handbook(arguments: argparse.Namespace) -> int:
    """Write what is outdated, or with --check say it and fail."""
    from cipp_mcp import handbook as book

    root = book.working_copy()
    return _told(root, book.outdated(root) if arguments.check else book.rewrite(root), arguments.check, book.COMMAND)


def packages(arguments: argparse.Namespace) -> int:
    """Write what is outdated under `manifests/packages/`, or with --check say it and fail; then pack the bundle."""
    from cipp_mcp import handbook as book
    from cipp_mcp.handbook import packages as shipped

    root = book.working_copy()
    changed = shipped.outdated(root) if arguments.check else shipped.rewrite(root)
    code = _told(root, changed, arguments.check, shipped.COMMAND)
    if arguments.bundle and code == 0:
        try:
            print(f"{arguments.bundle}: {shipped.bundle(root, Path(arguments.bundle))} files")
        except OSError:
            raise SettingsError(f"{arguments.bundle} cannot be written.", hint="Give a file in a folder that is there.") from None
    return code


def _told(root: Path, changed: list[Path], check: bool, command: str) -> int:
    for file in changed:
        print(f"{file.relative_to(root).as_posix()}: {'outdated' if check else 'written'}")
    if check and changed:
        print(f"Run: {command}", file=sys.stderr)
        return 1
    return 0
