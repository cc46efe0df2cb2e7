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

import tomli  # the standard library's parser, compiled: every start reads all manifests
from pydantic import ValidationError

from cipp_mcp.catalog.action import Action, Kind
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
    return sorted(file.stem for file in files if file.name != "_group.toml")


def load(folder: Path | None = None) -> Catalog:
    """Read and check every manifest.

    Raises:
        ManifestError: the first file that breaks the grammar, and where.
    """
    folder = folder or shipped_folder()
    shared = _read(folder / "fields.toml")
    kinds = {name: _build(folder / "kinds.toml", Kind, raw) for name, raw in _read(folder / "kinds.toml").items()}
    if lost := sorted(k.otherwise for k in kinds.values() if k.otherwise and k.otherwise not in kinds):
        raise ManifestError(f"kinds.toml: otherwise names {lost[0]}, which it does not have.")
    groups: dict[str, Group] = {}
    actions: dict[str, Action] = {}
    own = [folder / OWN] if (folder / OWN).is_dir() else []
    for place in sorted(p for p in (folder / "actions").iterdir() if p.is_dir()) + own:
        about = _read(place / "_group.toml")
        groups[place.name] = Group(place.name, str(about.get("title", place.name)), str(about.get("summary", "")))
        for file in sorted(place.glob("*.toml")):
            if file.name != "_group.toml":
                actions[file.stem] = _action(file, shared, kinds)
    whole = hashlib.sha256(json.dumps({n: a.digest for n, a in actions.items()}, sort_keys=True).encode())
    return Catalog(actions, groups, kinds, whole.hexdigest())


def _action(file: Path, shared: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Action:
    raw = _read(file)
    fields = []
    for name, given in raw.get("fields", {}).items():
        used = given.pop("use", None)
        if used is not None and used not in shared:
            raise ManifestError(f"{file.name}: {name} uses {used}, which fields.toml does not have.")
        fields.append({"name": name, **(shared[used] if used else {}), **given})
    raw["fields"] = fields
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()
    action = _build(file, Action, {"name": file.stem, "group": file.parent.name, **raw, "digest": digest})
    for f in action.fields:
        if f.kind and f.kind != "tenant" and f.kind not in kinds:
            raise ManifestError(f"{file.name}: {f.name} names a {f.kind}, which kinds.toml does not have.")
    return action


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomli.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ManifestError(f"The manifest {file.name} in {file.parent.name} cannot be read.") from None
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file.parent.name}/{file.name} is not TOML: {error}.") from None


def _build(file: Path, model: type[_M], raw: Mapping[str, Any]) -> _M:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{file.parent.name}/{file.name}: {where}: {first['msg']}.") from None
