"""The trail under a hammer: edits of every kind are found, and `kill -9` loses no record that was confirmed.

Sampled here; the whole runs with `python -m pytest -m slow tests/guard`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from cipp_mcp.call.guard.audit import AuditTrail, verify
from cipp_mcp.call.guard.presence import Presence, close_orphans
from cipp_mcp.call.guard.seal import Vault

WRITER = """
import sys, time
from pathlib import Path
from cipp_mcp.call.guard.audit import AuditTrail
from cipp_mcp.call.guard.presence import Presence
from cipp_mcp.call.guard.seal import Vault

vault = Vault(Path(sys.argv[1]))
with Presence(vault) as here:
    trail = AuditTrail(vault, time.time, {"instance": here.instance})
    for n in range(10**6):
        kind = "outcome" if n % 3 == 2 else "intent"
        operation = f"{here.instance}-{n - 1 if kind == 'outcome' else n}"
        print(trail.append(kind, {"operation": operation}), kind, operation, flush=True)
"""


def edited(lines: list[bytes], dice: Random) -> bytes:
    """One edit that changes something: a byte, a line gone, twice, moved, foreign, or the end cut."""
    changed = list(lines)
    at = dice.randrange(len(lines))
    match dice.randrange(6):
        case 0:
            byte = dice.randrange(len(lines[at]) - 1)
            flipped = bytes([lines[at][byte] ^ dice.choice([1, 2, 4, 8, 16, 32])])
            changed[at] = lines[at][:byte] + flipped + lines[at][byte + 1 :]
        case 1:
            del changed[at]
        case 2:
            changed.insert(at, lines[at])
        case 3:
            other = (at + dice.randrange(1, len(lines))) % len(lines)
            changed[at], changed[other] = changed[other], changed[at]
        case 4:
            changed.insert(at, b'{"kind":"outcome","n":1}\n')
        case _:
            changed = changed[:at]
    return b"".join(changed)


@pytest.mark.parametrize("edits", [100, pytest.param(5_000, marks=pytest.mark.slow)], ids=["sample", "whole"])
def test_every_edit_of_the_trail_is_found(edits: int, tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    trail = AuditTrail(vault, lambda: 1_790_000_000.0, {})
    for n in range(30):
        trail.append("intent" if n % 2 else "outcome", {"operation": f"op_{n}", "targets": [{"name": "ana@fabrikam.example"}]})
    lines = trail.path.read_bytes().splitlines(keepends=True)
    dice = Random(5)
    for _ in range(edits):
        content = edited(lines, dice)
        trail.path.write_bytes(content)
        assert content == b"".join(lines) or not verify(trail.path, vault).whole


@pytest.mark.parametrize("rounds", [2, pytest.param(200, marks=pytest.mark.slow)], ids=["sample", "whole"])
def test_a_killed_writer_loses_no_confirmed_record_and_its_open_intents_are_told(rounds: int, tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    dice = Random(9)
    for _ in range(rounds):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(dice.randrange(1, 12))]
            child.kill()
            said += child.stdout.readlines()
        confirmed = [line.split() for line in said if line.endswith(b"\n")]
        trail = AuditTrail(vault, lambda: 1_790_000_000.0, {})
        kept = {(r["n"], r["kind"], r["operation"]) for r in trail.records() if r["kind"] in {"intent", "outcome"}}
        assert {(int(n), kind.decode(), op.decode()) for n, kind, op in confirmed} <= kept
        ended = {op for _, kind, op in kept if kind == "outcome"}
        with Presence(vault) as here:
            told = {str(r["operation"]) for r in close_orphans(trail, here)}
        assert {op for _, kind, op in kept if kind == "intent"} - ended == told
        assert verify(trail.path, vault).whole


def test_a_lock_that_cannot_be_tried_is_no_sign_of_a_death(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    trail = AuditTrail(vault, lambda: 1_790_000_000.0, {})
    odd = f"run_{'0' * 16}"
    trail.append("intent", {"operation": "op_1", "instance": odd})
    with Presence(vault) as here:
        (vault.ready("run") / f"{odd}.lock").mkdir()
        assert close_orphans(trail, here) == []
