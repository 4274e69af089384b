"""The project's event bus."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.events import (
    MAX_ENTRIES,
    PatternResult,
    PublishedEntry,
    PublishedEvents,
    TestPattern,
)
from functions.api.requests import JsonRoute
from shared.errors import InvalidParameter, MalformedRequest, MillraceError
from shared.triggers.events import compile_pattern
from shared.triggers.events.records import event_of

router = APIRouter(prefix="/api/events", tags=["events"], route_class=JsonRoute)

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/PublishEvent"},
                        {
                            "type": "array",
                            "items": {"$ref": "#/components/schemas/PublishEvent"},
                            "minItems": 1,
                            "maxItems": MAX_ENTRIES,
                        },
                    ]
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=202,
    dependencies=[requires("events:write")],
    responses=documented(400, 409, 413),
    openapi_extra=_BODY,
)
async def publish_events(request: Request, deps: Wired) -> PublishedEvents:
    """Publishes one event, or a list of them. Durable once this answers.

    Of a list each entry is taken or refused by itself, as by EventBridge's PutEvents."""
    try:
        body = await request.json()
    except ValueError as error:
        raise MalformedRequest(f"The body is not valid JSON: {error}. Send one JSON document in UTF-8.") from None
    if not isinstance(body, list):
        return PublishedEvents(failed_entry_count=0, entries=[await _publish(deps, body)])
    if not 1 <= len(body) <= MAX_ENTRIES:
        raise InvalidParameter(f"The list has {len(body)} events; 1 to {MAX_ENTRIES} are taken at a time.")
    entries = await asyncio.gather(*(_entry(deps, each) for each in body))
    failed = sum(each.error_code is not None for each in entries)
    return PublishedEvents(failed_entry_count=failed, entries=entries)


@router.post("/test-pattern", dependencies=[requires("triggers:read")], responses=documented(400, 413))
async def test_pattern(body: TestPattern) -> PatternResult:
    """Whether an event matches a pattern; nothing is published."""
    return PatternResult(matches=compile_pattern(body.pattern).matches(body.event))


async def _entry(deps: Deps, entry: Any) -> PublishedEntry:
    try:
        return await _publish(deps, entry)
    except MillraceError as error:
        return PublishedEntry(error_code=error.code, error_message=error.message)


async def _publish(deps: Deps, entry: Any) -> PublishedEntry:
    event = event_of(entry, project_id=deps.project_id, now=deps.clock.now())
    published = await deps.events.publish(event)
    return PublishedEntry(event_id=published.event_id, duplicate=published.duplicate)
