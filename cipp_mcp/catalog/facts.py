"""The committed facts of the endpoints that we use: how they are kept, and where.

One line per endpoint, so that a change of CIPP reads as a diff. The names of all other endpoints are kept too, so
that a newer document can be said to have added some. Reading, writing and finding the files may enter; comparing is
`contract.py`'s and `drift.py`'s.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipp_mcp.catalog.contract import Difference, read_differences
from cipp_mcp.catalog.manifests import shipped_folder
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.catalog.uses import Use
from cipp_mcp.errors import SettingsError

_HINT = "Make it again with `python -m cipp_mcp facts OPENAPI.json`."


@dataclass(frozen=True, slots=True)
class Facts:
    """What the document said when it was last taken over.

    Attributes:
        operations: of the endpoints that we use.
        others: `GET /api/X` of every other endpoint that the document had.
        differences: what CIPP's source does otherwise.
    """

    operations: Mapping[str, Operation]
    others: frozenset[str]
    differences: tuple[Difference, ...]


def folder() -> Path:
    """Where `facts.json` and `differences.toml` lie: in the installed package, or in a working copy's tests."""
    manifests = shipped_folder()
    inside = manifests.parent / "contract"
    return inside if inside.is_dir() else manifests.parent / "tests" / "contract"


def read(place: Path | None = None) -> Facts:
    """The committed facts.

    Raises:
        SettingsError: they are not here or damaged; a ManifestError for `differences.toml`.
    """
    place = place or folder()
    try:
        raw = json.loads((place / "facts.json").read_text(encoding="utf-8"))
        told = {endpoint: _operation(endpoint, one) for endpoint, one in raw["used"].items()}
        others = frozenset(f"{method} /api/{n}" for method, names in raw["others"].items() for n in names.split())
    except OSError:
        raise SettingsError("The facts of CIPP's endpoints are not in this installation.", hint=_HINT) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError("facts.json is damaged.", hint=_HINT) from None
    return Facts(told, others, differences(place))


def differences(place: Path | None = None) -> tuple[Difference, ...]:
    """The known differences; none where there is no such file."""
    file = (place or folder()) / "differences.toml"
    return read_differences(file.read_text(encoding="utf-8")) if file.is_file() else ()


def taken(operations: Mapping[str, Operation], every: Iterable[Use], known: Iterable[Difference]) -> str:
    """The text of `facts.json` for a document: what the uses need of it, and the names of the rest."""
    wanted = {u.endpoint for u in every}
    for d in known:
        if d.method and d.endpoint in wanted and d.endpoint not in operations:
            wanted.add(f"{d.method} {d.endpoint.partition(' ')[2]}")
    used = {e: _raw(operations[e]) for e in sorted(wanted & set(operations))}
    others: dict[str, list[str]] = {}
    for endpoint in sorted(set(operations) - wanted):
        method, _, path = endpoint.partition(" ")
        others.setdefault(method, []).append(path.removeprefix("/api/"))
    lines = ",\n".join(f"  {_json(endpoint)}: {_json(one)}" for endpoint, one in used.items())
    rest = ",\n".join(f"  {_json(method)}: {_json(' '.join(names))}" for method, names in sorted(others.items()))
    return f'{{"used": {{\n{lines}\n}},\n"others": {{\n{rest}\n}}}}\n'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _raw(operation: Operation) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "role": operation.role,
        "places": dict(operation.places),
        "required": sorted(operation.required),
        "choices": {place: list(values) for place, values in operation.choices.items()},
        "open": operation.open,
    }
    return {name: value for name, value in parts.items() if value}


def _operation(endpoint: str, raw: Mapping[str, Any]) -> Operation:
    method, _, path = endpoint.partition(" ")
    places: Mapping[str, str] = raw.get("places", {})
    return Operation(
        method,
        path,
        raw.get("role", ""),
        {p: t for p, t in places.items() if p.startswith("query.")},
        {p: t for p, t in places.items() if p.startswith("body")},
        frozenset(raw.get("required", ())),
        {place: tuple(values) for place, values in raw.get("choices", {}).items()},
        bool(raw.get("open")),
    )
