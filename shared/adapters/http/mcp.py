"""Tools of MCP servers that speak streamable HTTP, behind the egress policy.

The SDK speaks the protocol; its HTTP goes through a `Requester`, so that addresses are checked and pinned, credentials
go where they may, and answers are bounded, as for every other request. A session lasts for one use: nothing of one
execution is left for another. Streams that the server opens on its own are not taken, since nothing here would answer.

Source: https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#streamable-http
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, PaginatedRequestParams, TextContent

from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import Request, parsed
from shared.adapters.http.exchange import Limits
from shared.adapters.http.request import compose
from shared.connections.kinds import Credentials
from shared.errors import DestinationRefused, DestinationTimeout, NodeError

MAX_TOOLS = 500
_OUR_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding", "user-agent"})
_DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_MESSAGE_CHARACTERS = 1_000
_SHELL = "https://server.invalid/"
"""What the SDK is told. It parses URLs by rules of its own; what counts is read once, where it is checked."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool as its server describes it; `arguments` is a JSON Schema."""

    name: str
    description: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server at `url`. `limits` are those of each HTTP request, and `total_seconds` those of a whole use too."""

    requester: Requester
    url: str
    limits: Limits
    credentials: Credentials | None = None

    async def tools(self) -> list[McpTool]:
        """What the server offers, all pages.

        Raises:
            DestinationRefused: the server refuses, does not speak MCP, or offers more than MAX_TOOLS.
            NodeError: see `exchange` and `Requester.send`.
        """
        return await self._use(self._listed)

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Calls the tool once: `{text, structured, other}`, where `other` are the blocks that are no text.

        Raises:
            DestinationRefused: the tool says that it failed, or as `tools`.
            NodeError: see `exchange` and `Requester.send`.
        """

        async def called(session: ClientSession) -> CallToolResult:
            return await session.call_tool(tool, arguments)

        result = await self._use(called)
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        if result.is_error:
            raise DestinationRefused(f"The MCP tool '{tool}' failed: {text[:_MESSAGE_CHARACTERS]}", tool=tool)
        other = [block.model_dump(mode="json") for block in result.content if not isinstance(block, TextContent)]
        return {"text": text, "structured": result.structured_content, "other": other}

    async def _listed(self, session: ClientSession) -> list[McpTool]:
        found: list[McpTool] = []
        cursor: str | None = None
        while True:
            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            found += [McpTool(each.name, each.description or "", each.input_schema) for each in page.tools]
            if len(found) > MAX_TOOLS or (page.next_cursor is not None and not page.tools):
                raise DestinationRefused(f"The MCP server {self._host} offers more than {MAX_TOOLS} tools.")
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def _use(self, work: Callable[[ClientSession], Awaitable[T]]) -> T:
        """What goes wrong inside of the SDK's task groups comes out in groups; what our transport refused counts."""
        wire = _Wire(self)
        try:
            with anyio.fail_after(self.limits.total_seconds):
                async with self._session(wire) as session:
                    return await work(session)
        except Exception as error:  # noqa: BLE001 - the SDK's task groups raise groups of anything
            raise wire.failure or _named(error, self._host) from None

    @asynccontextmanager
    async def _session(self, wire: "_Wire") -> AsyncIterator[ClientSession]:
        async with (
            httpx2.AsyncClient(transport=wire, timeout=None, trust_env=False) as client,
            streamable_http_client(_SHELL, http_client=client, max_sse_event_size=self.limits.body_bytes) as (
                reading,
                writing,
            ),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            yield session

    @property
    def _host(self) -> str:
        return parsed(self.url).raw_host or ""


class _Wire(httpx2.AsyncBaseTransport):
    """The SDK's requests by way of the Requester. A failure is kept, and told to the SDK as a status: it would only log
    an exception."""

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self.failure: NodeError | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer, within the limits; 405 for a GET, which would open a stream that never ends."""
        if request.method == "GET":
            return httpx2.Response(405)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _OUR_HEADERS}
            shell = compose(request.method, self._server.url, headers=headers)
            sent = Request(request.method, shell.url, shell.headers, await request.aread() or None)
            answer = await self._server.requester.send(sent, self._server.limits, self._server.credentials)
            if request.method == "POST":
                answer.raise_for_status()
        except NodeError as error:
            self.failure = self.failure or error
            return httpx2.Response(502)
        kept = {name: value for name, value in answer.headers.items() if name not in _DECODED}
        return httpx2.Response(answer.status, headers=kept, content=answer.body)


def _named(error: BaseException, host: str) -> NodeError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, NodeError):
        return error
    if isinstance(error, TimeoutError):
        return DestinationTimeout(f"The MCP server {host} did not finish in time.", host=host)
    if isinstance(error, MCPError):
        return DestinationRefused(f"The MCP server {host} refuses: {error.message[:_MESSAGE_CHARACTERS]}", host=host)
    return DestinationRefused(f"{host} does not speak MCP over streamable HTTP ({type(error).__name__}).", host=host)
