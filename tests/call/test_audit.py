"""The trail: every edit, cut and swap is found, and several writers never break the chain."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cipp_mcp.call.guard.audit import AuditTrail, verify
from cipp_mcp.call.guard.seal import Vault
from cipp_mcp.cli import main
from cipp_mcp.errors import AuditUnavailable
from tests.call.making import many, room_for

COMMON = {"os_user": "robin", "version": "0"}
FACTS: dict[str, Any] = {
    "action": "clear_user_immutable_id",
    "operation": "op_1",
    "targets": [{"type": "user", "id": "6f1c", "name": 'Ana "Ä\u202e" Ruiz'}],
    "http_status": 200,
    "changed": None,
}


def trail_in(folder: Path) -> AuditTrail:
    return AuditTrail(Vault(folder), lambda: 1_700_000_000.0, COMMON)


def written(folder: Path, records: int) -> list[bytes]:
    """A trail of so many records, as lines."""
    trail = trail_in(folder)
    for n in range(records):
        trail.append("intent" if n % 2 == 0 else "outcome", FACTS | {"step": n})
    return trail.path.read_bytes().splitlines(keepends=True)


def found(folder: Path, content: bytes | None = None) -> list[str]:
    """What `verify` finds in a folder's trail."""
    place = trail_in(folder).path
    if content is not None:
        place.write_bytes(content)
    return [d.kind for d in verify(place, Vault(folder)).damages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trail")


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[bytes]:
    return written(folder, 103)


def test_an_untouched_trail_is_whole(folder: Path, lines: list[bytes]) -> None:
    place = trail_in(folder).path
    place.write_bytes(b"".join(lines))
    verdict = verify(place, Vault(folder))
    assert (verdict.whole, verdict.records) == (True, len(lines))
    assert [json.loads(line)["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert [json.loads(line)["kind"] for line in lines].count("checkpoint") == 1


def test_no_trail_is_an_empty_one(tmp_path: Path) -> None:
    assert verify(tmp_path / "audit.jsonl", Vault(tmp_path)).records == 0


@many
@given(at=st.integers(0, 10**6), new=st.integers(0, 255))
def test_every_changed_byte_before_the_last_record_is_found(folder: Path, lines: list[bytes], at: int, new: int) -> None:
    content = bytearray(b"".join(lines))
    at %= len(content) - len(lines[-1])
    if content[at] != new:
        content[at] = new
        assert found(folder, bytes(content))


def test_every_changed_letter_of_the_last_record_is_found(tmp_path: Path) -> None:
    first, last = written(tmp_path, 2)
    edits = [first + last[:at] + bytes([byte ^ 1]) + last[at + 1 :] for at, byte in enumerate(last)]
    assert [at for at, edited in enumerate(edits) if not found(tmp_path, edited)] == []


@pytest.mark.parametrize("gone", [0, 1, 50, 100, 101])
def test_a_removed_line_is_found(folder: Path, lines: list[bytes], gone: int) -> None:
    assert found(folder, b"".join(lines[:gone] + lines[gone + 1 :]))


@pytest.mark.parametrize("kept", [0, 1, 99, 102])
def test_a_cut_tail_is_found(folder: Path, lines: list[bytes], kept: int) -> None:
    assert found(folder, b"".join(lines[:kept]))


@many
@given(a=st.integers(0, 103), b=st.integers(0, 103))
def test_every_swap_is_found(folder: Path, lines: list[bytes], a: int, b: int) -> None:
    swapped = list(lines)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    assert bool(found(folder, b"".join(swapped))) is (a != b)


@pytest.mark.parametrize("at", [0, 50, 103])
def test_a_repeated_line_is_found(folder: Path, lines: list[bytes], at: int) -> None:
    assert found(folder, b"".join(lines[: at + 1] + lines[at:]))


STRANGERS = [
    b"\n{}",
    b"not json",
    b"[]",
    b"null",
    b'{"n": NaN}',
    b'{"n": 1e999}',
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"v": 2, "n": 2}',
    b" ",
]


@pytest.mark.parametrize("line", STRANGERS, ids=lambda b: repr(b[:12]))
def test_a_line_that_is_not_ours_is_found_and_breaks_nothing(folder: Path, lines: list[bytes], line: bytes) -> None:
    assert found(folder, b"".join([*lines[:1], line + b"\n", *lines[1:]]))


def test_a_rewritten_chain_does_not_survive_its_seals(folder: Path, lines: list[bytes], tmp_path: Path) -> None:
    forged = written(tmp_path, 103)
    assert len(forged) == len(lines)
    kinds = found(folder, b"".join(forged))
    assert (set(kinds), kinds.count("seal")) == ({"seal", "checkpoint"}, len(forged))


def test_a_record_that_was_never_confirmed_and_is_cut_by_a_crash_is_no_damage(tmp_path: Path) -> None:
    written(tmp_path, 3)
    trail = trail_in(tmp_path)
    with trail.path.open("ab") as file:
        file.write(b'{"action":"remove_us')
    trail.append("outcome", FACTS)
    assert verify(trail.path, Vault(tmp_path)).whole


def test_a_newer_format_is_refused_and_not_misread(folder: Path, lines: list[bytes]) -> None:
    newer = [json.dumps(json.loads(line) | {"v": 99}, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines]
    assert "format" in found(folder, b"".join(newer))


def test_a_record_that_a_crash_cut_short_stays_alone(tmp_path: Path) -> None:
    written(tmp_path, 3)
    trail = trail_in(tmp_path)
    trail.path.write_bytes(trail.path.read_bytes()[:-30])
    trail.append("outcome", FACTS)
    verdict = verify(trail.path, Vault(tmp_path))
    assert next((d.line, d.kind) for d in verdict.damages) == (3, "unreadable")
    assert [r["kind"] for r in trail.records()] == ["intent", "outcome", "outcome"]


def test_an_intent_without_an_outcome_is_open(tmp_path: Path) -> None:
    trail = trail_in(tmp_path)
    for operation in ("op_a", "op_b", "op_c"):
        trail.append("intent", {"operation": operation})
    trail.append("outcome", {"operation": "op_b"})
    assert [r["operation"] for r in trail.open_intents()] == ["op_a", "op_c"]


def test_threads_keep_the_chain(tmp_path: Path) -> None:
    trail = trail_in(tmp_path)
    threads = [threading.Thread(target=lambda: [trail.append("plan", FACTS) for _ in range(5)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    verdict = verify(trail.path, Vault(tmp_path))
    assert (verdict.whole, verdict.records) == (True, 30)


WRITER = """
import sys, time
from pathlib import Path
from cipp_mcp.call.guard.audit import AuditTrail
from cipp_mcp.call.guard.seal import Vault
trail = AuditTrail(Vault(Path(sys.argv[1])), time.time, {"writer": sys.argv[2]})
print("ready", flush=True)
sys.stdin.readline()
for n in range(40):
    trail.append("intent", {"operation": f"{sys.argv[2]}-{n}"})
"""


def test_two_processes_keep_one_chain(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "ab"
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        assert [writer.wait(60) for writer in writers] == [0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate(timeout=30)
    records = list(trail_in(tmp_path).records())
    assert found(tmp_path) == []
    assert {r["operation"] for r in records} == {f"{w}-{n}" for w in "ab" for n in range(40)}


def test_a_trail_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(AuditUnavailable):
        trail_in(tmp_path).append("intent", FACTS)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AuditUnavailable):
        trail_in(tmp_path / "file" / "home").append("intent", FACTS)


@pytest.mark.parametrize("room", [1, 100, 700])
def test_a_record_that_the_disk_took_in_part_is_said_not_to_be_written_and_is_not_there(tmp_path: Path, room: int) -> None:
    written(tmp_path, 3)
    trail = trail_in(tmp_path)
    before = trail.path.read_bytes()
    with room_for(len(before) + room), pytest.raises(AuditUnavailable):
        trail.append("intent", FACTS | {"more": "x" * 2000})
    assert (trail.path.read_bytes(), found(tmp_path)) == (before, [])
    trail.append("intent", FACTS)
    assert found(tmp_path) == []


def test_a_file_that_the_disk_took_in_part_is_not_kept_for_whole(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.replace("tally.json", b"before")
    for write in (vault.create, vault.replace):
        for name in ("tally.json", "new.json"):
            with room_for(4096), pytest.raises(AuditUnavailable):
                write(name, b"x" * 10_000)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"tally.json": b"before"}


@pytest.mark.parametrize(("form", "cell"), [("csv", '"\'=cmd|/c x!A1, ""Ana"""'), ("markdown", '=cmd\\|/c x!A1, "Ana"')])
def test_a_name_that_came_from_a_tenant_is_text_in_a_table_for_a_ticket(
    form: str, cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for ticket in ("T-1", "T-2"):
        target = {"type": "group", "id": "9", "name": '=cmd|/c x!A1, "Ana"'}
        trail_in(tmp_path).append("outcome", FACTS | {"targets": [target], "ticket": ticket})
    monkeypatch.setenv("CIPP_MCP_HOME", str(tmp_path))
    assert main(["audit", "export", "--format", form, "--only-ticket", "T-2"]) == 0
    table = capsys.readouterr().out
    assert table.count(cell) == 1 and "T-1" not in table
    assert "\r" not in table  # a console of Windows adds its own
