"""Composition root: argv -> settings -> rooms wired together -> exit code.

Nothing is computed here. Rooms are imported by the command that needs them: listing tools must not pay for MCP, and
serving must not pay for the demo.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from cipp_mcp import __version__, settings, terminal
from cipp_mcp.errors import CippMcpError, Refused, SettingsError

USAGE, REFUSED = 2, 4

_EXAMPLES = """\
examples:
  cipp-mcp demo                                    watch a short administration, no account needed
  cipp-mcp serve --demo                            serve a CIPP in a box to an MCP client
  cipp-mcp call list_users --args '{"tenant_filter": "fabrikam.example"}'
  cipp-mcp approve plan_0123...                    say yes to a plan that waits
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the outcome's."""
    terminal.prepare_streams()
    parser = _parser()
    given = list(sys.argv[1:] if argv is None else argv)
    if not given:
        if sys.stdin is None or sys.stdin.isatty():
            parser.print_help()
            return 0
        given = ["serve"]
    arguments = parser.parse_args(given)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        code: int = arguments.run(arguments)
    except CippMcpError as error:
        return _say_error(error, bool(getattr(arguments, "json", False)))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code


def _say_error(error: CippMcpError, as_json: bool) -> int:
    refused = isinstance(error, Refused)
    if as_json:
        print(json.dumps({"outcome": "refused" if refused else "failed", "message": error.message, "next_step": error.hint}))
    print(f"cipp-mcp: {error}", file=sys.stderr)
    return REFUSED if refused else USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cipp-mcp",
        description="Administer Microsoft 365 tenants through CIPP from an AI assistant.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cipp-mcp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, help_text: str, run: Callable[[argparse.Namespace], int], *, config: bool = True
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_text, description=help_text)
        made.set_defaults(run=run)
        if config:
            _settings_flags(made)
        return made

    demo = command("demo", "Play a short administration on the built-in CIPP.", _demo, config=False)
    demo.add_argument("--yes", action="store_true", help="let the demo client answer the plan instead of you")
    serve = command("serve", "Serve MCP over standard input and output.", _serve)
    serve.add_argument("--demo", action="store_true", help="serve against the built-in CIPP")
    tools = command("tools", "List the tools.", _tools)
    tools.add_argument("--json", action="store_true", help="machine output")
    call = command("call", "Call one tool, as an MCP client would.", _call)
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("--args", default="{}", metavar="JSON", help="the arguments; - reads standard input")
    call.add_argument("--hold", action="store_true", help="make the plan and leave it for a person")
    call.add_argument("--demo", action="store_true", help="call the built-in CIPP")
    call.add_argument("--ticket", default="", help="a reference that stands in every audit record")
    call.add_argument("--json", action="store_true", help="machine output")
    plans = command("plans", "List the plans that wait for a person or for their call.", _plans)
    plans.add_argument("--json", action="store_true", help="machine output")
    approve = command("approve", "Show a plan and say yes to it, on this terminal.", _approve)
    approve.add_argument("plan_id", metavar="PLAN_ID")
    audit = command("audit", "Check the audit trail.", _audit)
    audit.add_argument("what", choices=["verify"])
    audit.add_argument("--json", action="store_true", help="machine output")
    return parser


def _settings_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings (each overrides its environment variable)")
    for f in fields(settings.Settings):
        if f.metadata["secret"]:
            continue  # a secret never stands on a command line
        flag = f"--{f.name.replace('_', '-')}"
        if isinstance(f.default, bool):
            group.add_argument(flag, nargs="?", const="1", default=None, metavar="0|1", help=f.metadata["variable"])
        else:
            group.add_argument(flag, default=None, metavar="VALUE", help=f.metadata["variable"])


def _read_settings(
    arguments: argparse.Namespace, *, need_cipp: bool, environment: dict[str, str] | None = None
) -> settings.Settings:
    flags = {f.name: getattr(arguments, f.name, None) for f in fields(settings.Settings)}
    import os

    return settings.read({**os.environ, **(environment or {})}, flags, need_cipp=need_cipp)


def _demo(arguments: argparse.Namespace) -> int:
    from cipp_mcp.demo.serve import Box
    from cipp_mcp.server.play import play

    with Box.open() as box:
        return play(box.environment(), lambda: [str(e) for e in box.world.ledger], answers_itself=arguments.yes)


def _serve(arguments: argparse.Namespace) -> int:
    if arguments.demo:
        import tempfile

        from cipp_mcp.demo.serve import Box

        with Box.open() as box, tempfile.TemporaryDirectory(prefix="cipp-mcp-demo-") as home:
            environment = {**box.environment()}
            if arguments.home is None:
                environment["CIPP_MCP_HOME"] = home
            return _serve_with(_read_settings(arguments, need_cipp=True, environment=environment))
    return _serve_with(_read_settings(arguments, need_cipp=True))


def _serve_with(chosen: settings.Settings) -> int:
    import anyio

    from cipp_mcp import server, wiring
    from cipp_mcp.catalog import manifests

    async def serve() -> None:
        catalog = manifests.load().only(chosen.groups)
        async with wiring.open_desk(chosen, catalog, answer_within=chosen.answer_within) as desk:
            await server.serve_stdio(desk)

    anyio.run(serve)
    return 0


def _tools(arguments: argparse.Namespace) -> int:
    from cipp_mcp import wiring
    from cipp_mcp.catalog import inputs, manifests

    chosen = _read_settings(arguments, need_cipp=False)
    policy = wiring.policy_of(chosen)
    actions = sorted((a for a in manifests.load().only(chosen.groups) if policy.lists(a)), key=lambda a: (a.group, a.name))
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
    from cipp_mcp.call import perform
    from cipp_mcp.call.desk import Caller
    from cipp_mcp.catalog import manifests
    from cipp_mcp.message import Outcome

    async def run() -> Outcome:
        catalog = manifests.load().only(chosen.groups)
        within = chosen.answer_within if "confirm" in given else None
        async with wiring.open_desk(chosen, catalog, answer_within=within) as desk:
            caller = Caller(hold=arguments.hold, client="cipp-mcp call", ticket=arguments.ticket, progress=_progress)
            return await perform(desk, arguments.tool, given, caller)

    outcome = anyio.run(run)
    print(json.dumps(outcome.envelope(), ensure_ascii=False) if arguments.json else terminal.outcome(outcome.envelope()))
    return outcome.exit_code


async def _progress(message: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{message} …", end="", file=sys.stderr, flush=True)


def _arguments(text: str) -> dict[str, Any]:
    try:
        given = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError:
        raise SettingsError("--args is not JSON.", hint="Write one JSON object, or - to read it from standard input.") from None
    if not isinstance(given, dict):
        raise SettingsError("--args is not a JSON object.", hint='Write it as {"name": "value"}.')
    return given


def _plans(arguments: argparse.Namespace) -> int:
    from cipp_mcp import wiring
    from cipp_mcp.call.shape import now_text

    chosen = _read_settings(arguments, need_cipp=False)
    store = wiring.plans_of(chosen)
    rows = [
        {
            "plan_id": p.id,
            "state": "approved" if store.approval(p) else "waiting",
            "action": p.action,
            "tenant": p.tenant,
            "targets": ", ".join(t["name"] or t["id"] for t in p.targets),
            "expires_at": now_text(p.expires),
        }
        for p in store.all()
    ]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
    elif rows:
        print(terminal.table(list(rows[0]), [list(r.values()) for r in rows]))
    else:
        print("No plan waits.")
    return 0


def _approve(arguments: argparse.Namespace) -> int:
    from cipp_mcp import wiring
    from cipp_mcp.approval_page.console import approve

    chosen = _read_settings(arguments, need_cipp=False)
    print(approve(arguments.plan_id, wiring.plans_of(chosen), wiring.owner_of(chosen), wiring.trail_of(chosen).append))
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    from cipp_mcp import wiring
    from cipp_mcp.call.guard.audit import verify
    from cipp_mcp.call.guard.seal import Vault

    chosen = _read_settings(arguments, need_cipp=False)
    verdict = verify(wiring.trail_of(chosen).path, Vault(chosen.home))
    if arguments.json:
        found = [{"line": d.line, "kind": d.kind, "says": d.says} for d in verdict.damages]
        print(json.dumps({"records": verdict.records, "whole": verdict.whole, "damages": found}))
    elif verdict.whole:
        print(f"The audit trail is whole: {verdict.records} records.")
    else:
        print("\n".join(f"line {d.line}: {d.kind}: {d.says}" for d in verdict.damages))
    return 0 if verdict.whole else 1
