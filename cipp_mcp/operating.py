"""The commands of the person who operates the server: plans, approve, policy, audit, breaker.

They work on the state folder and never talk to CIPP; none of them needs MCP or httpx.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cipp_mcp import terminal
from cipp_mcp.call.text import clean
from cipp_mcp.errors import SettingsError
from cipp_mcp.settings import Settings

Read = Callable[[argparse.Namespace], Settings]
Command = Callable[[str, str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]

_EXPORTED = ("at", "kind", "ticket", "operator", "action", "effect", "tenant", "targets", "outcome", "channel", "operation", "n")


def add_commands(command: Command, read: Read) -> None:
    """Add these commands to the parser.

    Args:
        command: makes one sub-parser from name, help and what it runs.
        read: the settings of a parsed command line.
    """

    def machine(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
        parser.add_argument("--json", action="store_true", help="machine output")
        return parser

    machine(command("plans", "List the plans that wait for a person or for their call.", lambda a: plans(a, read(a))))
    approve_ = command("approve", "Show a plan and say yes to it, on this terminal.", lambda a: approve(a, read(a)))
    approve_.add_argument("plan_id", metavar="PLAN_ID")
    reveal_ = command("reveal", "Show a secret once, on this terminal.", lambda a: reveal(a, read(a)))
    reveal_.add_argument("handle", metavar="HANDLE")
    policy_ = machine(command("policy", "Show the rules in force, or what they say of a call.", lambda a: policy(a, read(a))))
    policy_.add_argument("tool", nargs="?", metavar="TOOL", help="explain a call of this tool")
    policy_.add_argument("--args", default="{}", metavar="JSON", help="its arguments")
    audit_ = machine(command("audit", "Check or export the audit trail.", lambda a: audit(a, read(a))))
    audit_.add_argument("what", choices=["verify", "export"])
    audit_.add_argument("--format", choices=["markdown", "csv"], default="markdown", help="of the export")
    audit_.add_argument("--only-ticket", default="", metavar="REF", help="export only the records of one ticket")
    breaker_ = command("breaker", "Let remove and destroy run again after too many unknown ends.", lambda a: breaker(a, read(a)))
    breaker_.add_argument("what", choices=["reset", "show"])


def plans(arguments: argparse.Namespace, chosen: Settings) -> int:
    """The plans that may still run."""
    from cipp_mcp import wiring
    from cipp_mcp.call.shape import now_text

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


def approve(arguments: argparse.Namespace, chosen: Settings) -> int:
    """A person's yes on the terminal."""
    from cipp_mcp import wiring
    from cipp_mcp.approval_page import console
    from cipp_mcp.call.guard import pin

    trail = wiring.trail_of(chosen)
    asked = (wiring.plans_of(chosen), wiring.owner_of(chosen), trail.append, pin.check_of(chosen.home))
    print(console.approve(arguments.plan_id, *asked))
    return 0


def reveal(arguments: argparse.Namespace, chosen: Settings) -> int:
    """A secret, once, on the terminal."""
    from cipp_mcp import wiring
    from cipp_mcp.approval_page import console

    print(console.reveal(arguments.handle, wiring.vault_of(chosen.home)))
    return 0


def policy(arguments: argparse.Namespace, chosen: Settings) -> int:
    """The rules in force; with a tool, what they mean for a call of it."""
    from cipp_mcp.call.guard.policy import read_policy
    from cipp_mcp.catalog import given, manifests

    rules = read_policy(chosen, manifests.load())
    shown: dict[str, Any] = {
        "file": str(chosen.policy) if chosen.policy.exists() else "none: the defaults",
        "digest": rules.digest[:8],
        "read_only": rules.read_only,
        "approval": str(rules.approval),
        **{k: v for k, v in rules.rules.model_dump(mode="json").items() if k not in {"read_only", "approval"}},
    }
    if arguments.tool:
        shown = _explain(arguments, given.at_hand(chosen.openapi).get(arguments.tool), rules)
    print(json.dumps(shown, ensure_ascii=False) if arguments.json else "\n".join(terminal.plan_lines(_flat(shown))))
    return 0


def _explain(arguments: argparse.Namespace, action: Any, rules: Any) -> dict[str, Any]:
    """Allowed, asked or refused, from the arguments alone: objects and roles are only known when the call is made."""
    from cipp_mcp.call.case import Case
    from cipp_mcp.call.guard.plan import YES, phrase_of
    from cipp_mcp.call.targets import Target
    from cipp_mcp.call.tenants import EVERY_TENANT, Tenant
    from cipp_mcp.catalog import inputs
    from cipp_mcp.catalog.action import ALL_TENANTS
    from cipp_mcp.errors import PolicyRefused

    try:
        given = inputs.check_part(action, json.loads(arguments.args))
    except (ValueError, RecursionError):
        raise SettingsError("--args is not JSON.", hint="Write one JSON object.") from None
    tenants: dict[str, Tenant] = {}
    targets: list[Target] = []
    for f in (f for f in action.fields if f.kind):
        value = given.get(f.name, [])
        for key in value if isinstance(value, list) else [value]:
            if f.kind == "tenant":
                tenants[key] = EVERY_TENANT if key == ALL_TENANTS else Tenant(key, key, key, key)
            else:
                targets.append(Target(f.kind, key, key, key))
    case = Case(action, given, action.effect_of(given), tenants, tuple(targets), tenant_count=len(tenants))
    try:
        rules.admit(case)
        rules.admit_targets(case, {})
    except PolicyRefused as error:
        return {"call": action.name, "effect": str(case.effect), "verdict": "refused", "because": error.message}
    asks = rules.must_ask(case)
    phrase = phrase_of(case)
    because = "its effect, the number of its targets or a rule asks for a person's yes" if asks else "nothing in it asks for one"
    shown = {"call": action.name, "effect": str(case.effect), "verdict": "asked" if asks else "allowed", "because": because}
    return shown | ({"typed": "yes" if phrase == YES else "the target's name"} if asks else {})


def _flat(shown: Mapping[str, Any]) -> dict[str, Any]:
    """One level, for reading."""
    lines: dict[str, Any] = {}
    for key, value in shown.items():
        if isinstance(value, Mapping):
            lines[key] = [f"{k} = {json.dumps(v)}" for k, v in value.items()] or "none"
        elif isinstance(value, bool):
            lines[key] = "yes" if value else "no"
        else:
            lines[key] = value if value not in ([], None) else "any" if value is None else "none"
    return lines


def audit(arguments: argparse.Namespace, chosen: Settings) -> int:
    """Verify or export the trail."""
    from cipp_mcp import wiring
    from cipp_mcp.call.guard.audit import verify

    trail = wiring.trail_of(chosen)
    if trail.path.exists() and not (trail.path.is_file() and os.access(trail.path, os.R_OK)):
        raise SettingsError("The audit trail cannot be read.", hint=f"Check the rights of {trail.path}.")
    if arguments.what == "export":
        wanted = [r for r in trail.records() if not arguments.only_ticket or r.get("ticket") == arguments.only_ticket]
        sys.stdout.write(_export(wanted, arguments.format))
        return 0
    verdict = verify(trail.path, wiring.vault_of(chosen.home))
    ended = [f"{r.get('action')} {r.get('operation')}" for r in trail.open_intents()]
    if arguments.json:
        found = [{"line": d.line, "kind": d.kind, "says": d.says} for d in verdict.damages]
        print(json.dumps({"records": verdict.records, "whole": verdict.whole, "damages": found, "without_outcome": ended}))
        return 0 if verdict.whole else 1
    if verdict.whole:
        print(f"The audit trail is whole: {verdict.records} records.")
    else:
        print("\n".join(f"line {d.line}: {d.kind}: {d.says}" for d in verdict.damages))
    if ended:
        print("\n".join(["Sent, and nobody knows the end (or they run now):", *(f"  {e}" for e in ended)]))
    return 0 if verdict.whole else 1


def _export(records: Iterable[Mapping[str, Any]], form: str) -> str:
    """A table for a ticket."""
    rows = []
    for record in records:
        targets = "; ".join(str(t.get("name") or t.get("id")) for t in record.get("targets") or [] if isinstance(t, Mapping))
        rows.append([clean(str({**record, "targets": targets}.get(k) or "")) for k in _EXPORTED])
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_EXPORTED)
        # A cell that begins like a formula would run in a spreadsheet.
        writer.writerows([[f"'{c}" if c[:1] in "=+-@\t" else c for c in row] for row in rows])
        return out.getvalue()
    head = ["| " + " | ".join(_EXPORTED) + " |", "|" + "---|" * len(_EXPORTED)]
    cells = (["".join("\\" + ch if ch in "|\\`<>*_[]" else ch for ch in c.replace("\n", " ")) for c in row] for row in rows)
    return "\n".join([*head, *("| " + " | ".join(c) + " |" for c in cells)]) + "\n"


def breaker(arguments: argparse.Namespace, chosen: Settings) -> int:
    """Show or close the breaker."""
    from cipp_mcp import wiring

    tally = wiring.tally_of(chosen)
    if arguments.what == "reset":
        tally.reset_breaker()
        wiring.trail_of(chosen).append("breaker", {"open": False, "by": "operator"})
    print("remove and destroy are stopped" if tally.breaker_open() else "remove and destroy may run")
    return 0
