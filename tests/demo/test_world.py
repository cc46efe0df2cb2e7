"""The world by itself: the same in every run, honest in its ledger, safe to rehearse, cheap to import."""

from __future__ import annotations

import subprocess
import sys
import threading
import unicodedata
from datetime import UTC, datetime

import pytest

from cipp_mcp.demo import people
from cipp_mcp.demo.world import World

F = "fabrikam.example"
ANA = "ana@fabrikam.example"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_ids_and_secrets_are_the_same_in_every_run() -> None:
    first, second = (World.fresh(START) for _ in range(2))
    for one, other in zip(first.tenants, second.tenants, strict=True):
        assert list(one.table("users")) == list(other.table("users"))
        assert list(one.table("groups")) == list(other.table("groups"))
    assert first.secrets == second.secrets
    assert first.new_id("task") == second.new_id("task")


def test_the_clock_can_be_set_and_moved() -> None:
    world = World.fresh(START)
    assert (world.now() - START).total_seconds() < 60
    world.advance(3600)
    assert 3600 <= (world.now() - START).total_seconds() < 3660


def test_what_the_tests_of_other_rooms_count_on() -> None:
    world = World.fresh()
    listed = {tenant.default_domain for tenant in world.known()}
    assert "woodgrove.example" not in listed
    assert world.tenant("tailspindemo.onmicrosoft.com").initial_domain == "tailspindemo.onmicrosoft.com"
    assert sum(tenant.display_name == "Northwind Traders" for tenant in world.known()) == 2
    contoso = world.tenant("contoso.example")
    admins = next(role for role in contoso.rows("roles") if role["displayName"] == "Global Administrator")["_members"]
    assert [contoso.one("users", key)["accountEnabled"] for key in admins] == [True, False]
    ana = world.tenant(F).user(ANA)
    assert ana is not None
    assert (ana["onPremisesSyncEnabled"], bool(ana["onPremisesImmutableId"])) == (None, True)
    names = "".join(user["displayName"] for user in world.tenant(F).rows("users"))
    assert {"Cc", "Cf"} <= {unicodedata.category(letter) for letter in names}


def test_no_change_is_no_effect() -> None:
    world = World.fresh()
    tenant = world.tenant(F)
    people.set_sign_in(world, tenant, ANA, True)
    assert world.ledger == ()
    people.set_sign_in(world, tenant, ANA, False)
    assert [(effect.number, effect.verb, effect.target_name) for effect in world.ledger] == [(1, "disable", ANA)]


def test_a_rehearsal_leaves_nothing_but_its_secrets() -> None:
    world = World.fresh()
    with world.rehearsal():
        password = people.set_password(world, world.tenant(F), ANA, True)
        people.delete_user(world, world.tenant(F), ANA)
        assert len(world.ledger) == 2
    assert world.ledger == ()
    assert world.tenant(F).user(ANA) is not None
    assert password in world.secrets


def test_a_ghost_swallows_everything() -> None:
    world = World.fresh()
    ghost = world.reach("woodgrove.example")
    people.delete_user(world, ghost, "ana@woodgrove.example")
    people.set_password(world, ghost, "ana@woodgrove.example", True)
    assert ghost.rows("users") == []
    assert world.ledger == ()


def test_the_partner_is_what_no_name_means() -> None:
    world = World.fresh()
    assert world.reach(None) is world.reach("") is world.partner


@pytest.mark.parametrize("workers", [8])
def test_many_threads_number_their_effects_without_a_gap(workers: int) -> None:
    world = World.fresh()

    def toggle() -> None:
        for _ in range(50):
            with world.lock:
                user = world.tenant(F).user(ANA)
                assert user is not None
                people.set_sign_in(world, world.tenant(F), ANA, not user["accountEnabled"])

    threads = [threading.Thread(target=toggle) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [effect.number for effect in world.ledger] == list(range(1, workers * 50 + 1))


def test_importing_the_room_loads_neither_sockets_nor_other_rooms() -> None:
    code = "import sys, cipp_mcp.demo; print([m for m in sys.modules if m in ('h11', 'anyio', 'httpx', 'mcp')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_serving_loads_no_other_room() -> None:
    code = (
        "import sys, cipp_mcp.demo.serve; own = [m for m in sys.modules if m.startswith('cipp_mcp')]; "
        "print([m for m in own if m not in ('cipp_mcp', 'cipp_mcp.demo') and not m.startswith('cipp_mcp.demo.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout.strip() == "[]"
