"""`cipp-mcp approve` and `reveal`: a plan answered, a secret shown, on the controlling terminal.

Reads the terminal itself, never standard input, a flag or a variable, so that a pipe cannot say yes.
"""

from __future__ import annotations

import contextlib
import html
import http.client
import json
import re
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from cipp_mcp.asking import TERMINAL, at_terminal
from cipp_mcp.call.guard.pin import MOST_TRIES
from cipp_mcp.call.guard.plan import Owner, Plan, typed_right
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.errors import PlanRefused, SettingsError
from cipp_mcp.terminal import plan_lines

_HANDLE = re.compile(r"secret_[0-9a-f]{32}")
Record = Callable[[str, dict[str, object]], object]


def approve(plan_id: str, store: PlanStore, owner: Owner, record: Record, pin: Callable[[str], bool] | None = None) -> str:
    """Show the plan, read the phrase (and the PIN, where one is set), store the yes; returns the sentence for the person.

    Raises:
        PlanRefused: no such plan, no terminal, or the phrase or the PIN was wrong.
    """
    try:
        plan = store.get(plan_id, owner)
    except PlanRefused as refused:
        raise PlanRefused(refused.message, hint="`cipp-mcp plans` lists those that wait.") from None
    if store.approval(plan) is not None:
        return "This plan is approved already. Make the same call with confirm to run it."
    wrong = _ask_terminal(plan, pin)
    about: dict[str, object] = {"plan": plan.id, "plan_digest": plan.digest, "action": plan.action, "channel": "terminal"}
    if wrong:
        record("approve", about | {"reply": "no"})
        store.claim(plan, "declined")
        raise PlanRefused(
            f"That is not the {wrong}; the plan is declined.", hint="Nothing was sent. A new call makes a new plan."
        )
    store.approve(plan, "terminal")
    record("approve", about | {"reply": "yes"})
    return "Approved. A waiting call runs now; otherwise make the same call with confirm within 10 minutes."


def show(text: str) -> bool:
    """Write to the controlling terminal, past any pipe; False where there is none."""
    try:
        with open(TERMINAL[1], "w", encoding="utf-8", errors="replace") as screen:
            screen.write(f"{text}\n")
    except OSError:
        return False
    return True


def reveal(handle_id: str, vault: Vault) -> str:
    """Open a secret once, from the process that keeps it, and show it on the controlling terminal.

    Raises:
        PlanRefused: no such secret, it was opened before, or there is no terminal.
    """
    gone = PlanRefused(
        "There is no such secret here: it was opened, its five minutes are up, or its server has ended.",
        hint="If nobody has it, make the change again: that gives a new one.",
    )
    if not _HANDLE.fullmatch(handle_id):
        raise gone
    try:
        address = str(json.loads(vault.read(f"reveal/{handle_id}.json") or b"{}")["address"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise gone from None
    if not show("The secret, shown once:"):
        raise PlanRefused("There is no terminal to show it on.", hint="Run this in a terminal window of your own.")
    secret = _fetch(address)
    vault.remove(f"reveal/{handle_id}.json")
    if secret is None:
        raise gone
    show(secret)
    return "It is not kept anywhere; copy it now."


def _fetch(address: str) -> str | None:
    """Press the button of the secret's page, as a browser would."""
    parts = urlsplit(address)
    if parts.hostname != "127.0.0.1":
        return None
    try:
        with contextlib.closing(http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=10)) as connection:
            connection.request("GET", parts.path)
            page = connection.getresponse()
            token = re.search(r'name="csrf" value="([0-9a-f]+)"', page.read().decode("utf-8"))
            cookie = (page.getheader("Set-Cookie") or "").partition(";")[0]
            if token is None:
                return None
            headers = {"Origin": f"http://{parts.netloc}", "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", parts.path, urlencode({"csrf": token[1]}), headers)
            shown = re.search(r'<p class="secret"[^>]*>(.*?)</p>', connection.getresponse().read().decode("utf-8"), re.DOTALL)
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None
    return html.unescape(shown[1]) if shown else None


def _ask_terminal(plan: Plan, pin: Callable[[str], bool] | None) -> str:
    """What was typed wrongly; empty for a yes."""
    try:
        with at_terminal("cipp-mcp approve") as person:
            person.say("\n".join(["", *plan_lines(plan.preview), f"plan: {plan.short}", "", f"Type exactly: {plan.phrase}"]))
            if not typed_right(plan, person.ask("> ")):
                return "phrase"
            tries = MOST_TRIES if pin is not None else 0
            while pin is not None and tries:
                if pin(person.ask_hidden("PIN: ")):
                    return ""
                tries -= 1
            return "PIN" if pin is not None else ""
    except SettingsError:
        raise PlanRefused("There is no terminal to ask on.", hint="Run this in a terminal window of your own.") from None
