"""Which read proves a write, as data: `Verify` and the facts that it must show.

The comparison itself is `call/verify.py`'s. Nothing that sends may enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from cipp_mcp.catalog.effect import Model, When


class Expect(Model):
    """One fact that the read-back must show. `$argument` stands for what the caller gave; without it the check is left out.

    Attributes:
        field: dotted path into the row; through lists it collects.
        row: the answer must list a row with these values (`{id}` and `{name}` stand for the target's).
        moved: the value differs from what it was before the call.
        fresh: with `row`: the field by which a row that was there before the call is told from a new one.
        gone: the target is no longer there.
    """

    field: str = ""
    equals: Any = None
    among: tuple[Any, ...] | None = Field(None, alias="is")
    absent: bool = False
    moved: bool = False
    holds: Any = None
    lacks: Any = None
    only: Any = None
    row: Mapping[str, Any] | None = None
    fresh: str = ""
    gone: bool = False
    when: When | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Expect:
        values = (self.equals, self.among, self.holds, self.lacks, self.only, self.row)
        said = [self.absent, self.moved, self.gone, *(v is not None for v in values)]
        if sum(map(bool, said)) != 1:
            raise ValueError("an expectation makes exactly one check")
        if not (self.field or self.row or self.gone):
            raise ValueError("an expectation names a field")
        return self


class Verify(Model):
    """The read that proves a write, or why no read can.

    Attributes:
        read: `target` (the read of the target's kind) or `GET /api/Endpoint`.
        send: places on the wire -> constant, `$tenant`, `$id`, `$name` or `$argument`.
        expect: every one of these must hold.
        claimed: why no read can show it.
    """

    read: str = ""
    send: Mapping[str, str] = Field(default_factory=dict)
    expect: tuple[Expect, ...] = ()
    claimed: str = ""

    @model_validator(mode="after")
    def _read_or_reason(self) -> Verify:
        if bool(self.read) == bool(self.claimed) or bool(self.read) != bool(self.expect):
            raise ValueError("verify has a read with what to expect, or claimed with the reason")
        if self.read and self.read != "target" and not self.read.startswith("GET /api/"):
            raise ValueError("verify.read is 'target' or 'GET /api/Endpoint'")
        return self
