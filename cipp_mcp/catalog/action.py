"""The manifest grammar as frozen models: an `Action` and what it is made of.

Everything that a tool is (its schema, its guard, its request, its read-back, its documentation) is derived from
these few words. A manifest never holds code; what the grammar cannot say becomes one more named encoding in
`call/encode.py`. No network, no MCP and no file reading may enter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from cipp_mcp.catalog.doubt import Doubt
from cipp_mcp.catalog.effect import Effect, Model, Raise, Rule, When
from cipp_mcp.catalog.proof import Follow, Mark, Verify

TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{2,47}")
API = "api"
"""The group of operations without a manifest; they are named by their endpoint."""

_ENDPOINT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{1,99}")
_PLACE = re.compile(r"(own\.[a-z_]+|query\.[^.\s]+|body|body\[\]\.[^\s]+|body\.[^\s]+)")

ALL_TENANTS = "AllTenants"


class Encoding(StrEnum):
    """How a value goes onto the wire; one function each in `call/encode.py`."""

    PLAIN = "plain"  # as given; a flag in the query becomes the text true or false
    SET = "set"  # sent only when true: the far side takes any value as yes
    OPTION = "option"  # {label, value}; the backend ignores a bare value in silence
    ODATA = "odata"  # CIPP puts it into an address unescaped, so & and # are escaped once more
    EPOCH = "epoch"  # seconds since 1970, a number in a body
    YYYYMMDD = "yyyymmdd"
    CSV = "csv"
    NEWLINE = "newline"
    SPACE = "space"
    EACH = "each"  # one body element per value, each with a one-entry list
    TENANTS = "tenants"  # [{customerId, defaultDomainName, value, label}]
    TENANT_OPTIONS = "tenant_options"  # [{label, value, type: "Tenant"}]
    USERS = "users"  # [{label, value: id, addedFields: {userPrincipalName}}]
    MEMBERS = "members"  # [{value: id, addedFields: {userPrincipalName}}]
    GROUPS = "groups"  # [{label, value, addedFields: {groupType}}]


class Instead(When):
    """Sends another field of the object's row when the condition is met."""

    field: str


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class ActionField(Model):
    """One argument of a tool and its place on the wire.

    Attributes:
        kind: what the value names (`tenant`, or a kind of `manifests/kinds.toml`).
        sends: `written`, or the resolved `id` or `name` where the endpoint takes no other key.
        instead: where the endpoint takes another key of the object by another argument: that field of its row.
        unlisted: its choices hold but are not listed, because the row of a list tells which one it is.
        format: `email` is listed in place of the pattern that holds.
        single: with many, one value may also stand alone.
        alone: when CIPP takes one value only, and would hand a list of one on as a list.
        secret: never kept, shown or recorded.
        same_as: must name the same object as that field; CIPP only echoes it.
        deleted: the object may also be one in the recycle bin.
        template: `%name%` is meant here; elsewhere it is refused, because CIPP would expand it.
        sets: constants that ride along when the argument is given.
        inside: of an object: key in it, in any letter case -> the kind of what it names.
        code: free text for a machine (JSON, XML): not shown to an approver, not searched for names.
    """

    name: str
    type: Literal["text", "flag", "number", "time", "choice", "object"]
    summary: str = ""
    many: bool = False
    single: bool = False
    alone: When | None = None
    optional: bool = False
    default: Any = None
    choices: tuple[str | int, ...] = ()
    unlisted: bool = False
    format: Literal["uuid", "email", ""] = ""
    pattern: str | None = None
    least: int | None = None
    most: int | None = None
    to: str
    encoding: Encoding = Field(Encoding.PLAIN, alias="as")
    kind: str | None = None
    sends: Literal["written", "id", "name"] = "written"
    instead: Instead | None = None
    secret: bool = False
    same_as: str = ""
    deleted: bool = False
    template: bool = False
    code: bool = False
    sets: Mapping[str, Any] = Field(default_factory=dict)
    inside: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> ActionField:
        for place in (self.to, *self.sets):
            if not _PLACE.fullmatch(place):
                raise ValueError(f"{self.name}: {place!r} is not query.X, body.X, body[].X or body")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError(f"{self.name}: choices go with type choice")
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error:
                raise ValueError(f"{self.name}: the pattern is no regular expression") from None
        return self

    @property
    def required(self) -> bool:
        return not self.optional and self.default is None


class Merge(Model):
    """Read, merge, write, for endpoints that replace a whole record and reset what is left out.

    Attributes:
        read: `target` (the row of the plan's target) or `GET /api/Endpoint`; with `send` as in `Verify`.
        rows: where the rows are in the answer; empty finds them.
        keep: place on the wire -> dotted path in the row, used when no argument fills that place.
        unset: place on the wire -> what CIPP shows where nothing is stored; it is not sent back.
        whole: the stored record is the body, and what is given is laid over it key by key.
        by: the body is a list: the stored rows, told apart by this field and cut down to `keep`, stay in it unless an entry
            is given in their place; an entry with nothing but this field takes its row away.
        when, for_any: only if this holds, or one of these arguments is there (false and empty included).
        may_be_new: no such record yet is fine.
    """

    read: str
    send: Mapping[str, str] = Field(default_factory=dict)
    rows: str = ""
    keep: Mapping[str, str] = Field(default_factory=dict)
    unset: Mapping[str, Any] = Field(default_factory=dict)
    whole: bool = False
    by: str = ""
    when: When | None = None
    for_any: tuple[str, ...] = ()
    may_be_new: bool = False


class Example(Model):
    """Documentation and test vector: these arguments give exactly this request.

    Attributes:
        stored: what the merge read before, place on the wire -> value.
    """

    given: Mapping[str, Any]
    sends: Mapping[str, Any]
    stored: Mapping[str, Any] = Field(default_factory=dict)


class Action(Model):
    """One thing that can be asked of CIPP. The file name is the tool name.

    Attributes:
        effect: the reviewed word; `by` maps each choice of one argument to its own word.
        rows: where a list's rows are in the answer; empty finds them.
        whole_with: the argument that names one object, which is then shown whole instead of by columns.
        trim: bulky paths left out unless asked for by name. redact: paths that hold secrets.
        all_tenants: the endpoint accepts AllTenants.
        loses, undo: what is lost and the way back, for the approver.
        settles: `later` when CIPP only queues the work.
        each_line: CIPP has a line for each thing that it did, so that an empty list of them says that it did nothing.
        denies: Graph paths that no text argument may ask for.
        lean: only the lean surface lists it.
        target: the field whose objects the plan is about; every object named when empty.
        mark: where our operation's id goes, so that the job can be found again.
        doubt: what a list of it does not say about itself.
        queue: the name under which CIPP queues the building of this list, where its answer does not give the queue's id.
    """

    name: str
    group: str
    title: str
    summary: str
    endpoint: str
    role: str
    effect: Effect
    by: Mapping[str, Mapping[str, Effect]] = Field(default_factory=dict)
    raises: tuple[Raise, ...] = ()
    returns_secret: bool = False
    all_tenants: bool = False
    settles: Literal["now", "later"] = "now"
    each_line: bool = False
    loses: str = ""
    undo: str = ""
    words: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: str = ""
    whole_with: str = ""
    trim: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    constants: Mapping[str, Any] = Field(default_factory=dict)
    fields: tuple[ActionField, ...] = ()
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_listed)] = ()
    follow: Follow | None = None
    merge: Merge | None = None
    denies: tuple[str, ...] = ()
    verify: Annotated[tuple[Verify, ...], BeforeValidator(_listed)] = ()
    examples: tuple[Example, ...] = ()
    formerly: tuple[str, ...] = ()
    lean: bool = False
    target: str = ""
    mark: Mark | None = None
    queue: str = ""
    doubt: Doubt | None = None
    digest: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Action:
        names = {f.name for f in self.fields}
        asked = [r.argument for r in self.raises] + list(self.by) + ([self.whole_with] if self.whole_with else [])
        asked += [self.mark.field] if self.mark else []
        asked += [n for r in self.rules for n in (*r.needs, *r.one_of, *r.ignored, *([r.when.argument] if r.when else []))]
        asked += [n for v in self.verify for n in (*v.blind, *v.beyond)]
        if unknown := sorted(set(asked) - names):
            raise ValueError(f"no field named {', '.join(unknown)}")
        for argument, words in self.by.items():
            if set(words) != set(self.field(argument).choices):
                raise ValueError(f"by.{argument} must give a word to each of its choices")
        if self.method == "GET" and any(not f.to.startswith("query.") for f in self.fields):
            raise ValueError("a GET has no body")
        if not (_ENDPOINT_NAME if self.group == API else TOOL_NAME).fullmatch(self.name):
            raise ValueError("the file name is not a tool name")
        return self

    def idle(self, arguments: Mapping[str, Any]) -> set[str]:
        """The given arguments that CIPP does not look at beside the others."""
        return {name for rule in self.rules for name in rule.idle(arguments)}

    def remarks(self, arguments: Mapping[str, Any]) -> list[str]:
        """The sentences about these."""
        return [said for rule in self.rules if (said := rule.remark(arguments))]

    @property
    def method(self) -> Literal["GET", "POST"]:
        return "GET" if self.endpoint.startswith("GET ") else "POST"

    @property
    def path(self) -> str:
        return self.endpoint.partition(" ")[2]

    @property
    def own(self) -> bool:
        """A tool of this server itself; it sends nothing of its own."""
        return self.endpoint.startswith("OWN ")

    @property
    def gives_rows(self) -> bool:
        """Whether its answer is a list, or may be one: of an operation without a manifest nobody knows."""
        reads = self.effect is Effect.READ and self.name not in {"find_action", "describe_action"}
        return reads or self.group == API or self.name == "change_action"

    @property
    def may_ask(self) -> bool:
        """Whether some call of it can need a yes, so that it takes `confirm`."""
        if self.strongest in {Effect.READ, Effect.PROBE}:
            return False
        return self.strongest.asks or self.several or self.all_tenants or self.returns_secret

    @property
    def several(self) -> bool:
        """Whether one call of it can be about several targets or tenants."""
        return any(f.many and f.kind and (f.kind == "tenant" or self.target in {"", f.name}) for f in self.fields)

    @property
    def strongest(self) -> Effect:
        words = [self.effect, *(r.to for r in self.raises), *(w for m in self.by.values() for w in m.values())]
        return max(words, key=lambda e: e.strength)

    def field(self, name: str) -> ActionField:
        return next(f for f in self.fields if f.name == name)

    def effect_of(self, arguments: Mapping[str, Any]) -> Effect:
        """The word for exactly these (checked) arguments."""
        words = [self.effect, *(r.to for r in self.raises if r.met(arguments))]
        words += [m[str(arguments[a])] for a, m in self.by.items() if arguments.get(a) is not None]
        return max(words, key=lambda e: e.strength)
