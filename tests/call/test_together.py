"""What threads and processes may reach for at the same moment: one handle opened by many, one folder's key made by many, a
file replaced while somebody reads it (which only Windows refuses, so that its refusal is played).
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import keyring
import keyring.backend
import pytest

from cipp_mcp.call.guard.handover import SecretBook
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.errors import AuditUnavailable

T = TypeVar("T")
MANY = 8


def at_once(work: Callable[[int], T]) -> list[T]:
    """What the work gives for each number, all begun at the same moment."""
    together = Barrier(MANY, timeout=60)

    def begun(number: int) -> T:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(begun, range(MANY)))


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_of_many_who_open_one_handle_at_once_one_gets_it_while_others_are_kept() -> None:
    for _ in range(100):
        book = SecretBook(time.time)
        handle = book.keep(("wanted",))
        for _ in range(50):
            book.keep(("other",))

        def opened(number: int, book: SecretBook = book, one: str = handle.id) -> tuple[str, ...] | None:
            return book.take(one) if number % 4 else book.take(book.keep(("mine",)).id)

        got = at_once(opened)
        assert got.count(("wanted",)) == 1 and got.count(("mine",)) == MANY // 4


class SlowRing(keyring.backend.KeyringBackend):
    """A keyring whose writes take longer than its reads, as that of a desktop. Chosen by this test alone."""

    priority = -1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        time.sleep(0.05)
        self.kept[service, username] = password


@pytest.fixture
def slow_ring() -> Iterator[None]:
    before, made = keyring.get_keyring(), SlowRing()
    made.priority = 5
    keyring.set_keyring(made)
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("slow_ring")
def test_of_many_who_use_a_folder_first_all_seal_with_one_key(tmp_path: Path) -> None:
    def key(number: int) -> bytes:
        time.sleep(0.01 * number)  # some come while the keyring is still being written
        return Vault(tmp_path / "home").key

    assert len(set(at_once(key))) == 1


@pytest.mark.parametrize(("refusals", "kept"), [(3, b"new"), (10**6, b"old")], ids=["for a moment", "for good"])
def test_a_file_that_somebody_reads_is_replaced_when_they_are_done(
    refusals: int, kept: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, left = Vault(tmp_path), iter(range(refusals))
    vault.replace("plan.json", b"old")
    move = os.replace

    def refuse(draft: Path, place: Path) -> None:
        if next(left, None) is not None:
            raise PermissionError(13, "in use by another process")
        move(draft, place)

    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        windows.setattr(os, "replace", refuse)
        with contextlib.suppress(AuditUnavailable):
            vault.replace("plan.json", b"new")
    assert vault.read("plan.json") == kept
    assert [f.name for f in tmp_path.iterdir()] == ["plan.json"]
