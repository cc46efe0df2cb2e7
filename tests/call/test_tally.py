"""The counts on disk: whatever somebody makes of their file, no ceiling is passed and nobody sees a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cipp_mcp.call.guard.policy import Ceilings
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.call.guard.tally import FILE, Tally
from cipp_mcp.errors import PolicyRefused
from tests.call.making import case, user

REMOVE = case("remove_user", {"user_id": "ana@fabrikam.example"}, user())
ONE = Ceilings(remove_per_hour=1)


def counting(home: Path) -> Tally:
    return Tally(Vault(home), lambda: 1_700_000_000.0, "robin")


def test_a_ceiling_holds_for_another_process_of_the_same_folder(tmp_path: Path) -> None:
    counting(tmp_path).admit(REMOVE, ONE, flag=False)
    with pytest.raises(PolicyRefused, match="remove_per_hour"):
        counting(tmp_path).admit(REMOVE, ONE, flag=False)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"entries": []}',
        b'{"entries": {"what": "remove"}, "mac": "x"}',
        b'{"entries": [{"what": "remove", "at": "soon"}], "mac": null}',
        b'{"entries": [{"what": "remove", "at": NaN}], "mac": "x"}',
        b"[" * 200_000,
        b'{"entries":' * 100_000,
    ],
    ids=lambda raw: raw[:24].decode("latin-1"),
)
def test_damaged_counts_refuse_instead_of_starting_anew(tmp_path: Path, damage: bytes) -> None:
    tally = counting(tmp_path)
    tally.admit(REMOVE, ONE, flag=False)
    (tmp_path / FILE).write_bytes(damage)
    for asks in (lambda: tally.admit(REMOVE, ONE, flag=False), tally.note_unknown, tally.breaker_open, tally.reset_breaker):
        with pytest.raises(PolicyRefused, match="damaged"):
            asks()
    (tmp_path / FILE).unlink()
    tally.admit(REMOVE, ONE, flag=False)


def test_counts_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(PolicyRefused, match="damaged"):
        counting(tmp_path).admit(REMOVE, ONE, flag=False)


def test_an_entry_that_was_taken_out_by_hand_is_seen(tmp_path: Path) -> None:
    tally = counting(tmp_path)
    tally.admit(REMOVE, ONE, flag=False)
    kept = json.loads((tmp_path / FILE).read_bytes())
    (tmp_path / FILE).write_text(json.dumps(kept | {"entries": []}), encoding="utf-8")
    with pytest.raises(PolicyRefused, match="damaged"):
        tally.admit(REMOVE, ONE, flag=False)
