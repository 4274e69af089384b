"""`postgres.query`: one statement for a database, read-only unless its connection allows more.

Whether it may write is said in the connection, not in the arguments: a model that chooses the arguments cannot.
"""

from typing import Any

from pydantic import Field

from functions.nodes.tool.registry import Arguments, Tool, ToolContext
from shared.connections.kinds import Postgres
from shared.errors import ConnectionUnusable

_MOST_BYTES = 10_000_000


class QueryArguments(Arguments):
    sql: str = Field(min_length=1, max_length=50_000, description="One statement, with %s or %(name)s for values.")
    parameters: list[Any] | dict[str, Any] = Field(
        default_factory=list, description="The values; never write them into the statement."
    )
    max_rows: int = Field(default=1_000, ge=1, le=10_000, description="Further rows are left out.")
    timeout_seconds: int = Field(default=30, ge=1, le=300)


async def run(arguments: QueryArguments, context: ToolContext) -> dict[str, Any]:
    """`{rows, count, truncated}`; numeric, timestamps and the like are text, bytes are base64."""
    from shared.adapters.postgres.query import QueryLimits, query  # noqa: PLC0415 - few calls ask a database

    server = context.credentials
    if not isinstance(server, Postgres):
        raise ConnectionUnusable("postgres.query needs a `connection` of the kind postgres.")
    addresses = await context.requester.client.addresses(server.host, server.port)
    limits = QueryLimits(arguments.max_rows, arguments.timeout_seconds, _MOST_BYTES)
    found = await query(server, addresses, arguments.sql, arguments.parameters, limits)
    return {"rows": found.rows, "count": found.count, "truncated": found.truncated}


TOOL = Tool(
    name="postgres.query",
    summary="Asks a PostgreSQL database, read-only unless its connection allows more.",
    arguments=QueryArguments,
    run=run,
    connections=("postgres",),
    raises=(
        "AddressBlocked",
        "ConnectionUnusable",
        "DestinationRefused",
        "DestinationServerError",
        "DestinationTimeout",
        "DestinationUnreachable",
        "NodeConfigInvalid",
        "ResponseTooLarge",
    ),
)
