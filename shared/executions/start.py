"""The one way to start an execution, for every trigger.

What is refused here leaves nothing behind: the queue is called last, with a request that has passed every check.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from shared.clock import Clock
from shared.errors import Gone, MalformedRequest, RequestTooLarge, WorkflowInactive
from shared.executions.records import Accepted, Priority, StartRequest
from shared.executions.validation import check_input
from shared.ids import new_id
from shared.ports import StartQueue
from shared.workflow.records import WorkflowStatus

MAX_INPUT_BYTES = 200_000
"""The largest input, as JSON in UTF-8. Step Functions starts with at most 262,144 bytes, and a variable holds no more;
the rest is for the execution's own record and for what expressions add to an input. A larger one is refused rather than
kept elsewhere under a ticket, because every expression over `$input` would then find the ticket.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""


@dataclass(frozen=True, slots=True)
class Startable:
    """What of a workflow decides whether it starts, and which version."""

    project_id: str
    workflow_id: str
    name: str
    status: str
    version: int
    input_schema: dict[str, Any] | None
    flow_control: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What asks for the start; `trigger` is `{"type", "id"?}`.

    A request that repeats an `idempotency_key` must have the same `fingerprint` (by default, the input).
    """

    trigger: dict[str, Any]
    correlation_id: str
    trigger_id: str | None = None
    delivery_id: str | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    priority: Priority = Priority.NORMAL
    execution_id: str | None = None
    """The id that the execution gets, where it follows from what starts it; a second one of the id starts nothing."""


def ensure_startable(target: Startable) -> None:
    """Raises Gone for a deleted workflow, WorkflowInactive for a draft or a paused one."""
    if target.status == WorkflowStatus.DELETED:
        raise Gone(f"The workflow '{target.name}' was deleted; nothing starts it any more.")
    if target.status != WorkflowStatus.ACTIVE:
        raise WorkflowInactive(
            f"The workflow '{target.name}' is {target.status}; only an active one starts. "
            f"Activate it: POST /api/workflows/{target.workflow_id}/activate."
        )


async def start(target: Startable, data: Any, origin: Origin, *, queue: StartQueue, clock: Clock) -> Accepted:
    """Hands one execution of `target` with the input `data` (JSON) to the queue; durable once this returns.

    Raises:
        Gone, WorkflowInactive: the workflow's status does not allow it.
        RequestTooLarge: the input is above MAX_INPUT_BYTES.
        MalformedRequest: the input is not JSON.
        InvalidInput: it breaks the workflow's input_schema.
        FlowExpressionFailed, FlowRateLimited: the workflow's flow control does not take it.
        IdempotencyMismatch, StoreUnavailable: as the queue says.
    """
    ensure_startable(target)
    flow = None
    if target.flow_control is not None:
        from shared.executions.flow_tickets import enter  # noqa: PLC0415 - few workflows have one; expressions are heavy

        data, origin, flow = enter(target.flow_control, data, origin)
    encoded = _encoded(data)
    check_input(target.input_schema, data, len(encoded))
    context = {"trigger": origin.trigger, "correlation_id": origin.correlation_id}
    if origin.delivery_id is not None:
        context["delivery_id"] = origin.delivery_id
    request = StartRequest(
        execution_id=origin.execution_id or new_id(),
        project_id=target.project_id,
        workflow_id=target.workflow_id,
        version=target.version,
        input=data,
        context=context,
        created_at=clock.now(),
        trigger_id=origin.trigger_id,
        idempotency_key=origin.idempotency_key,
        request_digest=_digest(origin, encoded),
        priority=origin.priority,
        flow=flow,
    )
    return await queue.submit(request)


def _encoded(data: Any) -> bytes:
    try:
        encoded = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise MalformedRequest(f"The input is not JSON that can be kept: {error}.") from None
    if len(encoded) > MAX_INPUT_BYTES:
        raise RequestTooLarge(
            f"The input is {len(encoded)} bytes of JSON; at most {MAX_INPUT_BYTES} are taken in. "
            "Send less, or a link to the data that a node fetches.",
            bytes=len(encoded),
            allowed=MAX_INPUT_BYTES,
        )
    return encoded


def _digest(origin: Origin, encoded: bytes) -> str | None:
    if origin.idempotency_key is None:
        return None
    return hashlib.sha256(encoded if origin.fingerprint is None else origin.fingerprint).hexdigest()
