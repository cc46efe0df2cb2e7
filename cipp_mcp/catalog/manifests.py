"""TOML manifests -> a `Catalog` of Actions.

The folder listing is the registry: `actions/<group>/<tool>.toml`, one file per action, whose name is the tool's.
Nothing is registered at import. Only reading and checking of files may enter.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cipp_mcp.catalog import parsed
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.kind import Kind
from cipp_mcp.catalog.parsed import ABOUT
from cipp_mcp.errors import ManifestError, UnknownAction

OWN = "own"
"""The folder (and group) of the server's own tools, which every surface lists."""

_M = TypeVar("_M", Action, Kind)


@dataclass(frozen=True)
class Group:
    """One of the ten groups: folder name, title and one sentence."""

    name: str
    title: str
    summary: str


@dataclass(frozen=True)
class Catalog:
    """All that can be asked, by tool name.

    Attributes:
        actions: tool name -> Action, in group and name order.
        kinds: what an id can name -> how it is read.
        digest: SHA-256 over everything; stands in plans and audit records.
    """

    actions: Mapping[str, Action]
    groups: Mapping[str, Group]
    kinds: Mapping[str, Kind]
    digest: str

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions.values())

    def __len__(self) -> int:
        return len(self.actions)

    @cached_property
    def _formerly(self) -> dict[str, str]:
        return {old: a.name for a in self for old in a.formerly}

    def has(self, name: str) -> bool:
        """Whether an action has, or had, that name."""
        return name in self.actions or name in self._formerly

    def get(self, name: str) -> Action:
        """The action of that (or that former) name.

        Raises:
            UnknownAction: with the three nearest names.
        """
        found = self.actions.get(name) or self.actions.get(self._formerly.get(name, ""))
        if found is None:
            near = difflib.get_close_matches(name[:64], list(self.actions), n=3, cutoff=0.4)
            hint = f"Nearest: {', '.join(near)}." if near else "See the tool list."
            raise UnknownAction("There is no tool of that name.", hint=hint)
        return found

    def only(self, groups: tuple[str, ...]) -> Catalog:
        """The same catalog with only these groups' actions."""
        kept = {n: a for n, a in self.actions.items() if not groups or a.group in groups or a.own}
        return Catalog(kept, self.groups, self.kinds, self.digest)


def shipped_folder() -> Path:
    """`manifests/` inside the installed package, or beside it in a working copy."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "manifests"
    return inside if inside.is_dir() else package.parent / "manifests"


def tool_names() -> list[str]:
    """The names of all shipped tools, from the folder listing alone."""
    shipped = shipped_folder()
    files = [*shipped.glob("actions/*/*.toml"), *(shipped / OWN).glob("*.toml")]
    return sorted(file.stem for file in files if file.name != ABOUT)


def load(folder: Path | None = None) -> Catalog:
    """Read and check every manifest.

    Raises:
        ManifestError: the first file that breaks the grammar, and where.
    """
    copy = parsed.beside_bytecode() if folder is None else None
    documents = parsed.documents(folder or shipped_folder(), copy)
    shared, by_kind = documents.pop("fields.toml"), documents.pop("kinds.toml")
    kinds = {name: _build("kinds.toml", Kind, raw) for name, raw in by_kind.items()}
    if lost := sorted(k.otherwise for k in kinds.values() if k.otherwise and k.otherwise not in kinds):
        raise ManifestError(f"kinds.toml: otherwise names {lost[0]}, which it does not have.")
    groups: dict[str, Group] = {}
    actions: dict[str, Action] = {}
    for place, raw in documents.items():
        group, name = place.split("/")[-2:]
        if name == ABOUT:
            groups[group] = Group(group, str(raw.get("title", group)), str(raw.get("summary", "")))
        else:
            tool = name.removesuffix(".toml")
            actions[tool] = _action(group, tool, raw, shared, kinds)
    whole = hashlib.sha256(json.dumps({n: a.digest for n, a in actions.items()}, sort_keys=True).encode())
    return Catalog(actions, groups, kinds, whole.hexdigest())


def _action(group: str, tool: str, raw: dict[str, Any], shared: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Action:
    fields = []
    for name, given in raw.get("fields", {}).items():
        used = given.pop("use", None)
        if used is not None and used not in shared:
            raise ManifestError(f"{tool}.toml: {name} uses {used}, which fields.toml does not have.")
        fields.append({"name": name, **(shared[used] if used else {}), **given})
    raw["fields"] = fields
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()
    action = _build(f"{group}/{tool}.toml", Action, {"name": tool, "group": group, **raw, "digest": digest})
    for f in action.fields:
        if f.kind and f.kind != "tenant" and f.kind not in kinds:
            raise ManifestError(f"{tool}.toml: {f.name} names a {f.kind}, which kinds.toml does not have.")
    return action


def _build(place: str, model: type[_M], raw: Mapping[str, Any]) -> _M:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{place}: {where}: {first['msg']}.") from None
