"""What can be attached to a conversation by its address: tenants, a tenant, a user. JSON, read through the same walk.

A kind of resource is one `Family`. Nothing is listed that would need CIPP to list it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import mcp_types as t
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate

from cipp_mcp.call import perform
from cipp_mcp.call.desk import Caller, Desk
from cipp_mcp.catalog.options import MOST_LIMIT
from cipp_mcp.message import Outcome, Word
from cipp_mcp.server.ask import Context
from cipp_mcp.server.prompts import only_page
from cipp_mcp.server.tools import JSON, principal_of

log = logging.getLogger("cipp_mcp.server")

LONGEST = 2_000
Read = Callable[[Desk, Mapping[str, str], Caller], Awaitable[Outcome]]
ALL_THAT_FITS = {"limit": MOST_LIMIT}
"""Whoever attaches a resource wants it as whole as it may be."""


@dataclass(frozen=True)
class Family:
    """One kind of resource.

    Attributes:
        template: RFC 6570, level 1 to 3; without a variable it is one fixed resource.
        read: what its variables lead to.
        needs: the tool whose absence (group, policy) takes it off the list; empty: always there.
        completes: variable -> what a client may be offered while it is typed (`tenant`, `user`).
    """

    template: str
    name: str
    title: str
    description: str
    read: Read
    needs: str = ""
    completes: Mapping[str, str] = field(default_factory=dict)

    @property
    def fixed(self) -> bool:
        return "{" not in self.template


def through(tool: str, **arguments: str) -> Read:
    """A family that one read tool answers; `arguments` are its arguments by variable name."""

    async def read(desk: Desk, given: Mapping[str, str], caller: Caller) -> Outcome:
        wanted = {argument: given[variable] for argument, variable in arguments.items()}
        return await perform(desk, tool, {**wanted, "request_options": ALL_THAT_FITS}, caller)

    return read


async def _rows(desk: Desk, given: Mapping[str, str], caller: Caller) -> Outcome:
    """The rows of a list that was cut, from one of them on."""
    cursor = f"{given['id']}.{given.get('offset', '0')}"
    return await perform(desk, "read_more", {"cursor": cursor, "request_options": ALL_THAT_FITS}, caller)


FAMILIES: tuple[Family, ...] = (
    Family(
        "cipp://tenants",
        "tenants",
        "Tenants",
        "Every tenant that CIPP manages: name, domains, id.",
        through("list_tenants"),
        needs="list_tenants",
    ),
    Family(
        "cipp://tenants/{tenant}",
        "tenant",
        "A tenant",
        "One tenant by domain, id or exact display name: organisation, properties, groups.",
        through("get_tenant", tenant_filter="tenant"),
        needs="get_tenant",
        completes={"tenant": "tenant"},
    ),
    Family(
        "cipp://tenants/{tenant}/users/{user}",
        "user",
        "A user",
        "One user of a tenant by UPN or object id: licences, manager, sign-in and sync state.",
        through("get_user", tenant_filter="tenant", user_id="user"),
        needs="get_user",
        completes={"tenant": "tenant", "user": "user"},
    ),
    Family(
        "cipp://results/{id}{?offset}",
        "results",
        "The rest of a list",
        "Rows of a list that did not fit into its answer, from number offset on; kept for 15 minutes.",
        _rows,
        needs="read_more",
    ),
)


class Resources:
    """The resources of one server.

    Args:
        desk: the collaborators of the walk.
        families: the kinds that it may serve; those whose tool is not served are left out.
    """

    def __init__(self, desk: Desk, families: Sequence[Family] = FAMILIES) -> None:
        actions, lists = desk.catalog.actions, desk.policy.lists
        self._desk = desk
        self._families = [f for f in families if not f.needs or (f.needs in actions and lists(actions[f.needs]))]
        self._templates = [(UriTemplate.parse(f.template), f) for f in self._families]

    def family(self, template: str) -> Family | None:
        """The family of exactly that template."""
        return next((f for f in self._families if f.template == template), None)

    async def list_resources(self, _: Context, params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        """Those with a fixed address."""
        only_page(params)
        fixed = [
            t.Resource(uri=f.template, name=f.name, title=f.title, description=f.description, mime_type=JSON)
            for f in self._families
            if f.fixed
        ]
        return t.ListResourcesResult(resources=fixed)

    async def list_templates(self, _: Context, params: t.PaginatedRequestParams | None) -> t.ListResourceTemplatesResult:
        """Those whose address has variables."""
        only_page(params)
        templates = [
            t.ResourceTemplate(uri_template=f.template, name=f.name, title=f.title, description=f.description, mime_type=JSON)
            for f in self._families
            if not f.fixed
        ]
        return t.ListResourceTemplatesResult(resource_templates=templates)

    async def read_resource(self, ctx: Context, params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        """One resource, or the error that says what is wrong with its address."""
        uri = params.uri
        found = self._find(uri)
        if found is None:
            raise MCPError(t.INVALID_PARAMS, "There is no resource of that address.", {"uri": uri[:LONGEST]})
        family, given = found
        try:
            outcome = await family.read(self._desk, given, Caller(client="MCP resource", principal=principal_of(ctx)))
        except Exception:  # a bug of ours must not end the session, and its text is not for the client
            log.exception("reading a resource failed")
            raise MCPError(t.INTERNAL_ERROR, "Something in this server went wrong; see its log.", {"uri": uri}) from None
        _or_error(uri, family, outcome)
        text = json.dumps(outcome.envelope(), ensure_ascii=False, separators=(",", ":"), default=str)
        return t.ReadResourceResult(contents=[t.TextResourceContents(uri=uri, mime_type=JSON, text=text)])

    def _find(self, uri: str) -> tuple[Family, dict[str, str]] | None:
        if len(uri) > LONGEST:
            return None
        for template, family in self._templates:
            if (matched := template.match(uri)) is not None:
                values = {k: v for k, v in matched.items() if isinstance(v, str)}
                # An empty segment is no name; the walk would call it a missing argument.
                return (family, values) if all(values.values()) else None
        return None


def _or_error(uri: str, family: Family, outcome: Outcome) -> None:
    """A refusal, and one object that is not there, is a wrong address; what CIPP failed at is not.

    Raises:
        MCPError: with the address, and the next step where there is one.
    """
    nothing = not family.fixed and outcome.word is Word.DONE and outcome.facts.get("items") == []
    if not outcome.is_error and not nothing:
        return
    data = {"uri": uri} | {k: outcome.facts[k] for k in ("problems", "candidates", "next_step") if outcome.facts.get(k)}
    code = t.INTERNAL_ERROR if outcome.word is Word.FAILED else t.INVALID_PARAMS
    raise MCPError(code, "There is nothing at that address." if nothing else outcome.message, data)
