"""Events, as they are published, kept, and seen by patterns."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from shared.clock import iso
from shared.errors import InvalidParameter, MalformedRequest, RequestTooLarge
from shared.ids import new_id

MAX_EVENT_BYTES = 256 * 1024
"""As EventBridge takes in. Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""

MAX_NESTING = 64
"""Of objects and lists in one another."""

MAX_NAME = 256
MAX_RESOURCES = 100

MAX_DEPTH = 8
"""How many executions may have started one another by events. Longer chains are loops until proven otherwise."""

OWN_SOURCES = "millrace."
"""What the platform publishes has such a source, and nobody else may use one."""

ACCOUNT, REGION = "000000000000", "local"

_FIELDS = frozenset({"id", "source", "detail-type", "time", "resources", "detail"})


@dataclass(frozen=True, slots=True)
class Event:
    """One event on the bus of one project."""

    key: str
    """Grows with the time when the event was taken in, unlike `id`."""
    project_id: str
    id: str
    received_at: datetime
    document: dict[str, Any]
    """What patterns and expressions see: EventBridge's envelope: `id`, `source`, `detail-type`, `time`, `detail`, …"""
    depth: int = 0
    """How many executions, each started by an event of the one before, led to it; 0 comes from outside."""

    def digest(self) -> str:
        """SHA-256 of what the publisher said; two events of one id differ by it."""
        if self.document["source"].startswith(OWN_SOURCES):
            return ""  # the platform derives the id from what it says
        said = {name: self.document.get(name) for name in ("source", "detail-type", "resources", "detail")}
        return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one event. With `duplicate` it had been published before, and is not seen again."""

    event_id: str
    duplicate: bool = False


def event_of(entry: Any, *, project_id: str, now: datetime) -> Event:
    """The event that somebody outside wants to publish: `{source, detail-type, detail, id?, time?, resources?}`.

    Raises:
        InvalidParameter: a field is missing, unknown or of the wrong kind, or the source is the platform's.
        RequestTooLarge: it is larger than MAX_EVENT_BYTES.
    """
    if not isinstance(entry, dict):
        raise InvalidParameter(
            'An event is an object: {"source": "shop", "detail-type": "order.created", "detail": {}}.'
        )
    if unknown := entry.keys() - _FIELDS:
        raise InvalidParameter(
            f"An event has no field '{min(unknown)[:64]}'; allowed are {', '.join(sorted(_FIELDS))}."
        )
    source = _name(entry, "source")
    if source.startswith(OWN_SOURCES):
        raise InvalidParameter(f"The source '{source}' is the platform's own; choose one without '{OWN_SOURCES}'.")
    detail = entry.get("detail", {})
    if not isinstance(detail, dict):
        raise InvalidParameter("'detail' is not an object. Put other values into one.")
    event_id = _name(entry, "id") if entry.get("id") is not None else new_id()
    at = _time(entry["time"]) if entry.get("time") is not None else now
    return made(
        project_id=project_id,
        event_id=event_id,
        source=source,
        detail_type=_name(entry, "detail-type"),
        detail=detail,
        at=at,
        now=now,
        resources=_resources(entry),
    )


def made(
    *,
    project_id: str,
    event_id: str,
    source: str,
    detail_type: str,
    detail: dict[str, Any],
    at: datetime,
    now: datetime,
    resources: list[str] | None = None,
    depth: int = 0,
) -> Event:
    """An event with its envelope. Raises RequestTooLarge, InvalidParameter where `detail` nests too deep, and
    MalformedRequest where it is no JSON."""
    if not _is_flat(detail, MAX_NESTING):
        raise InvalidParameter(f"'detail' nests objects and lists more than {MAX_NESTING} deep. Send it as a text.")
    document = {
        "version": "0",
        "id": event_id,
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": iso(at),
        "region": REGION,
        "resources": resources or [],
        "detail": detail,
    }
    try:
        size = len(orjson.dumps(document))
    except TypeError as error:
        raise MalformedRequest(f"The event is not JSON that can be kept: {error}.") from None
    if size > MAX_EVENT_BYTES:
        raise RequestTooLarge(
            f"The event is {size} bytes of JSON; at most {MAX_EVENT_BYTES} are taken in. Send a link to the data.",
            bytes=size,
            allowed=MAX_EVENT_BYTES,
        )
    return Event(new_id(), project_id, event_id, now, document, depth)


def with_depth(event: Event, depth: int) -> Event:
    """The event as an execution of this depth publishes it."""
    return replace(event, depth=depth)


def _name(entry: dict[str, Any], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME or "\0" in value:
        raise InvalidParameter(f"'{field}' is {str(value)[:64]!r}; it must be a text of 1 to {MAX_NAME} characters.")
    return value


def _time(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidParameter(f"'time' is {str(value)[:64]!r}; write a time such as 2026-11-23T09:00:00Z (RFC 3339).")
    return at


def _resources(entry: dict[str, Any]) -> list[str]:
    value = entry.get("resources", [])
    if not isinstance(value, list) or len(value) > MAX_RESOURCES or not all(isinstance(each, str) for each in value):
        raise InvalidParameter(f"'resources' is not a list of at most {MAX_RESOURCES} texts.")
    return value


def _is_flat(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not inner or (levels > 0 and all(_is_flat(each, levels - 1) for each in inner))
