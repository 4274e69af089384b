"""One statement for somebody else's database, within a time and a number of rows.

The statement goes by the extended protocol, which takes one statement only: none can end the transaction that makes it
read-only and begin another. What functions of the database may do beyond that is a matter of the role's rights.
"""

import ssl
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from shared.connections.kinds import Postgres
from shared.errors import (
    ConnectionUnusable,
    DestinationRefused,
    DestinationServerError,
    DestinationTimeout,
    DestinationUnreachable,
    NodeError,
    ResponseTooLarge,
)

_CONNECT_SECONDS = 10
_CREDENTIALS = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "certificate", "SSL")


@dataclass(frozen=True, slots=True)
class QueryLimits:
    rows: int
    seconds: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Rows:
    """`rows` as JSON values; `count` is what the statement touched or gave; `truncated`: there were more."""

    rows: list[dict[str, Any]]
    count: int
    truncated: bool


async def query(
    server: Postgres, addresses: Sequence[str], statement: str, parameters: Any, limits: QueryLimits
) -> Rows:
    """Runs the statement at one of the addresses, read-only unless the connection says otherwise.

    Raises:
        ConnectionUnusable: the database refuses the credentials, or its certificate is not right.
        DestinationUnreachable, DestinationTimeout: no connection, or no answer in time.
        DestinationServerError: the database cannot do it now (deadlock, too many connections).
        DestinationRefused: the statement is wrong, or not allowed.
        ResponseTooLarge: the rows are.
    """
    try:
        async with await _connect(server, addresses) as connection:
            await connection.set_read_only(server.read_only)
            async with connection.cursor(row_factory=dict_row) as cursor:
                timeout = sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(limits.seconds * 1000))
                await cursor.execute(timeout)
                return await _rows(cursor, server, statement, _adapted(parameters), limits)
    except psycopg.Error as error:
        raise _named(error, server) from None


async def _rows(
    cursor: AsyncCursor[dict[str, Any]], server: Postgres, statement: str, parameters: Any, limits: QueryLimits
) -> Rows:
    found: list[dict[str, Any]] = []
    text = statement.encode()
    if not server.read_only:
        await cursor.execute(text, parameters, prepare=True)
        given = await cursor.fetchmany(limits.rows + 1) if cursor.description else []
        found = _within([_plain(row) for row in given], limits)
        return Rows(found[: limits.rows], cursor.rowcount, len(found) > limits.rows)
    taken = 0
    async for row in cursor.stream(text, parameters):
        plain = _plain(row)
        taken += len(orjson.dumps(plain))
        if taken > limits.output_bytes:
            raise _too_large(limits)
        if len(found) == limits.rows:
            return Rows(found, len(found), truncated=True)
        found.append(plain)
    return Rows(found, len(found), truncated=False)


async def _connect(server: Postgres, addresses: Sequence[str]) -> AsyncConnection[Any]:
    """By address, so that the name cannot lead elsewhere in between; the name is what the certificate is held to."""
    trusted = ssl.get_default_verify_paths().cafile or "system"
    return await AsyncConnection.connect(
        host=",".join(server.host for _ in addresses),
        hostaddr=",".join(addresses),
        port=server.port,
        dbname=server.database,
        user=server.username,
        password=server.password.get_secret_value() if server.password is not None else None,
        sslmode=server.sslmode,
        connect_timeout=_CONNECT_SECONDS,
        application_name="millrace",
        sslrootcert=trusted if server.sslmode.startswith("verify") else None,
    )


def _adapted(parameters: Any) -> Any:
    """Objects go as `jsonb`; a statement without parameters may have plain percent signs."""
    if not parameters:
        return None
    if isinstance(parameters, Mapping):
        return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in parameters.items()}
    return [Jsonb(value) if isinstance(value, dict) else value for value in parameters]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """JSON values: bytes as base64; what JSON has no type for (numeric, timestamps, intervals) as text."""
    made: dict[str, Any] = orjson.loads(orjson.dumps(row, default=_as_text, option=orjson.OPT_PASSTHROUGH_SUBCLASS))
    return made


def _as_text(value: Any) -> str:
    return b64encode(value).decode() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def _within(rows: list[dict[str, Any]], limits: QueryLimits) -> list[dict[str, Any]]:
    if len(orjson.dumps(rows)) > limits.output_bytes:
        raise _too_large(limits)
    return rows


def _too_large(limits: QueryLimits) -> ResponseTooLarge:
    return ResponseTooLarge(f"The rows have more than {limits.output_bytes} bytes. Ask for fewer columns or rows.")


def _named(error: psycopg.Error, server: Postgres) -> NodeError:
    said = (error.diag.message_primary or str(error).partition("\n")[0])[:500]
    details = {"host": server.host, "sqlstate": error.sqlstate}
    match error:
        case errors.QueryCanceled():
            return DestinationTimeout(f"The statement took too long: {said}.", **details)
        case psycopg.OperationalError() if error.sqlstate is None and any(each in str(error) for each in _CREDENTIALS):
            return ConnectionUnusable(f"{server.host} does not let the connection in: {said}", **details)
        case psycopg.OperationalError() if error.sqlstate is None:
            return DestinationUnreachable(f"The database at {server.host} cannot be reached: {said}", **details)
        case psycopg.OperationalError():
            return DestinationServerError(f"The database cannot do it now: {said}", **details)
        case _:
            return DestinationRefused(f"The database refuses the statement: {said}", **details)
