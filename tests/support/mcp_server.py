"""A real MCP server of the `mcp` SDK on loopback. Source: https://github.com/modelcontextprotocol/python-sdk"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass
class McpStub:
    """`requests` are the methods and headers that came; without the `token`, where there is one, the answer is 401."""

    url: str = ""
    token: str | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


def _server(stub: McpStub) -> MCPServer:
    server = MCPServer("tested")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        stub.called.append("add")
        return a + b

    @server.tool()
    def fail(why: str) -> str:
        """Always fails."""
        stub.called.append("fail")
        raise ToolError(why)

    @server.tool()
    def large(characters: int) -> str:
        """Says a lot."""
        return "x" * characters

    @server.tool()
    async def wait() -> str:
        """Ends with the test."""
        await stub.over.wait()
        return "over"

    return server


@asynccontextmanager
async def mcp_server(*, json_response: bool = False, token: str | None = None) -> AsyncIterator[McpStub]:
    """Runs it on a free port of 127.0.0.1, at /mcp."""
    stub = McpStub(token=token)
    app: ASGIApp = _server(stub).streamable_http_app(json_response=json_response)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            stub.requests.append((scope["method"], headers))
            if stub.token is not None and headers.get("authorization") != f"Bearer {stub.token}":
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    listening = socket.create_server(("127.0.0.1", 0))
    stub.url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    server = uvicorn.Server(uvicorn.Config(watched, log_level="error", ws="none", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield stub
    finally:
        stub.over.set()
        server.should_exit = True
        await running
        listening.close()
