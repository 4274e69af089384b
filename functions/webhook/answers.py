"""What a sender is answered once its delivery was taken in."""

import logging
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from shared.adapters.asgi.problems import problem
from shared.executions.records import ExecutionStatus, StatusChange
from shared.triggers.reshaping import CustomResponse, Unfit, checked_status, evaluated, has_body

EXECUTION_HEADER = "X-Execution-Id"
_HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""A page that a workflow answers shares its origin with the API; in a sandbox it is of no origin."""

log = logging.getLogger(__name__)


async def finished(
    request: Request, execution_id: str, change: StatusChange, custom: CustomResponse | None, data: Any
) -> Response:
    """The output as the whole body, or the webhook's own response.

    Senders are strangers: why an execution failed is told through the API only.
    """
    if change.status is not ExecutionStatus.SUCCEEDED:
        words = f"The execution {execution_id} {change.status.value.replace('_', ' ')}. Its history tells why."
        return problem(request.scope, 502, "execution.failed", words)
    if custom is None:
        return as_json(change.result, 200, execution_id)
    try:
        return await _customised(custom, execution_id, {"input": data, "result": change.result})
    except (Unfit, ValueError, TypeError) as error:
        log.warning("the webhook's response failed: %s", error, extra={"execution_id": execution_id})
        words = f"The execution {execution_id} succeeded, but the webhook's 'response' cannot be made of its output."
        return problem(request.scope, 502, "webhook.response_failed", words)


async def _customised(custom: CustomResponse, execution_id: str, variables: dict[str, Any]) -> Response:
    made = await evaluated(custom.model_dump(), variables)
    status = checked_status(made["status"])
    headers = {name.lower(): _header(value) for name, value in made["headers"].items()}
    text = isinstance(made["body"], str) and "content-type" in headers
    content = made["body"].encode() if text else orjson.dumps(made["body"])
    media_type = headers.pop("content-type", "application/json")
    response = Response(content if has_body(status) else b"", status, headers, media_type)
    response.headers.update({EXECUTION_HEADER: execution_id} | _HARMLESS)
    return response


def _header(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ValueError("a header's value must be text of printable ASCII")
    return value


def as_json(value: Any, status: int, execution_id: str) -> Response:
    """`value` as the whole body."""
    return Response(orjson.dumps(value), status, {EXECUTION_HEADER: execution_id}, "application/json")
