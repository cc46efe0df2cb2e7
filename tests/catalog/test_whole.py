"""The API behind the catalog: its document is got once, at need, by whoever comes first, and nobody waits for it for long."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cipp_mcp.catalog import inputs, manifests
from cipp_mcp.catalog.api import Api, left_out
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.openapi import operations
from cipp_mcp.catalog.whole import AGAIN_AFTER, Whole
from cipp_mcp.errors import SettingsError, UnknownAction

CATALOG = manifests.load()
TOOLS = {a.path.removeprefix("/api/").casefold() for a in CATALOG}


def document(paths: Any) -> str:
    return json.dumps({"openapi": "3.1.0", "paths": paths})


NEWER = Api(
    CATALOG, operations(document({"/api/ListNewThings": {"get": {"x-cipp-role": "Tenant.Things.Read"}}})), source="instance"
)


class Loading:
    """Loads of a test: what they bring in order, the last for ever; how many began."""

    def __init__(self, *brought: Api | float) -> None:
        self._brought = list(brought)
        self.begun = 0

    async def __call__(self) -> Api:
        self.begun += 1
        one = self._brought.pop(0) if len(self._brought) > 1 else self._brought[0]
        if isinstance(one, Api):
            await anyio.lowlevel.checkpoint()
            return one
        await anyio.sleep(one)
        raise AssertionError("nobody waits so long")


def bounded(run: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        with anyio.fail_after(20):
            await run()

    anyio.run(within)


def test_a_tool_needs_no_document_and_anything_else_gets_it_once() -> None:
    async def run() -> None:
        loading = Loading(NEWER)
        whole = Whole(CATALOG, loading)
        assert (await whole.find("list_users")).name == "list_users"
        assert loading.begun == 0
        assert (await whole.find("listnewthings")).name == "ListNewThings"
        with pytest.raises(UnknownAction, match="ListNewThings"):
            await whole.find("ListNewThing")
        assert loading.begun == 1

    bounded(run)


def test_many_calls_at_once_make_one_load_and_all_get_what_it_brought() -> None:
    async def run() -> None:
        loading, found = Loading(NEWER), []
        whole = Whole(CATALOG, loading)

        async def ask() -> None:
            found.append((await whole.api()).source)

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
        assert (loading.begun, found) == (1, ["instance"] * 50)

    bounded(run)


def test_one_who_gives_up_does_not_take_the_document_from_the_others() -> None:
    async def run() -> None:
        loading = Loading(3600.0, NEWER)
        whole = Whole(CATALOG, loading, within=3600.0)
        with anyio.move_on_after(0.05):
            await whole.api()
        assert (await whole.api()).source == "instance"
        assert loading.begun == 2

    bounded(run)


def test_a_document_that_does_not_come_is_said_and_asked_for_again_later_only() -> None:
    async def run() -> None:
        now, loading = [0.0], Loading(3600.0, Api(CATALOG, notices=["gone"], settled=False), NEWER)
        whole = Whole(CATALOG, loading, clock=lambda: now[0], within=0.5)
        api = await whole.api()
        assert api.source == "shipped" and "0.5 s" in api.notices[0]
        with pytest.raises(UnknownAction, match="No OpenAPI document came"):
            await whole.find("ListNewThings")
        assert (await whole.find("ListMailboxRules")).effect is Effect.READ
        now[0] = AGAIN_AFTER - 1
        assert (await whole.api()) is api and loading.begun == 1
        now[0] = AGAIN_AFTER
        assert (await whole.api()).notices == ("gone",)
        now[0] = 2 * AGAIN_AFTER
        assert (await whole.find("ListNewThings")).effect is Effect.READ
        now[0] = 9 * AGAIN_AFTER
        assert (await whole.api()).source == "instance" and loading.begun == 3

    bounded(run)


def test_without_a_loader_the_shipped_catalogue_is_the_api() -> None:
    async def run() -> None:
        assert (await Whole(CATALOG).find("ExecCIPPDBCache")).effect.asks

    bounded(run)


# Whatever stands in a document

WORD = st.sampled_from(
    [
        "ID",
        "id",
        "tenantFilter",
        "TENANTFILTER",
        "userId",
        "$filter",
        "@odata.type",
        "confirm",
        "request_options",
        "a.b",
        "x[]",
        "",
    ]
) | st.text(max_size=8)
NAME = st.sampled_from(
    ["/api/ListUsers", "/api/LISTUSERS", "/api/ExecAzBobbyTables", "/api/execCIPPDBCache", "/api/ListMailboxRules", "/api/ListX"]
) | st.builds(lambda n: f"/api/{n}", st.text(max_size=12))
LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=6)
TYPE = st.sampled_from(["string", "boolean", "integer", "object", "array", ["string", "null"], "null", 3, None])
SCHEMA = st.recursive(
    st.fixed_dictionaries({}, optional={"type": TYPE, "enum": st.lists(LEAF, max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": TYPE,
            "properties": st.dictionaries(WORD, inner, max_size=3) | LEAF,
            "items": inner,
            "allOf": st.lists(inner, max_size=2) | LEAF,
            "required": st.lists(WORD, max_size=2) | LEAF,
            "$ref": st.sampled_from(["#/paths", "#/a/b", "#", "http://elsewhere.example/x", 7]),
            "additionalProperties": st.booleans() | LEAF,
        },
    ),
    max_leaves=8,
)
PARAMETER = st.fixed_dictionaries(
    {"in": st.sampled_from(["query", "path", 1]), "name": WORD | LEAF}, optional={"schema": SCHEMA | LEAF, "required": LEAF}
)
OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "x-cipp-role": st.sampled_from(["A.B.Read", "A.B.ReadWrite", "CIPP.SuperAdmin.ReadWrite"]) | LEAF,
        "x-cipp-any-tenant": LEAF,
        "parameters": st.lists(PARAMETER | LEAF, max_size=4) | LEAF,
        "requestBody": st.builds(lambda s: {"content": {"application/json": {"schema": s}}}, SCHEMA) | LEAF,
        "summary": LEAF,
    },
)
PATHS = st.dictionaries(
    NAME, st.dictionaries(st.sampled_from(["get", "post", "put", "GET"]), OPERATION | LEAF, max_size=2) | LEAF
)


@settings(max_examples=400, deadline=None)
@given(paths=PATHS)
def test_no_document_breaks_a_call_opens_what_is_closed_or_hides_a_write(paths: Any) -> None:
    try:
        api = Api(CATALOG, operations(document(paths)))
    except SettingsError:
        return
    for name in api.names():
        action = api.get(name)
        assert name.casefold() not in TOOLS and name.casefold() not in left_out()
        assert re.fullmatch(r"/api/[A-Za-z0-9_]+", action.path)
        assert action.effect.asks or (action.effect is Effect.READ and action.method == "GET" and name.lower().startswith("list"))
        Draft202012Validator.check_schema(inputs.schema(action))
        assert inputs.description(action)
    api.search.find("list x")
    for closed in ("ExecAzBobbyTables", "execazbobbytables"):
        with pytest.raises(UnknownAction):
            api.get(closed)
