"""The grammar of `kinds.toml`: what an id can name, and how that object is read.

No network and no file reading may enter.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from cipp_mcp.catalog.effect import Model


class Kind(Model):
    """How to read one object of a kind: what turns a written key into an id, a name and a state.

    Attributes:
        read, send: the request; `$tenant` and `$key` stand for the resolved tenant and what was written.
        guest_send: used instead for guest UPNs, whose `#` would cut the address that CIPP builds.
        rows: where the rows are in the answer; empty finds them.
        keys: the fields that identify a row, compared without letter case.
        id, name, label: fields of the row.
        state: fields that make the fingerprint and are shown to an approver.
        fallback: a second endpoint to look in (deleted users), with the words to say when it is found there.
        otherwise: the kind to look for when there is no such object of this one.
        tenant: of an object that lies with CIPP itself: the path of the tenants that it is for.
        orders: of a stored order that the call makes run: the path of what it names.
        patchy: CIPP shows this list without what it could not read, and does not say so.
        part: of such a list: the field that tells which part of it a row is of; empty where it is missing as a whole.
    """

    title: str
    read: str
    send: Mapping[str, str]
    guest_send: Mapping[str, str] | None = None
    rows: str = ""
    keys: tuple[str, ...]
    id: str = "id"
    name: str
    label: str = ""
    state: tuple[str, ...] = ()
    fallback: Mapping[str, str] = Field(default_factory=dict)
    otherwise: str = ""
    tenant: str = ""
    orders: str = ""
    patchy: bool = False
    part: str = ""
