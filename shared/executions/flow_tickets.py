"""What the expressions of flow control say about one arrival."""

import hashlib
from dataclasses import replace
from typing import Any

import orjson

from shared.errors import FlowExpressionFailed
from shared.executions.records import FlowTicket, Priority
from shared.executions.start import Origin
from shared.triggers.templates import filled
from shared.workflow.expressions import ExpressionError

MAX_KEY = 200
_PRIORITIES = {each.name.lower(): each for each in Priority}


def enter(control: dict[str, Any], data: Any, origin: Origin) -> tuple[Any, Origin, FlowTicket | None]:
    """The input of the execution, who asks for it, and the ticket; None where nothing is held or limited.

    An idempotency key of flow control stands in place of the trigger's: deliveries that repeat give the same one.

    Raises:
        FlowExpressionFailed: an expression fails on this input, or gives what it must not.
    """
    key, priority, idempotency_key = (_text(control, name, data) for name in ("key", "priority", "idempotency_key"))
    if priority is not None and priority not in _PRIORITIES:
        raise FlowExpressionFailed(
            f"'flow_control.priority' gives '{priority[:64]}' for this input; allowed are {', '.join(_PRIORITIES)}."
        )
    if priority is not None:
        origin = replace(origin, priority=_PRIORITIES[priority])
    if idempotency_key is not None:
        idempotency_key = f"flow:{idempotency_key}"
        origin = replace(origin, idempotency_key=idempotency_key, fingerprint=idempotency_key.encode())
    if not any(control.get(name) for name in ("concurrency", "throttle", "rate_limit", "debounce", "batch")):
        return data, origin, None
    size = len(orjson.dumps(data, default=str))
    if control.get("batch"):
        data = {"items": [data]}
    return data, origin, FlowTicket(key or "", control, size)


def _text(control: dict[str, Any], name: str, data: Any) -> str | None:
    """What the expression gives, as a text that is not too long."""
    if control.get(name) is None:
        return None
    try:
        value = filled(control[name], {"input": data})
    except ExpressionError as error:
        raise FlowExpressionFailed(f"'flow_control.{name}' fails on this input: {error.message}") from None
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    text = text.replace("\0", "\\0")
    return text if len(text) <= MAX_KEY else hashlib.sha256(text.encode()).hexdigest()
