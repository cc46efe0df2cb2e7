"""The figures of the guard, and the other way round: daily work that must not meet a ceiling.

Sampled here; the whole runs with `python -m pytest -m slow tests/guard`.
"""

from __future__ import annotations

import base64
import json
import logging
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from cipp_mcp.call.desk import Caller
from cipp_mcp.call.guard.approve import Reply, Ruling
from cipp_mcp.call.guard.plan import Plan
from cipp_mcp.call.guard.policy import Policy, Rules, parse_policy
from cipp_mcp.errors import SettingsError
from tests.guard.siege import ANA, FABRIKAM, TARGETS, Siege, siege

pytestmark = pytest.mark.anyio
SCALE = pytest.mark.parametrize("share", [0.01, pytest.param(1.0, marks=pytest.mark.slow)], ids=["sample", "whole"])


class Person:
    """A person who says yes to everything that is put to her."""

    name = "person"

    async def ask(self, plan: Plan) -> Ruling:
        return Ruling(Reply.YES, self.name)


YES = Caller(channels=[Person()], client="desk work")


@SCALE
async def test_two_thousand_previews_send_nothing_that_changes(share: float, tmp_path: Path) -> None:
    with siege(tmp_path) as at, anyio.fail_after(600):
        async with at.desk() as desk:
            for n in range(int(2000 * share)):
                tool = list(TARGETS)[n % len(TARGETS)]
                outcome = await at.call(desk, tool, TARGETS[tool], Caller(hold=bool(n % 2)))
                assert outcome.word == "needs_approval", outcome.envelope()
        assert at.effects() == 0
        assert not [r for r in at.box.requests if r.method == "POST" and not r.is_token]


PROTECTING = f"""
[protected]
objects = ["breakglass@*", "{ANA}"]
groups = ["All Staff"]
privileged_roles = "refuse"
"""


@SCALE
async def test_a_thousand_attempts_on_protected_targets_hit_none(share: float, tmp_path: Path) -> None:
    dice = Random(7)
    with siege(tmp_path) as at, anyio.fail_after(600):
        (tmp_path / "policy.toml").write_text(PROTECTING, encoding="utf-8")
        tenant = at.box.world.tenant(FABRIKAM)
        names = [ANA, f"breakglass@{FABRIKAM}", f"kim@{FABRIKAM}"]
        sync = next(u["userPrincipalName"] for u in tenant.rows("users") if str(u["userPrincipalName"]).startswith("Sync_"))
        async with at.desk() as desk:
            for _ in range(int(1000 * share)):
                user = dice.choice([*names, sync])
                key = dice.choice([user, user.upper(), tenant.user(user)["id"]])
                tool = dice.choice(["set_user_sign_in", "remove_user", "reset_user_password", "reset_user_mfa", "offboard_user"])
                arguments: dict[str, Any] = {"tenant_filter": FABRIKAM, "user_id": key}
                if tool == "offboard_user":
                    arguments = {"tenant_filter": FABRIKAM, "users": [key], "disable_sign_in": True}
                if tool == "set_user_sign_in":
                    arguments["enabled"] = False
                outcome = await at.call(desk, tool, arguments, YES)
                assert outcome.word == "refused", outcome.envelope()
        assert at.effects() == 0


async def test_the_last_enabled_global_administrator_is_refused_and_a_failed_look_up_protects(tmp_path: Path) -> None:
    with siege(tmp_path) as at, anyio.fail_after(60):
        async with at.desk() as desk:
            admin = {"tenant_filter": "contoso.example", "user_id": "admin@contoso.example", "enabled": False}
            outcome = await at.call(desk, "set_user_sign_in", admin, YES)
            assert outcome.word == "refused" and "last enabled Global Administrator" in outcome.message
        assert at.effects() == 0


BATCH = 50


@SCALE
async def test_no_secret_is_in_any_sink(share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Results, errors, logs, audit, plans, operations, repr: in plain, base64, hex, URL and JSON-escaped form."""
    caplog.set_level(logging.DEBUG)
    files = Files(tmp_path / "home")
    checked: set[str] = set()
    with siege(tmp_path / "home") as at, anyio.fail_after(3600):
        at.home.mkdir(parents=True)
        ceilings = "[ceilings]\nremove_per_hour = 100000\nremove_per_day = 100000\nreveal_per_hour = 100000\n"
        (at.home / "policy.toml").write_text(ceilings, encoding="utf-8")
        devices = at.box.world.tenant(FABRIKAM).tables["managed_devices"].values()
        device = next(str(d["azureADDeviceId"]) for d in devices if d["_laps"])
        always, before = at.box.secrets, list[str]()
        async with at.desk(within=50) as desk:
            for batch in range(max(int(5000 * share) // BATCH, 1)):
                sinks: list[str] = []
                for n in range(batch * BATCH, (batch + 1) * BATCH):
                    outcome = await at.call(desk, *_secret_call(n, device), YES)
                    assert outcome.word == "done", outcome.envelope()
                    sinks += [json.dumps(outcome.envelope()), repr(outcome), repr(desk)]
                new = [s for s in at.box.secrets if s not in checked]
                assert len(new) >= BATCH // 2
                whole = "\n".join([*sinks, caplog.text, *files.news()])
                # All against all would take hours: each is looked for two batches long, what the box began with always.
                assert [f for s in (*new, *before, *always) for f in _forms(s) if f in whole] == []
                before, checked = new, checked.union(new)
                caplog.clear()
    print(f"\n{len(checked)} secrets, none in any sink")


def _secret_call(n: int, device: str) -> tuple[str, dict[str, Any]]:
    """A new account with its password, a pass for that account, a local administrator's password; in turns."""
    match n % 3:
        case 0:
            names = {"username": f"new{n}", "domain": FABRIKAM, "display_name": f"New {n}"}
            return "add_user", {"tenant_filter": FABRIKAM, **names}
        case 1:
            return "create_temporary_access_pass", {"tenant_filter": FABRIKAM, "user_id": f"new{n - 1}@{FABRIKAM}"}
        case _:
            return "reveal_local_admin_password", {"tenant_filter": FABRIKAM, "device_id": device}


def _forms(secret: str) -> tuple[str, ...]:
    raw = secret.encode()
    quoted, escaped = urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1]
    return (secret, base64.b64encode(raw).decode(), raw.hex(), quoted, escaped)


class Files:
    """What is new in a folder of JSON files since it was last looked at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[int, int]] = {}

    def news(self) -> Iterator[str]:
        for file in self._folder.rglob("*.json*"):
            state = file.stat()
            size, changed = self._seen.get(file, (0, 0))
            if state.st_mtime_ns != changed:
                text = file.read_bytes()
                appended = file.suffix == ".jsonl" and state.st_size > size
                yield text[size if appended else 0 :].decode("utf-8", "replace")
            self._seen[file] = (state.st_size, state.st_mtime_ns)


async def test_an_afternoon_of_ten_leavers_meets_no_ceiling(tmp_path: Path) -> None:
    with siege(tmp_path) as at, anyio.fail_after(120):
        people = _people(at)[:10]
        async with at.desk() as desk:
            for user in people:
                steps = {"disable_sign_in": True, "revoke_sessions": True, "remove_licenses": True}
                outcome = await at.call(desk, "offboard_user", {"tenant_filter": FABRIKAM, "users": [user], **steps}, YES)
                assert outcome.word == "accepted", outcome.envelope()
        assert len([e for e in at.box.world.ledger if e.endpoint == "ExecOffboardUser"]) == 10


async def test_a_reset_desk_with_forty_passwords_meets_no_ceiling(tmp_path: Path) -> None:
    with siege(tmp_path) as at, anyio.fail_after(120):
        people = _people(at)
        async with at.desk() as desk:
            for n in range(40):
                if n and n % len(people) == 0:
                    at.clock.shift += 15 * 60  # the same people again, a quarter of an hour later
                    at.box.world.advance(15 * 60)
                user = people[n % len(people)]
                outcome = await at.call(desk, "reset_user_password", {"tenant_filter": FABRIKAM, "user_id": user}, YES)
                assert outcome.word == "done", outcome.envelope()


async def test_an_incident_on_two_accounts_meets_no_ceiling(tmp_path: Path) -> None:
    with siege(tmp_path) as at, anyio.fail_after(60):
        async with at.desk() as desk:
            for user in (ANA, f"hana@{FABRIKAM}"):
                who = {"tenant_filter": FABRIKAM, "user_id": user}
                for tool, more in (
                    ("revoke_user_sessions", {}),
                    ("reset_user_password", {}),
                    ("set_user_sign_in", {"enabled": False}),
                ):
                    outcome = await at.call(desk, tool, who | more, YES)
                    assert outcome.word in {"done", "claimed"}, outcome.envelope()


def _people(at: Siege) -> list[str]:
    """Cloud members of Fabrikam without a privileged role."""
    users = at.box.world.tenant(FABRIKAM).rows("users")
    roles = ("kim@", "breakglass@", "Sync_", "jun@")
    cloud = [u for u in users if u.get("userType") == "Member" and not u.get("onPremisesSyncEnabled")]
    return [name for u in cloud if not (name := str(u["userPrincipalName"])).startswith(roles)]


KEYS = ("read_only", "approval", "tenants", "effects", "groups", "tools", "tenant_rules", "protected", "ceilings", "surprise")
VALUES: tuple[Any, ...] = (
    True, "flag", "person", "allow", "ask", "refuse", ["fabrikam.example"], {}, {"remove": "refuse"}, {"remove": "allow"},
    {"user": "ask"}, {"remove_user": "refuse"}, {"objects": ["*"]}, -1, 10**9, None,
)  # fmt: skip
BROKEN = ("[[", "x =", "read_only = false\n", "\x00", "[tools]\na.b = 1")


def test_five_hundred_broken_or_contradicting_policy_files_widen_no_right() -> None:
    dice = Random(11)
    loaded = 0
    for _ in range(500):
        chosen = {k: dice.choice(VALUES) for k in dice.sample(KEYS, dice.randint(1, 4))}
        text = "".join(f"{k} = {_toml(v)}\n" for k, v in chosen.items())
        text = text if dice.random() < 0.8 else text + dice.choice(BROKEN)
        try:
            rules = parse_policy(text)
        except SettingsError:
            continue
        loaded += 1
        assert _not_wider(rules)
    assert loaded > 10


def _not_wider(rules: Rules) -> bool:
    """Defaults are the widest that a file reaches without naming a key whose whole purpose is to widen."""
    default = Policy()
    policy = Policy(rules)
    same = policy.approval == default.approval and not rules.dangerously_inline_secrets and not rules.all_tenants_writes
    named = (rules.effects, rules.groups, rules.tools, rules.tenant_rules)
    return same and all(v in {"ask", "refuse"} for m in named for v in m.values())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value) if value is not None else '""'
