"""Our server on HTTP, on loopback, with the suite's own tools, prompts and resources beside ours."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as t
import uvicorn
from mcp.server.lowlevel import Server
from mcp.shared.uri_template import UriTemplate

from cipp_mcp import settings, wiring
from cipp_mcp.catalog import manifests
from cipp_mcp.demo.serve import Box
from cipp_mcp.server import build
from tests.conformance import scenes
from tests.conformance.scenes import Context


def with_scenes(server: Server[Any]) -> Server[Any]:
    """The same server with the suite's things added: what the suite does not name goes to our own handlers."""
    ours: dict[str, Any] = {m: entry.handler for m in _METHODS if (entry := server.get_request_handler(m))}
    template = UriTemplate.parse(scenes.TEMPLATE)

    async def list_tools(ctx: Context, params: t.PaginatedRequestParams) -> t.ListToolsResult:
        own: t.ListToolsResult = await ours["tools/list"](ctx, params)
        added = [
            t.Tool(name=n, description="Of the suite.", input_schema=scenes.SCHEMAS.get(n, scenes.NOTHING)) for n in scenes.TOOLS
        ]
        return own.model_copy(update={"tools": [*own.tools, *added]})

    async def call_tool(ctx: Context, params: t.CallToolRequestParams) -> Any:
        tool = scenes.TOOLS.get(params.name)
        return await (tool or ours["tools/call"])(ctx, params)

    async def list_prompts(ctx: Context, params: t.PaginatedRequestParams) -> t.ListPromptsResult:
        own: t.ListPromptsResult = await ours["prompts/list"](ctx, params)
        added = [t.Prompt(name=n, description="Of the suite.", arguments=a) for n, a in scenes.PROMPTS.items()]
        return own.model_copy(update={"prompts": [*own.prompts, *added]})

    async def get_prompt(ctx: Context, params: t.GetPromptRequestParams) -> Any:
        return scenes.prompt(params) if params.name in scenes.PROMPTS else await ours["prompts/get"](ctx, params)

    async def list_resources(ctx: Context, params: t.PaginatedRequestParams) -> t.ListResourcesResult:
        own: t.ListResourcesResult = await ours["resources/list"](ctx, params)
        added = [t.Resource(uri=uri, name=uri, mime_type=c.mime_type) for uri, c in scenes.RESOURCES.items()]
        return own.model_copy(update={"resources": [*own.resources, *added]})

    async def list_templates(ctx: Context, params: t.PaginatedRequestParams) -> t.ListResourceTemplatesResult:
        own: t.ListResourceTemplatesResult = await ours["resources/templates/list"](ctx, params)
        added = [*own.resource_templates, t.ResourceTemplate(uri_template=scenes.TEMPLATE, name="template")]
        return own.model_copy(update={"resource_templates": added})

    async def read_resource(ctx: Context, params: t.ReadResourceRequestParams) -> Any:
        if params.uri in scenes.RESOURCES:
            return t.ReadResourceResult(contents=[scenes.RESOURCES[params.uri]])
        if matched := template.match(params.uri):
            return t.ReadResourceResult(contents=[scenes.templated(params.uri, str(matched["id"]))])
        return await ours["resources/read"](ctx, params)

    async def complete(ctx: Context, params: t.CompleteRequestParams) -> Any:
        if isinstance(params.ref, t.PromptReference) and params.ref.name in scenes.PROMPTS:
            return t.CompleteResult(completion=t.Completion(values=["test"], total=1, has_more=False))
        return await ours["completion/complete"](ctx, params)

    server.add_request_handler("tools/list", t.PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", t.CallToolRequestParams, call_tool)
    server.add_request_handler("prompts/list", t.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", t.GetPromptRequestParams, get_prompt)
    server.add_request_handler("resources/list", t.PaginatedRequestParams, list_resources)
    server.add_request_handler("resources/templates/list", t.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", t.ReadResourceRequestParams, read_resource)
    server.add_request_handler("completion/complete", t.CompleteRequestParams, complete)
    return server


_METHODS = (
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "completion/complete",
)


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The address of the running fixture; it stops when the block is left."""
    with Box.open(enforce_rate=False) as box, tempfile.TemporaryDirectory(prefix="cipp-mcp-conformance-") as home:
        chosen = settings.read({**box.environment(), "CIPP_MCP_HOME": str(Path(home) / "home")})
        async with wiring.open_desk(chosen, manifests.load(), answer_within=20) as desk:
            app = with_scenes(build(desk)).streamable_http_app()
            # Listening before anybody is told the address: who comes early waits in the queue of the socket.
            with socket.create_server(("127.0.0.1", 0)) as door:
                port = door.getsockname()[1]
                http = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", ws="none"))
                async with anyio.create_task_group() as running:
                    running.start_soon(http.serve, [door])
                    yield f"http://127.0.0.1:{port}/mcp"
                    http.should_exit = True
                    http.force_exit = True
