"""Composition root: argv -> settings -> rooms wired together -> exit code.

Nothing is computed here. Rooms are imported by the command that needs them: listing tools must not pay for MCP, and
serving must not pay for the demo.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any

from cipp_mcp import __version__, examples, manners, operating, settings, setup, terminal, workshop
from cipp_mcp.errors import SettingsError
from cipp_mcp.message import Outcome

_EXAMPLES = """\
examples:
  cipp-mcp demo                                    watch a short administration, no account needed
  cipp-mcp setup                                   connect your own CIPP, check it, write the clients' configurations
  cipp-mcp serve --demo                            serve a CIPP in a box to an MCP client
  cipp-mcp call list_users --args '{"tenant_filter": "fabrikam.example"}'
  cipp-mcp approve plan_0123...                    say yes to a plan that waits
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the outcome's."""
    by_hand = sys.stdin is None or sys.stdin.isatty()
    terminal.prepare_streams()
    given = list(sys.argv[1:] if argv is None else argv)
    if not given:
        if by_hand:
            _parser("").print_help()
            return 0
        given = ["serve"]
    parser = _parser(given[0])

    def run() -> int:
        arguments = parser.parsed(given)
        code: int = arguments.run(arguments)
        return code

    return manners.well_mannered(run, as_json="--json" in given, debug="--debug" in given)


def _parser(only: str | None = None) -> terminal.Parser:
    """All commands; `only` one has the flags of the settings, which cost more to make than the rest."""
    parser = terminal.Parser(
        prog="cipp-mcp",
        description="Administer Microsoft 365 tenants through CIPP from an AI assistant.",
        epilog=_EXAMPLES,
        formatter_class=terminal.Help,
    )
    parser.add_argument("--version", action="version", version=f"cipp-mcp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, help_text: str, run: Callable[[argparse.Namespace], int], *, config: bool = True
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=examples.epilog(name),
            formatter_class=terminal.Help,
        )
        made.set_defaults(run=run, parser=made)
        made.add_argument("--debug", action="store_true", help="log everything, and show where an unexpected error came from")
        if config and only in {None, name}:
            _settings_flags(made)
        return made

    demo = command("demo", "Play a short administration on the built-in CIPP.", _demo, config=False)
    demo.add_argument("--yes", action="store_true", help="let the demo client answer the plan instead of you")
    setup.add_commands(command, lambda a, need_cipp: _read_settings(a, need_cipp=need_cipp))
    serve = command("serve", "Serve MCP over standard input and output.", _serve)
    serve.add_argument("--demo", action="store_true", help="serve against the built-in CIPP")
    serve.add_argument("--ticket", default="", help="a reference that stands in every audit record")
    tools = command("tools", "List the tools.", _tools)
    tools.add_argument("--all", action="store_true", help="also CIPP's other operations, which `call` takes too")
    tools.add_argument("--json", action="store_true", help="machine output")
    call = command("call", "Call one tool, as an MCP client would.", _call)
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("--args", default="{}", metavar="JSON", help="the arguments; - reads standard input")
    call.add_argument("--all", action="store_true", help="print every row of a list, not only those that fit into one answer")
    call.add_argument("--hold", action="store_true", help="make the plan and leave it for a person")
    call.add_argument("--demo", action="store_true", help="call the built-in CIPP")
    call.add_argument("--ticket", default="", help="a reference that stands in every audit record")
    call.add_argument("--json", action="store_true", help="machine output")
    operating.add_commands(command, lambda a: _read_settings(a, need_cipp=False))
    completion = command("completion", "Print the completion script of a shell.", _completion, config=False)
    completion.add_argument("shell", choices=["bash", "zsh", "fish", "powershell"])
    workshop.add_commands(command, lambda a: _read_settings(a, need_cipp=False))
    return parser


def _settings_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings (each overrides its environment variable, which overrides the profile)")
    group.add_argument("--profile", default=None, metavar="NAME", help="the profile that `cipp-mcp setup` made")
    for f in fields(settings.Settings):
        if f.metadata["secret"]:
            continue  # a secret never stands on a command line
        flag = f"--{f.name.replace('_', '-')}"
        meaning = f"{f.metadata['meaning']} ({f.metadata['variable']})"
        if isinstance(f.default, bool):
            group.add_argument(flag, nargs="?", const="1", default=None, metavar="0|1", help=meaning)
        else:
            group.add_argument(flag, default=None, metavar="VALUE", help=meaning)


def _read_settings(
    arguments: argparse.Namespace, *, need_cipp: bool, environment: dict[str, str] | None = None
) -> settings.Settings:
    flags = {f.name: getattr(arguments, f.name, None) for f in fields(settings.Settings)}
    import os

    # The built-in CIPP gives everything itself; a profile is about another one.
    return settings.read(
        {**os.environ, **(environment or {})},
        flags,
        need_cipp=need_cipp,
        profile=arguments.profile,
        use_profile=environment is None,
    )


def _completion(arguments: argparse.Namespace) -> int:
    from cipp_mcp import shell
    from cipp_mcp.catalog.manifests import tool_names

    named = {"TOOL": tool_names(), "--groups": settings.GROUPS}
    for f in fields(settings.Settings):
        if isinstance(f.default, StrEnum):
            named[f"--{f.name.replace('_', '-')}"] = [str(choice) for choice in type(f.default)]
    print(shell.SHELLS[arguments.shell](shell.commands_of(_parser(), named)), end="")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    progress = terminal.Progress()
    progress("Starting a CIPP in a box, an MCP server and a client")
    from cipp_mcp.demo.serve import Box
    from cipp_mcp.server.play import play

    try:
        with Box.open() as box:
            world, yes = box.world, bool(arguments.yes)
            return play(box.environment(), lambda: [str(e) for e in world.ledger], answers_itself=yes, connected=progress.clear)
    finally:
        progress.clear()


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.demo:
        import tempfile

        from cipp_mcp.demo.serve import Box

        with Box.open() as box, tempfile.TemporaryDirectory(prefix="cipp-mcp-demo-") as home:
            environment = {**box.environment()}
            if arguments.home is None:
                environment["CIPP_MCP_HOME"] = home
            return _serve_with(_read_settings(arguments, need_cipp=True, environment=environment), arguments.ticket)
    return _serve_with(_read_settings(arguments, need_cipp=True), arguments.ticket)


def _serve_with(chosen: settings.Settings, ticket: str) -> int:
    import anyio

    from cipp_mcp import server, wiring
    from cipp_mcp.catalog import manifests

    async def serve() -> None:
        lean = chosen.tools is settings.Surface.LEAN
        catalog = manifests.load() if lean else manifests.load().only(chosen.groups)
        whole = lean or not chosen.groups  # check_operation follows what `call` began, on any surface
        _settled()
        async with wiring.open_desk(chosen, catalog, answer_within=chosen.answer_within, serves=True, whole=whole) as desk:
            await server.serve_stdio(desk, ticket, chosen.tools)

    anyio.run(serve)
    return 0


def _settled() -> None:
    """What is there by now stays: from here on garbage is looked for, and only among what comes."""
    gc.freeze()
    gc.enable()


def _tools(arguments: argparse.Namespace) -> int:
    from cipp_mcp.call.guard.policy import read_policy
    from cipp_mcp.catalog import inputs, manifests

    chosen = _read_settings(arguments, need_cipp=False)
    catalog = manifests.load()
    policy = read_policy(chosen, catalog)
    found = [*catalog.only(chosen.groups)]
    if arguments.all and not chosen.groups:
        from cipp_mcp.catalog.given import at_hand

        api = at_hand(chosen.openapi)
        found += [api.get(name) for name in api.names()]
    actions = sorted((a for a in found if policy.lists(a)), key=lambda a: (a.group, a.name))
    if arguments.json:
        listed = [
            {
                "name": a.name,
                "group": a.group,
                "effect": str(a.strongest),
                "asks": a.may_ask,
                "endpoint": a.endpoint,
                "role": a.role,
                "description": inputs.description(a),
                "input_schema": inputs.schema(a),
            }
            for a in actions
        ]
        print(json.dumps(listed, ensure_ascii=False))
        return 0
    print(
        terminal.table(["tool", "group", "effect", "what it does"], [[a.name, a.group, a.strongest, a.summary] for a in actions])
    )
    return 0


def _call(arguments: argparse.Namespace) -> int:
    given = _arguments(arguments.args)
    if arguments.demo:
        import tempfile

        from cipp_mcp.demo.serve import Box

        with Box.open() as box, tempfile.TemporaryDirectory(prefix="cipp-mcp-demo-") as home:
            environment = {**box.environment(), "CIPP_MCP_HOME": home}
            return _call_with(_read_settings(arguments, need_cipp=True, environment=environment), arguments, given)
    return _call_with(_read_settings(arguments, need_cipp=True), arguments, given)


def _call_with(chosen: settings.Settings, arguments: argparse.Namespace, given: dict[str, Any]) -> int:
    import anyio

    from cipp_mcp import wiring
    from cipp_mcp.call import pages, perform
    from cipp_mcp.call.desk import Caller
    from cipp_mcp.catalog import manifests

    progress = terminal.Progress()

    async def tell(message: str) -> None:
        progress(message)

    async def run() -> Outcome:
        catalog = manifests.load().only(chosen.groups)
        _settled()
        within = chosen.answer_within if "confirm" in given else None
        async with wiring.open_desk(chosen, catalog, answer_within=within, whole=not chosen.groups) as desk:
            caller = Caller(hold=arguments.hold, client="cipp-mcp call", ticket=arguments.ticket, progress=tell)
            read = pages.every_row if arguments.all else pages.first_rows
            try:
                outcome = await read(desk, arguments.tool, given, caller, perform)
            finally:
                progress.clear()
            return _show_secret(outcome, desk.take_secret)

    outcome = anyio.run(run)
    print(json.dumps(outcome.envelope(), ensure_ascii=False) if arguments.json else terminal.outcome(outcome.envelope()))
    return outcome.exit_code


def _show_secret(outcome: Outcome, take: Callable[[str], tuple[str, ...] | None]) -> Outcome:
    """The secret of a call from the terminal goes to the terminal itself; this process ends and cannot keep it."""
    from cipp_mcp.approval_page.console import show

    handle = dict(outcome.facts.get("secret") or {}).get("handle")
    if not handle:
        return outcome
    said = (
        "shown on the terminal"
        if show("\n".join(["The secret, shown once:", *(take(handle) or ())]))
        else ("lost: there was no terminal to show it on; make the call from a terminal or through an MCP client")
    )
    return replace(outcome, facts=dict(outcome.facts) | {"secret": said})


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(sys.stdin.read() if text == "-" else text)
    except (ValueError, RecursionError):
        raise SettingsError("--args is not JSON.", hint="Write one JSON object, or - to read it from standard input.") from None
    if not isinstance(given, dict):
        raise SettingsError("--args is not a JSON object.", hint='Write it as {"name": "value"}.')
    return given
