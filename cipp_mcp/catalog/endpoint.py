"""`Endpoint`: one operation as it can be called, from CIPP's document or from the shipped catalogue.

A document knows names, places and types; the shipped catalogue adds what a review found (whose id a name is, which
AllTenants works, what must be masked). Names survive exactly as written; what cannot be put on the wire by name is
left out. Nothing that reads a file and nothing that decides about a call may enter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.openapi import Operation

MOST_NAMES = 300
MOST_INSIDE = 12
_DOT = re.compile(r"(?<!@odata)\.")  # `@odata.type` is one name
_PATH = re.compile(r"/api/([A-Za-z][A-Za-z0-9_]{1,99})")
_NAME = re.compile(r"[A-Za-z0-9_$@:-]{1,80}")
_TENANT = re.compile(
    r"(selected|excluded|assigned)?tenants?|tenantfilter|tenantid|customerid|defaultdomainname|tenantdomain", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Name:
    """One name of an operation.

    Attributes:
        place: `query.X`, `body.X`, `body.X.Y` or `body[].X`.
        type: as in `Operation`.
        mark: what the review says: a kind of `kinds.toml`, `tenant`, `tenant_id`, `free` (no tenant and no user, whatever
            it is called), `=X` (names the same as X), `~` before any of them where it may be left out.
        inside: the names that an object has.
    """

    place: str
    type: str = "text"
    required: bool = False
    choices: tuple[str | int, ...] = ()
    mark: str = ""
    inside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.place.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation and what is known of it.

    Attributes:
        summary, words: ours; empty when nobody has written them, or when a manifest has its own.
        said: further words to be searched and never shown: the catalogue's, or those of a document that it does not know.
        any_tenant: CIPP does not check the tenant.
        all_tenants: it answers for AllTenants; counts for reads only.
        effect: at least this word.
        secret: the answer of a write holds a secret.
        redact: paths of the answer that hold secrets.
        sends: constants.
    """

    name: str
    method: str
    role: str = ""
    names: tuple[Name, ...] = ()
    summary: str = ""
    words: tuple[str, ...] = ()
    said: str = ""
    any_tenant: bool = False
    all_tenants: bool = False
    effect: Effect = Effect.READ
    secret: bool = False
    redact: tuple[str, ...] = ()
    sends: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """CIPP's host finds a function in any letter case."""
        return self.name.casefold()

    @property
    def endpoint(self) -> str:
        return f"{self.method} /api/{self.name}"


def endpoints(operations: Mapping[str, Operation], shipped: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    """Key -> endpoint for a document's operations, with what the shipped catalogue (by key) knows of them."""
    found: dict[str, Endpoint] = {}
    for operation in operations.values():
        made = from_operation(operation)
        if made is None:
            continue
        known = shipped.get(made.key)
        if known is not None and known.method != made.method:
            # One path, two methods, one listed: the word of the stricter holds, the places are the document's.
            known = replace(known, sends={})
        found.setdefault(made.key, made if known is None else reviewed(made, known))
    return found


def from_operation(operation: Operation) -> Endpoint | None:
    """None for what is no function of CIPP's API: another path, another method."""
    path = _PATH.fullmatch(operation.path)
    if path is None or operation.method not in {"GET", "POST"}:
        return None
    names = tuple(islice(_names(operation), MOST_NAMES))
    everywhere = operation.any_tenant or any(n.name.casefold() == "usereportdb" for n in names)
    return Endpoint(
        path[1],
        operation.method,
        operation.role,
        names,
        said=operation.summary[:1000],
        any_tenant=operation.any_tenant,
        all_tenants=everywhere,
    )


def reviewed(told: Endpoint, known: Endpoint) -> Endpoint:
    """The document's facts with the review's: never weaker than it.

    CIPP reads a name in any letter case and from either side, so a mark holds for the name however a document writes it.
    """
    marked = {n.name.casefold(): n for n in known.names if n.mark}
    names = tuple(_marked(n, marked.get(n.name.casefold())) for n in told.names)
    there = {n.name.casefold() for n in told.names}
    added = tuple(n for name, n in marked.items() if name not in there) if told.method == known.method else ()
    return replace(known, role=told.role or known.role, method=told.method, names=names + added, any_tenant=told.any_tenant)


def _marked(told: Name, known: Name | None) -> Name:
    if known is None:
        return told
    return known if known.place == told.place else replace(told, mark=known.mark)


def is_tenant(name: str) -> bool:
    """Whether a name says where a call acts."""
    return _TENANT.fullmatch(name.rpartition(".")[2]) is not None


def _names(operation: Operation) -> Iterator[Name]:
    """A name that CIPP takes from either side is sent in the body, once, with what is known of both."""
    body = _grouped(operation.body) if operation.method == "POST" else {}
    twins = {p.partition(".")[2]: p for p in operation.query}
    own = {p.partition(".")[2] for p in body}
    for place, kind in operation.query.items():
        name = place.partition(".")[2]
        if _NAME.fullmatch(name) and name not in own:
            yield _told(operation, place, kind, {})
    for place, below in body.items():
        if place in operation.body and _NAME.fullmatch(place.partition(".")[2]):
            for one in _with_tenants_out(operation, place, below):
                twin = twins.get(one.name, one.place)
                must = one.required or twin in operation.required
                yield replace(one, required=must, choices=one.choices or operation.choices.get(twin, ()))


def _grouped(body: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The names of the first level -> what stands below them."""
    found: dict[str, dict[str, str]] = {}
    for place, kind in body.items():
        room, _, path = place.partition(".")
        name, _, below = path.partition(".")
        inner = found.setdefault(f"{room}.{name.removesuffix('[]')}", {})
        if below:
            inner[place] = kind
    return found


def _with_tenants_out(operation: Operation, place: str, below: Mapping[str, str]) -> Iterator[Name]:
    """An object that names a tenant is taken apart, so that the tenant is resolved like any other."""
    kind = operation.body[place]
    if is_tenant(place) or not any(is_tenant(p) for p in below):
        yield _told(operation, place, kind, below)
    elif kind == "object":
        for inner, its_kind in list(below.items())[:MOST_NAMES]:
            if _NAME.fullmatch(inner.removeprefix(f"{place}.")):
                yield _told(operation, inner, its_kind, {p: t for p, t in below.items() if p.startswith(f"{inner}.")})


def _told(operation: Operation, place: str, kind: str, below: Mapping[str, str]) -> Name:
    inside = dict.fromkeys(_DOT.split(p[len(place) :].removeprefix("[]").removeprefix("."))[0].removesuffix("[]") for p in below)
    return Name(
        place,
        "text" if kind == "any" else "text[]" if kind == "any[]" else kind,
        place in operation.required,
        operation.choices.get(place, ()),
        "",
        tuple(inside)[:MOST_INSIDE],
    )
