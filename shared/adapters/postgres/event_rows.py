"""Events as rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from psycopg.types.json import Json

from shared.triggers.events.records import Event

if TYPE_CHECKING:
    from sqlalchemy import Row  # not loaded: the ends of executions are told without SQLAlchemy

# Both tables in one statement, so that no event is kept without being dispatched. Last come the keys that are wanted.
INSERT_EVENTS = """
WITH taken AS (
    INSERT INTO events (key, project_id, id, received_at, depth, document, digest)
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::timestamptz[], %b::int2[], %b::json[], %b::text[])
    ON CONFLICT (project_id, id) DO NOTHING
    RETURNING key, project_id
)
INSERT INTO event_queue (key, project_id, claimable_at)
SELECT key, project_id, '-infinity' FROM taken WHERE key = ANY(%b::uuid[])
RETURNING key
"""


def event_of_row(row: "Row[Any]") -> Event:
    """The event in a row of `events`."""
    return Event(str(row.key), str(row.project_id), row.id, row.received_at, row.document, row.depth)


def columns_of(batch: Sequence[Event], wanted: Sequence[bool]) -> tuple[list[Any], ...]:
    """The arrays of INSERT_EVENTS; triggers see the events that are `wanted`."""
    return (
        [UUID(event.key) for event in batch],
        [UUID(event.project_id) for event in batch],
        [event.id for event in batch],
        [event.received_at for event in batch],
        [event.depth for event in batch],
        [Json(event.document, dumps=orjson.dumps) for event in batch],
        [event.digest() for event in batch],
        [UUID(event.key) for event, seen in zip(batch, wanted, strict=True) if seen],
    )
