"""Asks a source, through the functions of the nodes: what they know of connections, limits and addresses holds here."""

import email.utils
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from shared.ports import BlobStore, TaskCall, TaskFailed, TaskRunner
from shared.triggers.changes import Seen
from shared.triggers.polling import ByValidator, HttpSource, PollingTriggerConfig
from shared.triggers.records import Trigger
from shared.triggers.templates import filled
from shared.workflow.claim_checks import check_out

_LONGEST = timedelta(days=1)

LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
_FUNCTIONS = {"http": ("webhook", "${HttpFunctionArn}"), "tool": ("tool", "${ToolFunctionArn}")}


def request_of(config: PollingTriggerConfig, seen: Seen) -> dict[str, Any]:
    """The config of the node that asks the source, with every expression evaluated. Raises ExpressionError."""
    given = config.source.model_dump(mode="json", exclude={"type"}, exclude_none=True)
    request: dict[str, Any] = filled(given, {"cursor": seen.cursor})
    if isinstance(config.detect, ByValidator):
        conditions = {"If-None-Match": seen.etag, "If-Modified-Since": seen.last_modified}
        request["headers"] |= {name: value for name, value in conditions.items() if value is not None}
    return request


def name_of(config: PollingTriggerConfig, request: dict[str, Any]) -> str:
    """What a rate limit counts by: the host and port, or the tool and its connection."""
    if isinstance(config.source, HttpSource):
        return f"http:{urlsplit(str(request['url'])).netloc.rpartition('@')[2].lower()}"
    return f"tool:{config.source.tool}:{config.source.connection or ''}"


async def ask(
    runner: TaskRunner,
    blobs: BlobStore,
    trigger: Trigger,
    config: PollingTriggerConfig,
    *,
    request: dict[str, Any],
    poll: int,
) -> Any:
    """The node's output, with what was put aside for its size. Raises TaskFailed and NodeError."""
    kind, function = _FUNCTIONS[config.source.type]
    execution = {
        "id": trigger.id,
        "project_id": trigger.project_id,
        "workflow_id": trigger.workflow_id,
        "workflow": "",
        "version": 0,
        "correlation_id": f"poll:{trigger.id}:{poll}",
    }
    payload = {"node": "poll", "type": kind, "config": request, "execution": execution, "step": str(poll)}
    arguments = {"FunctionName": function, "Payload": payload}
    answer = await runner.run(TaskCall(trigger.id, trigger.project_id, "poll", LAMBDA_INVOKE, arguments, 0))
    output = answer["Payload"]["output"]
    whole = await check_out(output, blobs, trigger.project_id)
    if whole != output:
        await blobs.delete(f"{trigger.project_id}/{trigger.id}/")
    return whole


def retry_after(failure: TaskFailed, now: datetime) -> timedelta:
    """How long the source asks to be left alone, a day at most: Retry-After, in seconds or as a date.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    try:
        cause = orjson.loads(failure.cause)
    except orjson.JSONDecodeError:
        return timedelta()
    given = str(cause.get("retry_after") or "") if isinstance(cause, dict) else ""
    if re.fullmatch(r"[0-9]{1,6}", given):
        return min(_LONGEST, timedelta(seconds=int(given)))
    try:
        return min(_LONGEST, max(timedelta(), email.utils.parsedate_to_datetime(given) - now))
    except (TypeError, ValueError):
        return timedelta()
