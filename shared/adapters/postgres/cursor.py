"""List cursors: opaque to clients, in truth the id of the last row of a page."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from shared.errors import InvalidParameter
from shared.ports import Page

T = TypeVar("T")

_ID_BYTES = 16


def encode_cursor(last_id: str) -> str:
    """22 characters, URL-safe."""
    return urlsafe_b64encode(UUID(last_id).bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The id in a cursor. Raises InvalidParameter where the text is none of ours."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"==")
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != _ID_BYTES or encode_cursor(str(UUID(bytes=raw))) != cursor:
        raise InvalidParameter(
            f"The cursor '{cursor[:64]}' is not valid. Use `next_cursor` of the page before, unchanged, "
            "or leave it out to start at the newest.",
            parameter="cursor",
        )
    return str(UUID(bytes=raw))


def page(rows: Sequence[Any], limit: int, record: Callable[[Any], T]) -> Page[T]:
    """A page of at most `limit` records of rows that have an `id`; `rows` hold one more where there is a next page."""
    items = [record(row) for row in rows[:limit]]
    return Page(items, encode_cursor(rows[limit - 1].id) if len(rows) > limit else None)
