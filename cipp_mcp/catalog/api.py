"""`Api`: every operation of CIPP's API as an Action, whether somebody has written a manifest for it or not.

What the API has comes from a document, else from the shipped catalogue. A reviewed manifest is the only way to the
endpoints that it uses, and what `left_out.toml` names is not called at all. Where a document comes from is decided
elsewhere.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cipp_mcp.catalog import shipped
from cipp_mcp.catalog.action import Action
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.endpoint import Endpoint, endpoints
from cipp_mcp.catalog.manifests import Catalog, shipped_folder
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.catalog.unreviewed import action, effect_of, title
from cipp_mcp.errors import ManifestError, UnknownAction

if TYPE_CHECKING:
    from cipp_mcp.catalog.search import Search

_GRAPH_READERS = {"listgraphbulkrequest", "execgraphrequestprofile"}
"""Endpoints that take Graph paths: what the reviewed Graph tool never reads holds for them too."""
_REVIEWED_GRAPH = "/api/listgraphrequest"


@dataclass(frozen=True, slots=True)
class Document:
    """What the search reads of one action, and what it shows.

    Attributes:
        said: text that may be searched and never shown.
        fields: names of its arguments.
        left_out: why it is never called; empty for everything that can be.
    """

    action: str
    endpoint: str
    effect: Effect
    title: str
    summary: str
    words: tuple[str, ...]
    said: str = ""
    fields: tuple[str, ...] = ()
    left_out: str = ""
    reviewed: bool = False


@cache
def left_out(file: Path | None = None) -> Mapping[str, str]:
    """Endpoint in small letters -> why it is never called.

    Raises:
        ManifestError: the table is missing or damaged.
    """
    try:
        raw = tomllib.loads((file or shipped_folder() / "left_out.toml").read_text(encoding="utf-8"))
        return {str(name).casefold(): str(why) for name, why in raw.items()}
    except OSError:
        raise ManifestError("left_out.toml is not in this installation.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ManifestError("left_out.toml is not TOML.") from None


class Api:
    """All operations by name; nothing is read before something is asked.

    Args:
        operations: of a document; without them the shipped catalogue is the API.
        source: where they come from, in a word.
        notices: what the technician should know about that.
        settled: asking for a document again would bring nothing else.
    """

    def __init__(
        self,
        catalog: Catalog,
        operations: Mapping[str, Operation] | None = None,
        *,
        source: str = "shipped",
        notices: Sequence[str] = (),
        settled: bool = True,
    ) -> None:
        self._catalog = catalog
        self._operations = operations
        self._made: dict[str, Action] = {}
        self.source = source
        self.notices = tuple(notices)
        self.settled = settled

    def get(self, name: str) -> Action:
        """The action of a tool name or of an endpoint's name, in any letter case.

        Raises:
            UnknownAction: there is none, it is left out, or several tools are the way in; says which.
        """
        if self._catalog.has(name):
            return self._catalog.get(name)
        key = name.strip().removeprefix("/api/").casefold()
        if tools := self._tools.get(key, ()):
            if len(tools) == 1:
                return self._catalog.get(tools[0])
            raise UnknownAction(f"Use {' or '.join(tools)}: these tools are the way to that endpoint.", hint="Nothing was sent.")
        if key in left_out():
            raise UnknownAction(f"That operation is left out. {left_out()[key]}", hint="Nothing was sent.")
        if key not in self._endpoints:
            raise UnknownAction("There is no action of that name.", hint=self._near(key))
        if key not in self._made:
            denies = self._graph_denies if key in _GRAPH_READERS else ()
            self._made[key] = action(self._endpoints[key], denies)
        return self._made[key]

    def names(self) -> tuple[str, ...]:
        """The endpoints that are called without a manifest, in the order of their names."""
        free = (e for key, e in self._endpoints.items() if key not in self._tools and key not in left_out())
        return tuple(sorted(e.name for e in free))

    def documents(self) -> Iterator[Document]:
        """For the search: the tools first, then all other operations, those that are left out included."""
        for a in self._catalog:
            known = self._endpoints.get(a.path.removeprefix("/api/").casefold())
            said = known.said if known is not None else ""
            words = (*a.words, *a.formerly)
            fields = tuple(f.name for f in a.fields)
            yield Document(a.name, a.path.removeprefix("/api/"), a.effect, a.title, a.summary, words, said, fields, "", True)
        for key, e in self._endpoints.items():
            if key not in self._tools:
                fields = tuple(n.name for n in e.names)
                why = left_out().get(key, "")
                yield Document(e.name, e.name, effect_of(e), title(e.name), e.summary, e.words, e.said, fields, why)

    @cached_property
    def _endpoints(self) -> Mapping[str, Endpoint]:
        known = shipped.read()
        if self._operations is None:
            return known
        # A document that calls a known write a list does not make it one.
        return {
            key: replace(e, effect=effect_of(known[key])) if key in known else e
            for key, e in endpoints(self._operations, known).items()
        }

    @cached_property
    def search(self) -> Search:
        """The search over everything, its index built at the first question."""
        from cipp_mcp.catalog.search import Search

        return Search(self.documents())

    @cached_property
    def _tools(self) -> Mapping[str, tuple[str, ...]]:
        """Endpoint -> the tools that are the way to it."""
        found: dict[str, tuple[str, ...]] = {}
        for a in self._catalog:
            if not a.own:
                key = a.path.removeprefix("/api/").casefold()
                found[key] = (*found.get(key, ()), a.name)
        return found

    @cached_property
    def _graph_denies(self) -> tuple[str, ...]:
        return next((a.denies for a in self._catalog if a.path.casefold() == _REVIEWED_GRAPH and a.denies), ())

    def _near(self, key: str) -> str:
        names = {e.key: e.name for e in self._endpoints.values()} | {n: n for n in self._catalog.actions}
        near = [names[k] for k in difflib.get_close_matches(key[:64], names, n=3, cutoff=0.5)]
        return f"Nearest: {', '.join(near)}." if near else "find_action finds one by words, `cipp-mcp tools --all` lists them."
