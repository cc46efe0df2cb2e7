"""The one look at the folder that every read takes instead of reading it: it never misses a list that is waited for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cipp_mcp.call.case import Case
from cipp_mcp.call.guard.plan import Owner
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.operations import OperationBook, key_of, new_operation_id
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.manifests import Catalog

WITHIN = 3600.0


@pytest.fixture
def case(catalog: Catalog) -> Case:
    return Case(catalog.get("list_users"), {"tenant_filter": "fabrikam.example"}, Effect.READ, {})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return tmp_path


def book(home: Path) -> OperationBook:
    """As each process of the folder has one."""
    return OperationBook(Vault(home), time.time, Owner("somebody", "", "client"), "here")


def aged(home: Path) -> None:
    """As if the folder's last change were a minute ago."""
    minute_ago = time.time() - 60
    os.utime(home / "operations", (minute_ago, minute_ago))


def test_a_folder_is_looked_into_once_and_then_only_at(home: Path, case: Case) -> None:
    ours = book(home)

    assert not ours.no_read_waits()
    assert ours.waiting(key_of(case), WITHIN) is None
    assert ours.no_read_waits()


def test_a_list_that_another_process_waits_for_is_seen_at_once(home: Path, case: Case) -> None:
    ours, theirs = book(home), book(home)
    ours.waiting(key_of(case), WITHIN)
    kept = theirs.begin_read(new_operation_id(), case, "queue")

    assert not ours.no_read_waits()
    assert ours.waiting(key_of(case), WITHIN) == kept
    aged(home)
    assert ours.waiting(key_of(case), WITHIN) == kept
    assert not ours.no_read_waits()  # as long as one waits, each is asked for
    theirs.drop(kept)
    assert ours.waiting(key_of(case), WITHIN) is None


def test_a_folder_that_has_just_changed_is_not_taken_as_looked_into(home: Path, case: Case) -> None:
    ours = book(home)
    ours.drop(ours.begin_read(new_operation_id(), case, "queue"))

    assert ours.waiting(key_of(case), WITHIN) is None
    assert not ours.no_read_waits()
    aged(home)
    assert ours.waiting(key_of(case), WITHIN) is None
    assert ours.no_read_waits()


def test_an_old_one_that_cannot_be_taken_away_hides_no_other(home: Path, case: Case) -> None:
    """As on Windows, where another process may have it open: here a folder stands in its place."""
    ours = book(home)
    kept = ours.begin_read(new_operation_id(), case, "queue")
    stuck = home / "operations" / f"{new_operation_id()}.json"
    stuck.mkdir()
    os.utime(stuck, (1.0, 1.0))

    assert ours.all() == [kept]
