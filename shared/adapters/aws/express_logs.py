"""What EXPRESS machines log, as CloudWatch Logs hands it on: the history of their executions, event by event.

A subscription gives a batch of lines, compressed. A line is one event of one execution, as GetExecutionHistory would
give it but for the names of its members. Numbers are text, times are milliseconds since 1970.
Sources: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample,
https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html

Payloads whose text is longer than 248 KiB, as it stands in the line, arrive cut. What is cut says so here, and an end
whose output is cut is a failure: nobody could use half of an output.
"""

import base64
import gzip
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.errors import MalformedRequest
from shared.executions.records import HistoryEvent

OUTPUT_CUT = "Millrace.OutputCut"
_KEPT = 1_000
"""Characters of a payload that was cut which are still shown."""
_CUT = " … [cut: the log of an express execution holds at most 248 KiB of a payload]"
_PAYLOADS = ("input", "output", "assignedVariables")
"""Beside each, `…Details` says whether it is cut; nothing does beside `parameters`."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of an execution: an EXPRESS machine runs the same name as often as it is asked to."""

    execution_id: str
    arn: str
    """`arn:…:express:<machine>:<execution id>:<id of the run>`."""


def runs_of(data: str) -> dict[Run, list[HistoryEvent]]:
    """The events of a delivery (`awslogs.data`) by run, those of a run by number, none twice. Lines that tell of no
    event, such as the one by which Step Functions tries the log group, are left out.

    Raises:
        MalformedRequest: it is no delivery of CloudWatch Logs.
    """
    try:
        delivery = orjson.loads(gzip.decompress(base64.b64decode(data, validate=True)))
        lines = [str(each["message"]) for each in delivery["logEvents"]]
    except (ValueError, EOFError, OSError, KeyError, TypeError) as error:
        raise MalformedRequest(f"The message is no delivery of CloudWatch Logs: {type(error).__name__}.") from None
    found: dict[Run, dict[int, HistoryEvent]] = {}
    for line in lines if delivery.get("messageType") == "DATA_MESSAGE" else ():
        told = _told(line)
        if told is not None:
            run, event = told
            found.setdefault(run, {})[event.id] = event
    return {run: [events[number] for number in sorted(events)] for run, events in found.items()}


def _told(line: str) -> tuple[Run, HistoryEvent] | None:
    try:
        fields = orjson.loads(line)
        arn = str(fields["execution_arn"])
        _, _, _, _, _, kind, _, *_, name, _ = arn.split(":")
        at = datetime.fromtimestamp(int(fields["event_timestamp"]) / 1_000, UTC)
        number, before = int(fields["id"]), int(fields["previous_event_id"])
        event = HistoryEvent(number, before, str(fields["type"]), at, dict(fields.get("details") or {}))
    except (ValueError, KeyError, TypeError) as error:
        log.warning("a line of the log tells of no event", extra={"reason": type(error).__name__, "bytes": len(line)})
        return None
    return (Run(name, arn), _whole(event)) if kind == "express" else None


def _whole(event: HistoryEvent) -> HistoryEvent:
    """The event without payloads that are cut."""
    cut = [name for name in _PAYLOADS if (event.details.get(f"{name}Details") or {}).get("truncated")]
    if not _is_json(event.details.get("parameters", "null")):
        cut.append("parameters")
    if event.type == "ExecutionSucceeded" and "output" in cut:
        return HistoryEvent(event.id, event.previous_id, "ExecutionFailed", event.timestamp, _OUTPUT_CUT)
    told = {name: _shortened(event.details[name]) for name in cut if name in event.details}
    return HistoryEvent(event.id, event.previous_id, event.type, event.timestamp, {**event.details, **told})


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _shortened(payload: Any) -> Any:
    """JSON text that says that it is not all. Variables have such a text each."""
    if isinstance(payload, Mapping):
        return {name: _shortened(each) for name, each in payload.items()}
    return orjson.dumps(str(payload)[:_KEPT] + _CUT).decode()


_OUTPUT_CUT: dict[str, Any] = {
    "error": OUTPUT_CUT,
    "cause": (
        "The execution did its work, but its output is lost: it is longer than the 248 KiB that the log of an express "
        "execution holds. Give less from `output`, or use `settings.mode: durable`."
    ),
}
