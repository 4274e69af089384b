"""`http.request`: an HTTP call as a tool, under the same egress policy and limits as the `webhook` node."""

from typing import Any, Literal

from pydantic import Field

from functions.nodes.tool.registry import HTTP_KINDS, REQUEST_ERRORS, Arguments, Tool, ToolContext
from shared.adapters.http.exchange import MAX_REDIRECTS, Limits
from shared.adapters.http.request import compose


class HttpArguments(Arguments):
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    url: str = Field(description="In full, http or https, to a public address.")
    query: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, Any] = Field(default_factory=dict)
    body: Any = Field(default=None, description="Sent as JSON.")
    max_response_bytes: int = Field(default=5_000_000, ge=1, le=25_000_000)


async def run(arguments: HttpArguments, context: ToolContext) -> dict[str, Any]:
    """`{status, headers, body}`; an answer of 400 and above is given back too, for the caller to judge."""
    key = None if arguments.method in ("GET", "HEAD") else context.idempotency_key
    request = compose(
        arguments.method,
        arguments.url,
        query=arguments.query,
        headers=arguments.headers,
        body=arguments.body,
        idempotency_key=key,
    )
    limits = Limits(arguments.max_response_bytes, redirects=MAX_REDIRECTS)
    answer = await context.requester.send(request, limits, context.credentials)
    return answer.as_output(arguments.max_response_bytes)


TOOL = Tool(
    name="http.request",
    summary="Sends an HTTP request to a public address and gives the answer.",
    arguments=HttpArguments,
    run=run,
    connections=HTTP_KINDS,
    raises=REQUEST_ERRORS,
)
