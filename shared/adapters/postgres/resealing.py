"""Every column that holds ciphertext, opened and sealed anew."""

from collections.abc import Callable

from sqlalchemy import Column, LargeBinary, Table, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.postgres.engine import transaction
from shared.adapters.postgres.tables import metadata

_CHUNK = 500


def sealed_columns() -> list[Column[bytes]]:
    """All bytes that the schema keeps are ciphertext; a test holds it to that."""
    return [
        column for table in metadata.sorted_tables for column in table.columns if isinstance(column.type, LargeBinary)
    ]


async def reseal(engine: AsyncEngine, change: Callable[[bytes], bytes]) -> dict[str, int]:
    """Replaces what each sealed column holds; how many values that were, by `table.column`.

    A value that somebody else replaces meanwhile stays as they left it. Safe to run again, and beside a running stage.
    """
    return {f"{c.table.name}.{c.name}": await _column(engine, c, change) for c in sealed_columns()}


async def _column(engine: AsyncEngine, column: Column[bytes], change: Callable[[bytes], bytes]) -> int:
    table = column.table
    assert isinstance(table, Table)  # noqa: S101 - for the type checker: columns of metadata are of tables
    (key,) = table.primary_key.columns
    last, count = None, 0
    while True:
        query = select(key, column).where(column.is_not(None)).order_by(key).limit(_CHUNK)
        async with transaction(engine) as connection:
            rows = (await connection.execute(query if last is None else query.where(key > last))).all()
            for id_, had in rows:
                mine = update(table).where(key == id_, column == had).values({column.name: change(had)})
                count += (await connection.execute(mine)).rowcount
        if len(rows) < _CHUNK:
            return count
        last = rows[-1][0]
