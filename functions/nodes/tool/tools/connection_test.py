"""`connection.test`: whether the service behind a connection takes its credentials.

Here, since a connection is resolved only in the function that uses it. What the API calls to test one.
"""

from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import HTTP_KINDS, SERVICE_ERRORS, Arguments, Tool, ToolContext
from shared.adapters.http.authorise import token_given
from shared.adapters.http.exchange import Limits
from shared.adapters.http.request import compose
from shared.connections.kinds import Credentials, OAuth2AuthorizationCode, OAuth2ClientCredentials, Postgres, Smtp
from shared.errors import ConnectionUnusable, NodeConfigInvalid

_LIMITS = Limits(body_bytes=1_000_000, total_seconds=15.0)


class TestArguments(Arguments):
    __test__ = False  # pytest would take it for a class of tests

    url: str | None = Field(
        default=None,
        max_length=2_000,
        description="What to GET with the credentials: an address that only those who are signed in may read.",
    )


async def run(arguments: TestArguments, context: ToolContext) -> dict[str, Any]:
    """`{kind, checked}`: what was asked, in words. A connection that does not work ends with an error."""
    credentials = context.credentials
    if credentials is None:
        raise ConnectionUnusable("connection.test needs a `connection`.")
    return {"kind": credentials.kind, "checked": await _checked(credentials, arguments.url, context)}


async def _checked(credentials: Credentials, url: str | None, context: ToolContext) -> str:
    match credentials:
        case Smtp():
            from shared.adapters.http.mail import check  # noqa: PLC0415 - few calls send mail

            await check(context.requester.client, credentials)
            return f"signed in at {credentials.host}"
        case Postgres():
            return await _ask_database(credentials, context)
        case OAuth2ClientCredentials() if url is None:
            await context.requester.fetch_token(credentials)
            return "got an access token"
        case OAuth2AuthorizationCode() if url is None:
            token_given(credentials)
            return "has an access token"
    if url is None:
        raise NodeConfigInvalid(
            f"A connection of the kind {credentials.kind} is tested by a request; give the `url` to GET."
        )
    answer = await context.requester.send(compose("GET", url), _LIMITS, credentials)
    answer.raise_for_status()
    return f"{answer.host} answered {answer.status}"


async def _ask_database(server: Postgres, context: ToolContext) -> str:
    from shared.adapters.postgres.query import QueryLimits, query  # noqa: PLC0415 - few calls ask a database

    addresses = await context.requester.client.addresses(server.host, server.port)
    await query(server, addresses, "SELECT 1", [], QueryLimits(1, 10, 1_000))
    return f"asked the database {server.database} at {server.host}"


TOOL = Tool(
    name="connection.test",
    summary="Asks the service behind a connection whether it takes the credentials.",
    arguments=TestArguments,
    run=run,
    connections=(*HTTP_KINDS, "smtp", "postgres"),
    raises=SERVICE_ERRORS,
)
