"""The Lambda that keeps house. A rule asks for it once a day, and the API before each decision on an approval; see
events/housekeeping.json."""

from functools import cache
from typing import Any

import orjson

from functions.housekeeping.core import Deps, Work, do
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.errors import MalformedRequest


@cache
def _deps() -> Deps:
    from functions.housekeeping.aws import from_environment  # noqa: PLC0415 - drivers, see preload below

    return from_environment()


@observed
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out."""
    from shared.adapters.aws.batches import settle  # noqa: PLC0415 - as above

    del context
    return run(settle(event["Records"], _one))


async def _one(record: dict[str, Any]) -> None:
    try:
        work = Work(orjson.loads(record["body"])["work"])
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedRequest(
            f"The message {record['messageId']} asks for no work of housekeeping: {error}."
        ) from None
    await do(work, _deps())


preload("functions.housekeeping.aws", "shared.adapters.aws.batches", clients=("secretsmanager",))
