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

    `$argument.id` and `$argument.name` are those of the objects that it names, `$argument.key` the values in given objects.

    Attributes:
        field: dotted path into the row; through lists it collects.
        row: the answer must list a row with these values (`{id}`, `{name}` and `{label}` stand for the target's); a list of
            values means any of them, and a cell that is a list need only have one.
        each: with `row`: once for each object of that argument, which `{id}`, `{name}` and `{label}` then stand for.
        listed: with `row`: false means that no row may have these values.
        alone: with `row`: every row must have these values, and there may be none.
        moved: the value differs from what it was before the call.
        fresh: with `row`: the field by which a row that was there before the call is told from a new one; with
            `listed = false` such a row must have been there before.
        says: the text, markup aside, contains this.
        entry: the list at `field` has an entry with these values; an argument with several values wants one entry each.
        gone: the target is no longer there.
    """

    field: str = ""
    equals: Any = None
    absent: bool = False
    moved: bool = False
    holds: Any = None
    lacks: Any = None
    only: Any = None
    row: Mapping[str, Any] | None = None
    each: str = ""
    listed: bool = True
    alone: bool = False
    fresh: str = ""
    says: str | None = None
    entry: Mapping[str, Any] | None = None
    gone: bool = False
    when: When | None = None

    @model_validator(mode="after")
    def _one_check(self) -> Expect:
        values = (self.equals, self.holds, self.lacks, self.only, self.row, self.entry, self.says)
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
        send: places on the wire -> constant, `$tenant`, `$id`, `$name`, `$argument` or a field of the target's state.
        expect: every one of these must hold.
        job: what it shows is that work is queued, not that it was done.
        blind: arguments whose effect this read does not show; with one of them it proves nothing.
        beyond: arguments whose effect CIPP reports on line by line and this read does not show: with one of them a call
            that CIPP did not report as a success is shown in part.
        besides: the call does more than this read shows: that all was so before does not say that nothing has changed.
        claimed: why no read can show it.
    """

    read: str = ""
    send: Mapping[str, str] = Field(default_factory=dict)
    expect: tuple[Expect, ...] = ()
    job: bool = False
    blind: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    besides: bool = False
    claimed: str = ""

    @model_validator(mode="after")
    def _read_or_reason(self) -> Verify:
        if bool(self.read) == bool(self.claimed) or bool(self.read) != bool(self.expect):
            raise ValueError("verify has a read with what to expect, or claimed with the reason")
        if self.read and self.read != "target" and not self.read.startswith("GET /api/"):
            raise ValueError("verify.read is 'target' or 'GET /api/Endpoint'")
        return self


class Mark(Model):
    """The text field that gets our operation's id where the caller leaves it out, because CIPP keeps it with the job.

    Attributes:
        field: the field's name.
        when: only if this holds.
    """

    field: str
    when: When | None = None


class Follow(Model):
    """Where the job of queued work is seen, and how its end reads.

    Attributes:
        when: only these calls queue a job.
        read, send: the list of jobs, as in `Verify`.
        row: what a job of this operation looks like; `{id}` and `{name}` stand for the target's.
        key: the field that tells jobs apart; one that was there before the call is not ours.
        state: the field with the job's state; `ended` and `failed` are the words that it ends with.
        steps, steps_send, steps_texts: the read of one job's steps (`$key`'s name stands for it), and where their texts are.
    """

    when: When | None = None
    read: str
    send: Mapping[str, str] = Field(default_factory=dict)
    row: Mapping[str, Any]
    key: str
    state: str
    ended: tuple[str, ...]
    failed: tuple[str, ...] = ()
    steps: str = ""
    steps_send: Mapping[str, str] = Field(default_factory=dict)
    steps_texts: str = ""

    @property
    def accepted(self) -> Verify:
        """The read that shows that a job of this operation exists."""
        expect = Expect.model_validate({"row": self.row, "fresh": self.key})
        return Verify(job=True, read=self.read, send=self.send, expect=(expect,))
