"""What our manifests take for granted of CIPP, and whether a document bears it out.

`check` compares uses with operations field by field; a `Difference` is what CIPP's source is known to do otherwise
than its document says. Pure; the same comparison serves the contract test and `drift`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field, ValidationError

from cipp_mcp.catalog.effect import Model
from cipp_mcp.catalog.openapi import Operation
from cipp_mcp.catalog.uses import Use
from cipp_mcp.errors import ManifestError

PICKED = frozenset({"label", "value", "type", "addedFields", "customerId", "defaultDomainName"})
"""What a picked object has in CIPP's own requests; it reads some of it and ignores the rest."""


class Difference(Model):
    """Where CIPP's source and its document disagree, and the manifests follow the source.

    Attributes:
        endpoint: `GET /api/X`, as the manifest calls it.
        method: the only method that the document lists.
        role: the role that the document names.
        names: places that the source reads and the document lacks; `body` when it takes the body whole.
        optional: places that the document requires and the source does not.
        types: place -> the type that the source reads.
        reason: how that is known: file and line of CIPP's source.
    """

    endpoint: str
    method: str = ""
    role: str = ""
    names: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    types: Mapping[str, str] = Field(default_factory=dict)
    reason: str = Field(min_length=10)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a manifest takes for granted and the document does not bear out.

    Attributes:
        kind: endpoint, method, role, name, required or type.
        place: the place on the wire, where there is one.
        near: names of the document that it may have become.
    """

    kind: str
    by: str
    endpoint: str
    place: str
    says: str
    near: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is about, whatever the words."""
        return self.kind, self.by, self.endpoint, self.place


def read_differences(text: str) -> tuple[Difference, ...]:
    """`[[difference]]` tables of a TOML text.

    Raises:
        ManifestError: names the entry.
    """
    try:
        listed = tomllib.loads(text).get("difference", [])
        return tuple(Difference.model_validate(raw) for raw in listed)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ManifestError(f"differences.toml cannot be used: {str(error).splitlines()[0]}.") from None


def amended(operations: Mapping[str, Operation], differences: Iterable[Difference]) -> dict[str, Operation]:
    """The operations as CIPP's source has them."""
    found = dict(operations)
    for d in differences:
        method, _, path = d.endpoint.partition(" ")
        told = found.get(d.endpoint) or found.get(f"{d.method} {path}")
        if told is None:
            continue
        body = {**dict.fromkeys((p for p in d.names if p.startswith("body")), "any"), **told.body}
        query = {**dict.fromkeys((p for p in d.names if p.startswith("query")), "text"), **told.query}
        found[d.endpoint] = replace(
            told,
            method=method,
            role="" if d.role and told.role == d.role else told.role,
            query=query,
            body=body | {p: t for p, t in d.types.items() if p in body},
            required=told.required - set(d.optional),
        )
    return found


def check(every: Iterable[Use], operations: Mapping[str, Operation]) -> list[Finding]:
    """What the uses take for granted and the (amended) operations do not have."""
    found: list[Finding] = []
    for use in every:
        told = operations.get(use.endpoint)
        if told is None:
            found.append(_no_endpoint(use, operations))
            continue
        if use.role is not None and told.role and use.role != told.role:
            found.append(Finding("role", use.by, use.endpoint, "", f"the role is {told.role}, not {use.role}"))
        for place, sent in use.sends.items():
            if not knows(told, place):
                near = _near(place, [p for p in told.places if p not in use.sends])
                found.append(Finding("name", use.by, use.endpoint, place, f"{place} is not read", near))
            elif not _compatible(sent, told.body.get(place, "any")):
                says = f"{place} is read as {told.body[place]} and sent as {sent}"
                found.append(Finding("type", use.by, use.endpoint, place, says))
        for place in sorted(told.required):
            if not _sends_required(use, place):
                found.append(Finding("required", use.by, use.endpoint, place, f"{place} is required and not always sent"))
    return found


def _no_endpoint(use: Use, operations: Mapping[str, Operation]) -> Finding:
    path = use.endpoint.partition(" ")[2]
    others = [o.method for o in operations.values() if o.path == path]
    if others:
        return Finding("method", use.by, use.endpoint, "", f"the method is {' or '.join(others)}")
    near = tuple(difflib.get_close_matches(path, {o.path for o in operations.values()}, n=3, cutoff=0.8))
    return Finding("endpoint", use.by, use.endpoint, "", "there is no such endpoint", near)


def knows(told: Operation, place: str) -> bool:
    """Whether the operation reads that place: listed, or below a listed one whose inside is not described."""
    if place in told.places:
        return True
    if place.startswith("body") and ("body" in told.body or (told.open and not told.body)):
        return True  # it takes the body whole
    above, _, _ = place.rpartition(".")
    while above and above not in {"query", "body", "body[]"}:
        known = told.places.get(above, told.places.get(above.removesuffix("[]")))
        if known is not None:
            inside = (f"{above.removesuffix('[]')}.", f"{above.removesuffix('[]')}[].")
            free = known.removesuffix("[]") in {"object", "any", "option"}
            return free and not any(p.startswith(inside) for p in told.places)
        above = above.rpartition(".")[0]
    return False


def _compatible(sent: str, read: str) -> bool:
    """Whether CIPP can read what is sent. Scalars are not told apart: the document's `text` is mostly a guess."""
    sent, read = sent.removesuffix("[]"), read.removesuffix("[]")
    return (
        "any" in {sent, read} or sent == read or not {sent, read} & {"option", "object"} or (sent, read) == ("option", "object")
    )


def _sends_required(use: Use, place: str) -> bool:
    room, _, name = place.partition(".")
    if use.whole and room != "query":
        return True
    above = place.rpartition(".")[0]
    if above not in {"query", "body", "body[]"} and not any(p.startswith(f"{above}.") for p in use.sends):
        return True  # its parent is not sent at all
    # The document names many a field in query and body; CIPP takes it from either.
    twins = {f"query.{name}", f"body.{name}", f"body[].{name}"}
    return bool(twins & use.always) or (use.whole and room == "query" and "body" in use.always)


def _near(place: str, others: Sequence[str]) -> tuple[str, ...]:
    leaves: dict[str, str] = {}
    for other in others:
        leaves.setdefault(other.rpartition(".")[2].casefold(), other)
    leaf = place.rpartition(".")[2].casefold()
    return tuple(leaves[n] for n in difflib.get_close_matches(leaf, list(leaves), n=3, cutoff=0.6))


def unknown_places(told: Operation, query: Mapping[str, Any], body: Any) -> list[str]:
    """The places of a finished request that the operation does not read."""
    found = [p for p in (f"query.{name}" for name in query) if not knows(told, p)]
    elements = [("body[]", e) for e in body] if isinstance(body, list) else [("body", body)]
    for at, element in elements:
        found += _unknown_below(told, at, element)
    return list(dict.fromkeys(found))


def _unknown_below(told: Operation, at: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    for name, inner in value.items():
        place = f"{at}.{name}"
        if not knows(told, place):
            if not (name in PICKED and told.places.get(at.removesuffix("[]"), "").startswith("object")):
                yield place
            continue
        elements = [(f"{place}[]", e) for e in inner] if isinstance(inner, list) else [(place, inner)]
        for below, element in elements:
            if any(p.startswith(f"{place}.") or p.startswith(f"{place}[].") for p in told.places):
                yield from _unknown_below(told, below, element)


def stale(differences: Iterable[Difference], operations: Mapping[str, Operation], every: Sequence[Use]) -> list[str]:
    """Differences that are none (any more), in words."""
    found: list[str] = []
    for d in differences:
        own = [u for u in every if u.endpoint == d.endpoint]
        path = d.endpoint.partition(" ")[2]
        told = operations.get(d.endpoint) or operations.get(f"{d.method} {path}")
        if not own:
            found.append(f"{d.endpoint}: no manifest uses it")
            continue
        if told is None:
            found.append(f"{d.endpoint}: the document has it by neither method")
            continue
        if not (d.method or d.role or d.names or d.optional or d.types):
            found.append(f"{d.endpoint}: the entry names no difference")
        if d.method and d.endpoint in operations:
            found.append(f"{d.endpoint}: the document lists this method")
        if d.role and (told.role != d.role or all(u.role in (None, told.role) for u in own)):
            found.append(f"{d.endpoint}: the role {d.role} is no difference")
        sent = {place for u in own for place in u.sends}
        for place in d.names:
            if knows(told, place):
                found.append(f"{d.endpoint}: the document has {place}")
            elif not any(place == s or place.startswith((f"{s}.", f"{s}[].")) for s in sent) and not any(u.whole for u in own):
                found.append(f"{d.endpoint}: no manifest sends {place}")
        for place in d.optional:
            if place not in told.required or all(_sends_required(u, place) for u in own):
                found.append(f"{d.endpoint}: {place} need not be called optional")
        for place, read in d.types.items():
            if told.body.get(place) == read or place not in sent:
                found.append(f"{d.endpoint}: the type of {place} is no difference")
    return found
