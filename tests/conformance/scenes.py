"""The tools, prompts and resources that the official suite asks of a server, and that no product has. For tests only.

They are put beside ours, so that every question of the suite travels through our own server, its middleware and its
transport. Nothing here is a statement about how our own tools behave.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp_types as t
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

Context = ServerRequestContext[Any, Any]
Called = t.CallToolResult | t.InputRequiredResult
Tool = Callable[[Context, t.CallToolRequestParams], Awaitable[Called]]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
NOTHING = {"type": "object", "properties": {}}
SCHEMA_TOOL = "json_schema_2020_12_tool"
RICH_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
PICK = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
ENUMS: dict[str, Any] = {
    "untitledSingle": {"type": "string", "enum": PICK},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": PICK}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}
DEFAULTS: dict[str, Any] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}


def text(said: str, *, error: bool = False) -> t.CallToolResult:
    return t.CallToolResult(content=[t.TextContent(type="text", text=said)], is_error=error)


def embedded(uri: str, kind: str, said: str) -> t.EmbeddedResource:
    return t.EmbeddedResource(type="resource", resource=t.TextResourceContents(uri=uri, mime_type=kind, text=said))


def image() -> t.ImageContent:
    return t.ImageContent(type="image", data=PNG, mime_type="image/png")


def always(*content: Any) -> Tool:
    async def tool(_: Context, __: t.CallToolRequestParams) -> Called:
        return t.CallToolResult(content=list(content))

    return tool


async def fails(_: Context, __: t.CallToolRequestParams) -> Called:
    return text("This tool intentionally returns an error for testing", error=True)


async def progresses(ctx: Context, _: t.CallToolRequestParams) -> Called:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100, f"{done} of 100")
    return text("Progress was reported.")


def form(message: str, properties: Mapping[str, Any], required: list[str] | None = None) -> t.ElicitRequestFormParams:
    schema = {"type": "object", "properties": dict(properties)} | ({"required": required} if required else {})
    return t.ElicitRequestFormParams(message=message, requested_schema=schema)


def pushes(properties: Mapping[str, Any], required: list[str] | None = None) -> Tool:
    """Asks while the call waits (2025-11-25)."""

    async def tool(ctx: Context, params: t.CallToolRequestParams) -> Called:
        asked = form(str((params.arguments or {}).get("message", "Please answer")), properties, required)
        answer = await ctx.session.elicit_form(asked.message, asked.requested_schema, ctx.request_id)
        return text(f"User response: action={answer.action}, content={json.dumps(answer.content)}")

    return tool


# -- 2026-07-28: the result asks ----------------------------------------------------------------------------------

NAME = t.ElicitRequest(params=form("What is your name?", {"name": {"type": "string"}}, ["name"]))
COLOUR = t.ElicitRequest(params=form("What is your favorite color?", {"color": {"type": "string"}}, ["color"]))
CONFIRM = t.ElicitRequest(params=form("Please confirm", {"ok": {"type": "boolean"}}, ["ok"]))
CONTEXT = t.ElicitRequest(params=form("What context should the prompt use?", {"context": {"type": "string"}}, ["context"]))
ROOTS = t.ListRootsRequest()


def sampling(question: str) -> t.CreateMessageRequest:
    said = t.SamplingMessage(role="user", content=t.TextContent(type="text", text=question))
    return t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=[said], max_tokens=100))


def asks(requests: Mapping[str, Any], *, state: str | None = None, done: str = "Complete.") -> Tool:
    """Asks for `requests`, and is complete when every one of them is answered."""

    async def tool(_: Context, params: t.CallToolRequestParams) -> Called:
        given = params.input_responses or {}
        wrong = [k for k in requests if k not in given or getattr(given[k], "action", "accept") != "accept"]
        if wrong or (state is not None and params.request_state != state):
            return t.InputRequiredResult(input_requests=dict(requests), request_state=state)
        return text(f"{done} {json.dumps({k: given[k].model_dump(mode='json') for k in requests})}")

    return tool


async def asks_twice(_: Context, params: t.CallToolRequestParams) -> Called:
    given = params.input_responses or {}
    if params.request_state == "named" and "step2" in given:
        return text("Complete.")
    if params.request_state == "begun" and "step1" in given:
        return t.InputRequiredResult(input_requests={"step2": COLOUR}, request_state="named")
    return t.InputRequiredResult(input_requests={"step1": NAME}, request_state="begun")


async def asks_what_the_client_can(ctx: Context, _: t.CallToolRequestParams) -> Called:
    declared = ctx.session.client_capabilities
    can: dict[str, Any] = {}
    if declared is not None and declared.sampling is not None:
        can["question"] = sampling("What is the capital of France?")
    if declared is not None and declared.elicitation is not None:
        can["user_name"] = NAME
    return t.InputRequiredResult(input_requests=can) if can else text("The client can answer nothing.")


async def needs_sampling(ctx: Context, _: t.CallToolRequestParams) -> Called:
    declared = ctx.session.client_capabilities
    if declared is None or declared.sampling is None:
        needs: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(t.MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", needs)
    return text("The client can sample.")


MESSAGE = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
PERSON = {"username": {"type": "string"}, "email": {"type": "string"}}
TOOLS: Mapping[str, Tool] = {
    "test_simple_text": always(t.TextContent(type="text", text="This is a simple text response for testing.")),
    "test_image_content": always(image()),
    "test_audio_content": always(t.AudioContent(type="audio", data=WAV, mime_type="audio/wav")),
    "test_embedded_resource": always(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")),
    "test_multiple_content_types": always(
        t.TextContent(type="text", text="Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ),
    "test_error_handling": fails,
    "test_tool_with_progress": progresses,
    "test_elicitation": pushes(PERSON, list(PERSON)),
    "test_elicitation_sep1034_defaults": pushes(DEFAULTS),
    "test_elicitation_sep1330_enums": pushes(ENUMS),
    SCHEMA_TOOL: always(t.TextContent(type="text", text="ok")),
    "test_missing_capability": needs_sampling,
    "test_logging_tool": always(t.TextContent(type="text", text="Nothing is logged over the protocol.")),
    "test_streaming_elicitation": asks({"user_name": NAME}),
    "test_input_required_result_elicitation": asks({"user_name": NAME}, done="Hello,"),
    "test_input_required_result_sampling": asks({"capital_question": sampling("What is the capital of France?")}),
    "test_input_required_result_list_roots": asks({"client_roots": ROOTS}),
    "test_input_required_result_request_state": asks({"confirm": CONFIRM}, state="asked", done="state-ok"),
    "test_input_required_result_tampered_state": asks({"confirm": CONFIRM}, state="asked"),
    "test_input_required_result_multiple_inputs": asks(
        {"user_name": NAME, "greeting": sampling("Generate a greeting"), "client_roots": ROOTS}, state="asked"
    ),
    "test_input_required_result_multi_round": asks_twice,
    "test_input_required_result_capabilities": asks_what_the_client_can,
}
SCHEMAS: Mapping[str, dict[str, Any]] = {"test_elicitation": MESSAGE, SCHEMA_TOOL: RICH_SCHEMA}

# -- prompts and resources ------------------------------------------------------------------------------------------

TWO = [t.PromptArgument(name=n, description="A test argument", required=True) for n in ("arg1", "arg2")]
PROMPTS: Mapping[str, list[t.PromptArgument]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": TWO,
    "test_prompt_with_embedded_resource": [t.PromptArgument(name="resourceUri", description="Its address", required=True)],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}


def prompt(params: t.GetPromptRequestParams) -> t.GetPromptResult | t.InputRequiredResult:
    """The suite's prompt of that name."""
    given = params.arguments or {}
    said = "This is a simple prompt for testing."
    content: list[Any] = []
    match params.name:
        case "test_prompt_with_arguments":
            said = f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
        case "test_prompt_with_embedded_resource":
            content = [embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")]
            said = "Please process the embedded resource above."
        case "test_prompt_with_image":
            content, said = [image()], "Please analyze the image above."
        case "test_input_required_result_prompt":
            if "user_context" not in (params.input_responses or {}):
                return t.InputRequiredResult(input_requests={"user_context": CONTEXT})
    parts = [*content, t.TextContent(type="text", text=said)]
    return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=part) for part in parts])


TEMPLATE = "test://template/{id}/data"
RESOURCES: Mapping[str, t.TextResourceContents | t.BlobResourceContents] = {
    uri: content
    for uri, content in (
        (
            "test://static-text",
            t.TextResourceContents(
                uri="test://static-text",
                mime_type="text/plain",
                text="This is the content of the static text resource.",
            ),
        ),
        ("test://static-binary", t.BlobResourceContents(uri="test://static-binary", mime_type="image/png", blob=PNG)),
    )
}


def templated(uri: str, key: str) -> t.TextResourceContents:
    data = {"id": key, "templateTest": True, "data": f"Data for ID: {key}"}
    return t.TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
