"""JSON values with their text, within the limits of Step Functions."""

from typing import Any, NamedTuple

import orjson

from statemachines.interpreter.failure import DATA_LIMIT_EXCEEDED, Failure

MAX_PAYLOAD_BYTES = 262_144
"""256 KiB as UTF-8, https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

MAX_VARIABLES_BYTES = 10 * 1024 * 1024
"""All variables of one execution, https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html"""


class Payload(NamedTuple):
    value: Any
    text: str


def payload(value: Any, what: str) -> Payload:
    """A value with its JSON text, compact, as Step Functions writes payloads.

    Raises:
        Failure: States.DataLimitExceeded, where the text is above MAX_PAYLOAD_BYTES; `what` names whose value it is.
    """
    encoded = orjson.dumps(value)
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise too_large(what)
    return Payload(value, encoded.decode())


def text_of(value: Any) -> str:
    """The JSON text of a value."""
    return orjson.dumps(value).decode()


def parsed(text: str) -> Payload:
    """The payload that was written as `text`."""
    return Payload(orjson.loads(text), text)


def too_large(what: str) -> Failure:
    """The failure of a value above MAX_PAYLOAD_BYTES."""
    text = f"The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit."
    return Failure(DATA_LIMIT_EXCEEDED, text)
