"""How CIPP reads a request and words a reply: PowerShell's eye for keys, truth and nested values.

Endpoint functions see a `Call` and return a `Reply`. Nothing here knows a tenant's state beyond the gate
that every Graph helper of CIPP passes, and nothing here knows HTTP beyond a status code and a body.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from cipp_mcp.demo.tenant import Tenant
    from cipp_mcp.demo.world import World


@dataclass(frozen=True)
class Reply:
    """What a function hands back. A str body leaves as plain text, None as an empty body, the rest as JSON."""

    body: Any = None
    status: int = 200


# What leaves when a function never set its status: the entry point's own error, whatever was in the body.
NO_STATUS = Reply({"error": {"code": "InternalServerError", "message": "The request was not processed to its end"}}, 500)


class GraphError(Exception):
    """Microsoft Graph or Exchange said no; the message is what CIPP would pass on after normalising it."""


class Abort(Exception):
    """The function stopped with no answer object, as PowerShell's `exit` does."""


class Endpoint(NamedTuple):
    """One entry of a group's table: the role CIPP asks for, the function, and whether the tenant check is waived."""

    role: str
    run: Callable[[Call], Reply]
    any_tenant: bool = False


def pick(value: Any, path: str) -> Any:
    """`value.a.b` as PowerShell reads it: keys in any case, null on a text, and a list spread over its members."""
    for name in path.split("."):
        if isinstance(value, list):
            found = [pick(item, name) for item in value]
            found = [item for item in found if item is not None]
            value = None if not found else found[0] if len(found) == 1 else found
        elif isinstance(value, dict):
            wanted = name.lower()
            value = next((inner for key, inner in value.items() if key.lower() == wanted), None)
        else:
            return None
    return value


def first(*values: Any) -> Any:
    """PowerShell's `??`: the first that is not null. An empty text is not null."""
    return next((value for value in values if value is not None), None)


def as_list(value: Any) -> list[Any]:
    """`@(value)`: nothing gives an empty list, one thing a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def unrolled(items: list[Any]) -> Any:
    """What a PowerShell `foreach` leaves in a variable: nothing, the one thing, or a list."""
    return None if not items else items[0] if len(items) == 1 else items


def truthy(value: Any) -> bool:
    """`[bool]value`. Any text but the empty one is true, "false" included; that is the trap."""
    if isinstance(value, list):
        return truthy(value[0]) if len(value) == 1 else bool(value)
    return bool(value)


def is_true(value: Any) -> bool:
    """`value -eq $true`: the boolean, or the text "true" in any case (a query only has texts)."""
    return value is True or (isinstance(value, str) and value.lower() == "true") or (value == 1 and not isinstance(value, str))


def to_boolean(value: Any) -> bool:
    """`[System.Convert]::ToBoolean(value)`: null is false, a text must spell a boolean."""
    if isinstance(value, str):
        if value.strip().lower() not in ("true", "false"):
            raise ValueError(f"String '{value}' was not recognized as a valid Boolean.")
        return value.strip().lower() == "true"
    return bool(value)


def value_of(option: Any) -> Any:
    """`option.value ?? option`, for fields that come as a bare value or as {label, value}."""
    return first(pick(option, "value"), option)


def in_address(text: str) -> str:
    """What is left of a text that CIPP pastes into an address: all before a `#` (and a `&` in a query), then unescaped."""
    return unquote(re.split(r"[#&]", text, maxsplit=1)[0])


def same(left: Any, right: Any) -> bool:
    """`-eq` on two texts ignores case."""
    return str(left).lower() == str(right).lower()


@dataclass
class Call:
    """One request that passed the gate, as the endpoint function sees it."""

    world: World
    endpoint: str
    method: str
    query: dict[str, str]
    body: Any
    client_id: str
    # None: every tenant. Otherwise the customer ids that the caller's custom role allows.
    allowed: frozenset[str] | None = None
    # The caller's own role: its name, or the custom role. Only the management of API clients looks at it.
    role: object = "admin"
    address: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)

    def asked(self, name: str) -> str | None:
        found = pick(self.query, name) if "." not in name else None
        return None if found is None else str(found)

    def sent(self, path: str) -> Any:
        return pick(self.body, path)

    def either(self, name: str) -> Any:
        """`Request.Query.x ?? Request.Body.x`."""
        return first(self.asked(name), self.sent(name))

    def tenant(self, name: Any) -> Tenant:
        """The tenant that CIPP's helpers act on: the partner's own when none is named, nobody's when refused."""
        return self.world.reach(None if name is None else str(name), self.allowed)

    def log(self, message: str, tenant: Any = None, severity: str = "Info") -> None:
        self.world.log(self.endpoint, message, None if tenant is None else str(tenant), severity, self.client_id)

    def done(self, text: Any, tenant: Any = None) -> Reply:
        """The usual good end: logged, and the text under Results."""
        self.log(text if isinstance(text, str) else "done", tenant)
        return Reply({"Results": text})

    def failed(self, text: Any, tenant: Any = None, status: int = 500) -> Reply:
        """The usual bad end of a function that has one: the text under Results with an error status."""
        self.log(text if isinstance(text, str) else "failed", tenant, "Error")
        return Reply({"Results": text}, status)
