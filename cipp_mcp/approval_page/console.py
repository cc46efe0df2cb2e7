"""`cipp-mcp approve`: a plan shown and answered on the controlling terminal.

Reads the terminal itself, never standard input, a flag or a variable, so that a pipe cannot say yes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack

from cipp_mcp.call.guard.plan import Owner, Plan, typed_right
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.errors import PlanRefused
from cipp_mcp.terminal import plan_lines

Record = Callable[[str, dict[str, object]], object]


def approve(plan_id: str, store: PlanStore, owner: Owner, record: Record) -> str:
    """Show the plan, read the phrase, store the yes; returns the sentence for the person.

    Raises:
        PlanRefused: no such plan, no terminal, or the phrase was wrong.
    """
    plan = store.get(plan_id, owner)
    if store.approval(plan) is not None:
        return "This plan is approved already. Make the same call with confirm to run it."
    typed = _ask_terminal(plan)
    about: dict[str, object] = {"plan": plan.id, "plan_digest": plan.digest, "action": plan.action, "channel": "terminal"}
    if not typed_right(plan, typed):
        record("approve", about | {"reply": "no"})
        store.claim(plan, "declined")
        raise PlanRefused("That is not the phrase; the plan is declined.", hint="Nothing was sent. A new call makes a new plan.")
    store.approve(plan, "terminal")
    record("approve", about | {"reply": "yes"})
    return "Approved. A waiting call runs now; otherwise make the same call with confirm within 10 minutes."


def _ask_terminal(plan: Plan) -> str:
    names = ("CONIN$", "CONOUT$") if sys.platform == "win32" else ("/dev/tty", "/dev/tty")
    with ExitStack() as stack:
        try:
            # A terminal is not seekable, so it is opened twice: once for each direction.
            source = stack.enter_context(open(names[0], encoding="utf-8", errors="replace"))
            screen = stack.enter_context(open(names[1], "w", encoding="utf-8", errors="replace"))
        except OSError:
            raise PlanRefused("There is no terminal to ask on.", hint="Run this in a terminal window of your own.") from None
        screen.write(f"{os.linesep if sys.platform == 'win32' else ''}")
        screen.write("\n".join([*plan_lines(plan.preview), f"plan: {plan.short}", "", f"Type exactly: {plan.phrase}", "> "]))
        screen.flush()
        return source.readline()
