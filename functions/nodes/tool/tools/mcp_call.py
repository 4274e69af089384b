"""`mcp.call`: one call of a tool of an MCP server, under the same egress policy and limits as other requests."""

from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import HTTP_KINDS, SERVICE_ERRORS, Arguments, Tool, ToolContext
from shared.adapters.http.exchange import Limits


class McpArguments(Arguments):
    url: str = Field(description="Of an MCP server that speaks streamable HTTP, in full, at a public address.")
    tool: str = Field(min_length=1, max_length=200, description="What the server calls it.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="What the tool takes.")
    timeout_seconds: int = Field(default=60, ge=1, le=600)
    max_response_bytes: int = Field(default=5_000_000, ge=1, le=25_000_000)


async def run(arguments: McpArguments, context: ToolContext) -> dict[str, Any]:
    """`{text, structured, other}`: `structured` is null where the tool gives none, `other` holds images and such."""
    from shared.adapters.http.mcp import McpServer  # noqa: PLC0415 - the SDK is heavy, and few calls need it

    limits = Limits(arguments.max_response_bytes, float(arguments.timeout_seconds))
    server = McpServer(context.requester, arguments.url, limits, context.credentials)
    return await server.call(arguments.tool, arguments.arguments)


TOOL = Tool(
    name="mcp.call",
    summary="Calls a tool of an MCP server and gives its result.",
    arguments=McpArguments,
    run=run,
    connections=tuple(each for each in HTTP_KINDS if each != "hmac"),
    raises=SERVICE_ERRORS,
)
