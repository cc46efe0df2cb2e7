"""The house: who may know whom, who owns an edge, and what no file may be. Read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cipp_mcp"

LOW = {"errors", "message", "settings", "keeping"}
CALL = LOW | {"catalog", "call"}
MAY_KNOW: dict[str, set[str]] = {
    "errors": set(),
    "message": set(),
    "keeping": {"errors"},
    "profiles": {"errors", "keeping"},
    "settings": {"errors", "keeping", "profiles"},
    "asking": {"errors"},
    "manners": {"errors"},
    "examples": set(),
    "shell": set(),
    "clients": {"errors"},
    "catalog": LOW,
    "call": LOW | {"catalog"},
    "terminal": CALL,
    "server": CALL | {"terminal"},
    "approval_page": CALL | {"terminal", "asking"},
    "wire": LOW,
    "demo": set(),
    "handbook": LOW | {"catalog", "doctor"},  # the troubleshooting page is doctor's own table
    "document": LOW | {"catalog", "wire"},
    "doctor": LOW | {"catalog", "wire"},
    "wiring": CALL | {"wire", "approval_page", "document"},
    "workshop": LOW | {"catalog", "handbook", "document", "terminal"},
    "operating": CALL | {"terminal", "approval_page", "wiring"},
    "setup": CALL | {"terminal", "asking", "profiles", "clients", "doctor"},
    "__main__": {"cli"},
}
MAY_KNOW["cli"] = set(MAY_KNOW) - {"__main__"}
"""Room -> the rooms that it may import. Imports point down only."""

OWNERS = {
    "httpx": {"wire"},
    "httpcore": {"wire"},
    "truststore": {"wire"},
    "mcp": {"server"},
    "mcp_types": {"server"},
    "h11": {"demo", "approval_page"},
}
REFUSED = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "service", "misc", "shared", "tools_utils"}
MOST_LINES = 300
MOST_LINES_OF_A_TEST = 450
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")

OURS = sorted(PACKAGE.rglob("*.py"))
ALL = OURS + sorted((ROOT / "tests").rglob("*.py"))


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), named(file))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(file)}: imports are absolute"
            yield from ([f"cipp_mcp.{a.name}" for a in node.names] if node.module == "cipp_mcp" else [str(node.module)])


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def known(file: Path) -> set[str]:
    rooms = {m.split(".")[1] for m in imported(file) if m.startswith("cipp_mcp.")}
    return rooms - {room_of(file), "__version__"}


@pytest.mark.parametrize("file", OURS, ids=named)
def test_imports_point_down(file: Path) -> None:
    room = room_of(file)
    if room == "__init__":
        assert known(file) == set()
        return
    assert room in MAY_KNOW, f"{room} has no place in the house: write it into MAY_KNOW, or find the room it belongs to"
    assert known(file) - MAY_KNOW[room] == set()


@pytest.mark.parametrize(("library", "owners"), OWNERS.items())
def test_an_edge_is_owned_by_its_room(library: str, owners: set[str]) -> None:
    users = {named(f) for f in OURS if any(m.split(".")[0] == library for m in imported(f)) and room_of(f) not in owners}

    assert users == set()


def test_every_room_of_the_map_is_there() -> None:
    there = {room_of(f) for f in OURS} - {"__init__"}

    assert sorted(set(MAY_KNOW) - there) == []


@pytest.mark.parametrize("file", ALL, ids=named)
def test_a_file_says_why_it_exists_and_stays_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert ast.get_docstring(tree(file)) or not text.strip(), "no docstring"
    assert len(text.splitlines()) <= (MOST_LINES if file in OURS else MOST_LINES_OF_A_TEST)
    assert [w for w in UNFINISHED if w in text] == []


def test_no_name_is_a_drawer() -> None:
    parts = {f: f.relative_to(ROOT).with_suffix("").parts for f in ALL}

    assert [named(f) for f, names in parts.items() if {p.strip("_").removeprefix("test_") for p in names} & REFUSED] == []


def test_text_files_are_opened_with_an_encoding() -> None:
    assert [f"{named(f)}:{n}" for f in ALL for n in _without_encoding(tree(f))] == []


def _without_encoding(module: ast.Module) -> Iterator[int]:
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or any(k.arg in {"encoding", None} for k in node.keywords):
            continue
        match node.func:
            case ast.Name("open") if not _binary(node.args[1:2], node.keywords):
                yield node.lineno
            case ast.Attribute(_, "read_text") if not node.args:
                yield node.lineno
            case ast.Attribute(_, "write_text") if len(node.args) < 2:
                yield node.lineno


def _binary(mode: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    given = mode + [k.value for k in keywords if k.arg == "mode"]
    return any(isinstance(m, ast.Constant) and "b" in str(m.value) for m in given)


def test_the_check_for_encodings_sees_what_it_should() -> None:
    wrong = "open('x')\nopen('x', 'w')\np.read_text()\np.write_text('x')\n"
    right = (
        "open('x', 'rb')\nopen('x', mode='wb')\nopen('x', encoding='utf-8')\np.read_text('utf-8')\np.write_text('x', 'utf-8')\n"
    )

    assert list(_without_encoding(ast.parse(wrong))) == [1, 2, 3, 4]
    assert list(_without_encoding(ast.parse(right))) == []
