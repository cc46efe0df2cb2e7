"""`python -m tests.comparison`: what each surface costs a model, and eight tasks played on all of them.

`--write` puts the tables into `.github/FIGURES.md`. `--peer NAME=FOLDER`, as often as wanted, plays the tasks on those servers of
`peers.toml` instead of on ours. Exit 1: a surface costs more than it may. Exit 0: it does not, or it cannot be counted here and
that is said.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from cipp_mcp.demo.serve import Box
from tests.comparison.peers import Peer, cell
from tests.comparison.peers import measured as measured_peer
from tests.comparison.playing import SURFACES, Played, Surface, opened
from tests.comparison.tasks import TASKS
from tests.comparison.tokens import count
from tests.conformance.npm import Npm, Skipped, installed

PAGE = Path(__file__).parent.parent.parent / ".github" / "FIGURES.md"
OURS = "<!-- measured by `python -m tests.comparison --write` -->"
PEERS = "<!-- measured by `python -m tests.comparison --peer=wyre=FOLDER --peer=pdlaskbis=FOLDER --write` -->"
END = "<!-- end of what was measured -->"
MOST = {"all": 17_000, "--tools lean": 1_000}
"""Tokens of a listing."""
MOST_OF_A_SEARCH = 500
PHRASES: dict[str, list[str]] = tomllib.loads(
    (Path(__file__).parent.parent / "catalog" / "phrases.toml").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Measured:
    """One surface.

    Attributes:
        listing: tokens of each tool. tasks: what was played, and the tokens of each result.
        size: bytes of the list on the wire without output schemas. promised: bytes of those.
        searches: for each phrase the tokens of the answer, and whether an acceptable action came with its schema.
    """

    listing: dict[str, int]
    instructions: int
    size: int
    promised: int
    tasks: list[tuple[Played, list[int]]]
    searches: list[tuple[int, bool]]


def main(arguments: list[str]) -> int:
    """Play, count, tell."""
    try:
        npm = installed()
    except Skipped as why:
        print(f"comparison: skipped, because {why}")
        return 0
    peers = dict(named.removeprefix("--peer=").split("=", 1) for named in arguments if named.startswith("--peer="))
    if peers:
        _tell(
            _peers({name: anyio.run(measured_peer, npm, name, Path(folder)) for name, folder in peers.items()}), PEERS, arguments
        )
        return 0
    measured = anyio.run(_measure, npm)
    parts = (_surfaces(measured), _largest(measured["all"]), _tasks(measured), _searches(measured["--tools lean"].searches))
    _tell("\n\n".join(parts), OURS, arguments)
    if too_much := over(measured):
        print(f"comparison: too many tokens in {', '.join(too_much)}", file=sys.stderr)
    return 1 if too_much else 0


def _tell(tables: str, begin: str, arguments: list[str]) -> None:
    print(tables)
    if "--write" in arguments:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
        PAGE.write_text(f"{before}{begin}\n\n{tables}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def over(measured: dict[str, Measured]) -> list[str]:
    """What costs more than it may."""
    lists = [name for name, most in MOST.items() if sum(measured[name].listing.values()) > most]
    searches = [tokens for tokens, _ in measured["--tools lean"].searches]
    return lists + (["find_action"] if max(searches) > MOST_OF_A_SEARCH else [])


async def _measure(npm: Npm) -> dict[str, Measured]:
    found = {}
    with tempfile.TemporaryDirectory(prefix="cipp-mcp-comparison-") as folder:
        for number, (name, flags) in enumerate(SURFACES.items()):
            with Box.open(enforce_rate=False) as box:
                async with opened(flags, box, Path(folder) / str(number)) as surface:
                    played = [await surface.play(task) for task in TASKS]
                    searched = {phrase: await surface.search(phrase) for phrase in PHRASES} if surface.lean else {}
            found[name] = _counted(npm, surface, played, searched)
    return found


def _counted(npm: Npm, surface: Surface, played: list[Played], searched: dict[str, tuple[str, Any]]) -> Measured:
    listing = dict(zip(surface.tools, count(npm, surface.listing), strict=True))
    (instructions,) = count(npm, [surface.instructions])
    tasks = [(one, count(npm, one.results)) for one in played]
    with_schema = [_has_schema(found, PHRASES[phrase]) for phrase, (_, found) in searched.items()]
    searches = list(zip(count(npm, [text for text, _ in searched.values()]), with_schema, strict=True))
    size = surface.size()
    return Measured(listing, instructions, size, surface.size(promises=True) - size, tasks, searches)


def _has_schema(found: dict[str, Any], wanted: list[str]) -> bool:
    endpoints = {endpoint.casefold() for endpoint in wanted}
    return any(hit["endpoint"].casefold() in endpoints and "input_schema" in hit for hit in found["items"])


def _surfaces(measured: dict[str, Measured]) -> str:
    rows = [
        [name, len(m.listing), sum(m.listing.values()), m.instructions, m.size + m.promised, m.promised]
        for name, m in measured.items()
    ]
    return _table(["Surface", "tools", "tokens of the list", "of the instructions", "bytes sent", "of them output schemas"], rows)


def _tasks(measured: dict[str, Measured]) -> str:
    rows = []
    for number, task in enumerate(TASKS):
        cells = []
        for m in measured.values():
            played, tokens = m.tasks[number]
            cells.append(f"no `{played.missing}`" if played.missing else f"{sum(tokens)} in {len(tokens)}")
        rows.append([task.title, *cells])
    sums = [sum(sum(tokens) for _, tokens in m.tasks) for m in measured.values()]
    totals = [f"{sum(m.listing.values()) + m.instructions} + {out}" for m, out in zip(measured.values(), sums, strict=True)]
    return _table(["Tokens of results, in calls", *measured], [*rows, ["**Carried in + results of these eight**", *totals]])


def _peers(peers: dict[str, Peer]) -> str:
    rows = [[task.title, *(cell(peer.tasks[task.title]) for peer in peers.values())] for task in TASKS]
    lists = [f"{peer.listing:,} for {peer.tools}" for peer in peers.values()]
    return _table(["Tokens of results, in calls", *peers], [["Tokens of the list, for tools", *lists], *rows])


def _largest(whole: Measured) -> str:
    largest = sorted(whole.listing.items(), key=lambda item: -item[1])[:10]
    tokens = sorted(whole.listing.values())
    middle = tokens[len(tokens) // 2]
    return f"Largest tools: {', '.join(f'{name} {n}' for name, n in largest)}. Median: {middle}."


def _searches(searches: list[tuple[int, bool]]) -> str:
    tokens = sorted(n for n, _ in searches)
    ready = sum(has for _, has in searches)
    return (
        f"`find_action` over the {len(searches)} phrases of `tests/catalog/phrases.toml`: at most {tokens[-1]} tokens, "
        f"median {tokens[len(tokens) // 2]}; {ready} get an acceptable action together with its schema."
    )


def _table(heads: list[str], rows: list[list[object]]) -> str:
    lines = [heads, ["---"] + ["--:"] * (len(heads) - 1), *[[_cell(c) for c in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
