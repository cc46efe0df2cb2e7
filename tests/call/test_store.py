"""Plans on disk: a yes counts once, for the plan that was shown, in its time, and whoever asks first."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.guard.plan import Plan, draft
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
from cipp_mcp.errors import PlanRefused
from tests.call.making import ME, case, some, user

BEGAN = 1_700_000_000.0
MINUTE, HOUR = 60.0, 3600.0


class Folder:
    """One state folder with a clock that is set by hand."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.now = BEGAN
        self.store = self.another()

    def another(self) -> PlanStore:
        """The same folder as another process sees it."""
        return PlanStore(Vault(self.place), lambda: self.now)

    def saved(self, held: bool = False, number: int = 1) -> Plan:
        target = user(f"user{number}@fabrikam.example", number)
        made = draft(
            case("clear_user_immutable_id", {"user_id": target.name}, target), {"what_if": "x"}, ME, "p", now=self.now, held=held
        )
        self.store.save(made)
        return made

    def file(self, plan: Plan, kind: str = "json") -> Path:
        return self.place / "plans" / f"{plan.id}.{kind}"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "home")


def refused(folder: Folder, plan_id: object, says: str = "plan") -> bool:
    with pytest.raises(PlanRefused, match=says):
        folder.another().get(plan_id, ME)
    return True


def test_a_saved_plan_is_found_by_its_id_and_by_its_digest(folder: Folder) -> None:
    plan = folder.saved()
    assert folder.another().get(plan.id, ME) == plan
    assert folder.another().waiting(plan.digest, ME) == plan
    assert folder.another().approval(plan) is None


MADE_UP = [
    "",
    "plan_",
    "plan_" + "0" * 32,
    "plan_" + "0" * 31,
    "PLAN_" + "0" * 32,
    "../plans/x",
    "plan_" + "0" * 32 + "\n",
    "yes",
    "true",
]
MADE_UP += [None, True, 1, 1.5, [], {}, b"plan_"]  # type: ignore[list-item]


@pytest.mark.parametrize("plan_id", MADE_UP, ids=repr)
def test_a_made_up_id_is_refused(folder: Folder, plan_id: object) -> None:
    folder.saved()
    assert refused(folder, plan_id)


@pytest.mark.parametrize("field", ["os_user", "operator", "client_id"])
def test_a_foreign_plan_is_no_plan(folder: Folder, field: str) -> None:
    plan = folder.saved()
    with pytest.raises(PlanRefused, match="no such plan"):
        folder.store.get(plan.id, replace(ME, **{field: "other"}))
    assert folder.store.waiting(plan.digest, replace(ME, **{field: "other"})) is None


# Seconds after the plan was made (and, with a yes, after the yes), and whether it may still run.
LIFE = [
    (False, None, 14 * MINUTE, True),
    (False, None, 16 * MINUTE, False),
    (True, None, 23 * HOUR, True),
    (True, None, 25 * HOUR, False),
    (False, 14 * MINUTE, 23 * MINUTE, True),
    (False, 14 * MINUTE, 25 * MINUTE, False),
    (True, 23 * HOUR, 23 * HOUR + 9 * MINUTE, True),
    (True, 23 * HOUR, 23 * HOUR + 11 * MINUTE, False),
    (True, 1 * MINUTE, 12 * MINUTE, False),
    (False, None, -30.0, True),
    (False, None, -2 * MINUTE, False),
    (False, 1 * MINUTE, -2 * MINUTE, False),
    (True, None, -2 * HOUR, False),
]


@pytest.mark.parametrize(("held", "yes_at", "now", "good"), LIFE)
def test_a_plan_lives_as_long_as_it_says_and_not_on_a_clock_that_was_set_back(
    folder: Folder, held: bool, yes_at: float | None, now: float, good: bool
) -> None:
    plan = folder.saved(held)
    if yes_at is not None:
        folder.now = BEGAN + yes_at
        folder.store.approve(plan, "terminal")
    folder.now = BEGAN + now
    assert (plan in folder.another().all()) is good
    assert good or refused(folder, plan.id, "expired")


def test_a_yes_that_comes_too_late_is_none(folder: Folder) -> None:
    plan = folder.saved()
    folder.now = BEGAN + 16 * MINUTE
    folder.store.approve(plan, "terminal")
    assert refused(folder, plan.id, "expired")


def test_only_the_first_yes_counts(folder: Folder) -> None:
    plan = folder.saved()
    folder.store.approve(plan, "terminal")
    folder.now += 5 * MINUTE
    folder.store.approve(plan, "page")
    yes = folder.another().approval(plan)
    assert yes is not None
    assert (yes.channel, yes.at) == ("terminal", BEGAN)


@pytest.mark.parametrize("why", ["applied", "declined", "stale"])
def test_a_used_plan_never_runs_again_whatever_it_was_used_for(folder: Folder, why: str) -> None:
    plan = folder.saved()
    folder.store.approve(plan, "terminal")
    assert folder.store.claim(plan, why)
    assert not folder.another().claim(plan)
    assert refused(folder, plan.id, "used already")
    assert folder.another().waiting(plan.digest, ME) is None


def test_of_32_threads_exactly_one_uses_a_plan(folder: Folder) -> None:
    plan = folder.saved()
    gate = threading.Barrier(32)
    won: list[bool] = []

    def race() -> None:
        store = folder.another()
        gate.wait(10)
        won.append(store.claim(plan))

    threads = [threading.Thread(target=race) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(won) == [False] * 31 + [True]


RACER = """
import sys
from pathlib import Path
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.store import PlanStore
store = PlanStore(Vault(Path(sys.argv[1])), lambda: float(sys.argv[3]))
plan = store.get(sys.argv[2], Owner(*sys.argv[4:7]))
print("ready", flush=True)
sys.stdin.readline()
print(store.claim(plan), flush=True)
"""


def test_of_several_processes_exactly_one_uses_a_plan(folder: Folder) -> None:
    plan = folder.saved()
    about = [str(folder.place), plan.id, str(BEGAN), ME.os_user, ME.operator, ME.client_id]
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, *about], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        said = [racer.communicate("go\n", timeout=30)[0].strip() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate(timeout=30)
    assert sorted(said) == ["False", "False", "True"]


def _other_phrase(folder: Folder, plan: Plan) -> None:
    raw = json.loads(folder.file(plan).read_bytes())
    raw["plan"]["phrase"] = "yes"
    folder.file(plan).write_bytes(json.dumps(raw).encode())


def _other_name(folder: Folder, plan: Plan) -> None:
    folder.file(plan).rename(folder.file(replace(plan, id="plan_" + "f" * 32)))


def _no_seal(folder: Folder, plan: Plan) -> None:
    raw = json.loads(folder.file(plan).read_bytes())
    folder.file(plan).write_bytes(json.dumps({"plan": raw["plan"], "mac": None}).encode())


def _another_key(folder: Folder, plan: Plan) -> None:
    other = Vault(folder.place.parent / "other")
    record = plan.record()
    folder.file(plan).write_bytes(json.dumps({"plan": record, "mac": other.seal("plan", record)}).encode())


def _another_purpose(folder: Folder, plan: Plan) -> None:
    record = plan.record()
    mac = Vault(folder.place).seal("yes", record)
    folder.file(plan).write_bytes(json.dumps({"plan": record, "mac": mac}).encode())


FORGED_PLANS: dict[str, Callable[[Folder, Plan], object]] = {
    "another phrase": _other_phrase,
    "another id": _other_name,
    "no seal": _no_seal,
    "the seal of another folder": _another_key,
    "the seal of another purpose": _another_purpose,
    "cut": lambda f, p: f.file(p).write_bytes(f.file(p).read_bytes()[:-20]),
    "empty": lambda f, p: f.file(p).write_bytes(b""),
    "a list": lambda f, p: f.file(p).write_bytes(b"[]"),
    "not text": lambda f, p: f.file(p).write_bytes(b"\xff\xfe\x00"),
    "too deep": lambda f, p: f.file(p).write_bytes(b"[" * 100_000),
    "no number": lambda f, p: f.file(p).write_bytes(b'{"plan": {"created": NaN}, "mac": "x"}'),
    "a folder": lambda f, p: (f.file(p).unlink(), f.file(p).mkdir()),
}


@pytest.mark.parametrize("how", FORGED_PLANS)
def test_a_forged_plan_is_no_plan_and_hides_no_other(folder: Folder, how: str) -> None:
    plan, other = folder.saved(), folder.saved(number=2)
    FORGED_PLANS[how](folder, plan)
    assert refused(folder, plan.id, "no such plan")
    assert refused(folder, "plan_" + "f" * 32, "no such plan")
    assert folder.another().all() == [other]


def _yes_of(folder: Folder, plan: Plan, **changes: object) -> None:
    """A yes with changed content under the seal of the right one."""
    folder.store.approve(plan, "terminal")
    raw = json.loads(folder.file(plan, "yes").read_bytes())
    folder.file(plan, "yes").write_bytes(json.dumps({"yes": raw["yes"] | changes, "mac": raw["mac"]}).encode())


def _yes_of_another(folder: Folder, plan: Plan) -> None:
    other = folder.saved(number=2)
    folder.store.approve(other, "terminal")
    folder.file(plan, "yes").write_bytes(folder.file(other, "yes").read_bytes())


FORGED_YESES: dict[str, Callable[[Folder, Plan], object]] = {
    "an empty file": lambda f, p: f.file(p, "yes").write_bytes(b""),
    "true": lambda f, p: f.file(p, "yes").write_bytes(b"true"),
    "no seal": lambda f, p: f.file(p, "yes").write_bytes(b'{"yes": {"plan": "x"}}'),
    "that of another plan": _yes_of_another,
    "another time": lambda f, p: _yes_of(f, p, at=BEGAN + 9e9),
    "another digest": lambda f, p: _yes_of(f, p, digest="0" * 64),
    "another channel": lambda f, p: _yes_of(f, p, channel="flag"),
    "too deep": lambda f, p: f.file(p, "yes").write_bytes(b"[" * 100_000),
    "no number": lambda f, p: f.file(p, "yes").write_bytes(b'{"yes": {"at": 1e999}, "mac": "x"}'),
}


@pytest.mark.parametrize("how", FORGED_YESES)
def test_a_forged_yes_is_none(folder: Folder, how: str) -> None:
    plan = folder.saved()
    FORGED_YESES[how](folder, plan)
    assert folder.another().approval(plan) is None


@some
@given(kind=st.sampled_from(["json", "yes"]), at=st.integers(0, 10_000), new=st.integers(0, 255))
def test_no_changed_byte_makes_another_plan_or_another_yes(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, new: int
) -> None:
    folder = Folder(tmp_path_factory.mktemp("edited"))
    plan = folder.saved()
    folder.store.approve(plan, "terminal")
    content = bytearray(folder.file(plan, kind).read_bytes())
    content[at % len(content)] = new
    folder.file(plan, kind).write_bytes(bytes(content))
    store = folder.another()
    assert store.all() in ([], [plan])
    yes = store.approval(plan)
    assert yes is None or (yes.channel, yes.at) == ("terminal", BEGAN)


def test_what_is_kept_belongs_to_its_owner_alone(folder: Folder) -> None:
    plan = folder.saved()
    folder.store.approve(plan, "terminal")
    folder.store.claim(plan)
    if sys.platform != "win32":
        files = [p for p in folder.place.rglob("*") if p.is_file()]
        assert {p.stat().st_mode & 0o077 for p in [folder.place, folder.place / "plans", *files]} == {0}


def test_old_plans_are_swept_and_no_draft_is_left(folder: Folder) -> None:
    old = folder.saved()
    folder.now = time.time() + 3 * 24 * HOUR
    folder.saved(number=2)
    assert not folder.file(old).exists()
    assert [p.name for p in (folder.place / "plans").glob(".*")] == []
