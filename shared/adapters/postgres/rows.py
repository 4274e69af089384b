"""Rows of statements that are written for the driver, and documents among their parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from psycopg.rows import namedtuple_row
from psycopg.types.json import Json

from shared.adapters.postgres.session import Connection

Parameters = Sequence[Any] | Mapping[str, Any]


async def rows(connection: Connection, statement: str, parameters: Parameters) -> list[Any]:
    """Every row, with its columns by name. Identifiers are of the type UUID."""
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(statement.encode(), parameters)
        return await cursor.fetchall()


async def row(connection: Connection, statement: str, parameters: Parameters) -> Any | None:
    """The row, where there is one."""
    found = await rows(connection, statement, parameters)
    return found[0] if found else None


def document(value: Any) -> Json | None:
    """For a column of type `json`; None is NULL there."""
    return None if value is None else Json(value, dumps=orjson.dumps)
