"""`ListOpenApiSpec`: the demo's own OpenAPI document, read from the functions that answer.

CIPP makes its document from its source and so does the demo: what a function asks its request for is a name, and its
entry in a group's table is its role. Nothing is described, as nobody has described it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cipp_mcp.demo.dialect import Call, Endpoint, Reply

NAME = "ListOpenApiSpec"
ROLE = "CIPP.Core.Read"
_SIDES = {"asked": ("query",), "sent": ("body",), "either": ("query", "body")}


def answering(known: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
    """The function that answers with the document of these, by its name."""

    def run(_: Call) -> Reply:
        return Reply(document(known))

    return {NAME: Endpoint(ROLE, run, any_tenant=True)}


def document(known: Mapping[str, Endpoint]) -> dict[str, Any]:
    """The document of these functions, by name."""
    paths = {f"/api/{name}": _path(name, endpoint) for name, endpoint in sorted(known.items())}
    return {"openapi": "3.1.0", "info": {"title": "A CIPP in a box", "version": "auto"}, "paths": paths}


def _path(name: str, endpoint: Endpoint) -> dict[str, Any]:
    found = list(dict.fromkeys(_asked(endpoint.run, set())))
    body: dict[str, Any] = {}
    for path in (path for side, path in found if side == "body"):
        place = body
        for part in path.split(".")[:-1]:
            place = place.setdefault(part, {"type": "object"}).setdefault("properties", {})
        place.setdefault(path.rpartition(".")[2], {"type": "string"})
    operation: dict[str, Any] = {"operationId": name, "x-cipp-role": endpoint.role}
    if endpoint.any_tenant:
        operation["x-cipp-any-tenant"] = True
    query = [path for side, path in found if side == "query"]
    if query:
        operation["parameters"] = [{"name": one, "in": "query", "schema": {"type": "string"}} for one in query]
    if body:
        schema = {"type": "object", "properties": body}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return {"post" if body or not name.startswith("List") else "get": operation}


def _asked(run: Callable[..., Any], seen: set[Callable[..., Any]]) -> Iterator[tuple[str, str]]:
    """(side, name) of everything that a function, and what it hands its call to, asks the request for."""
    if not inspect.isfunction(run) or run in seen:
        return
    seen.add(run)
    for node in ast.walk(_tree(run)):
        match node:
            case ast.Call(ast.Attribute(_, str(way)), [ast.Constant(str(name))]) if way in _SIDES:
                yield from ((side, name) for side in _SIDES[way])
            case ast.Call(ast.Name(inner), [ast.Name("call"), *_]):
                yield from _asked(run.__globals__.get(inner), seen)  # type: ignore[arg-type]


def _tree(run: Callable[..., Any]) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(run)))
    except (OSError, SyntaxError):  # a lambda inside a table, or no source at hand
        return ast.Module([], [])
