"""The Lambda that keeps house. Rules ask for it once a day and, where the database never pauses, once an hour, the API
before each decision on an approval, and it does itself; see events/housekeeping.json."""

from functools import cache
from typing import Any

import orjson

from functions.housekeeping.core import Deps, Work, do
from functions.housekeeping.ends import EndsDeps, look_for_ends
from shared.adapters.aws.loop import run
from shared.adapters.aws.preload import preload
from shared.adapters.telemetry.observed import observed
from shared.errors import MalformedRequest


@cache
def _deps() -> tuple[Deps, EndsDeps]:
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
        asked = orjson.loads(record["body"])
        work, after = Work(asked["work"]), asked.get("after")
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedRequest(
            f"The message {record['messageId']} asks for no work of housekeeping: {error}."
        ) from None
    keeping, ends = _deps()
    if work is Work.ENDS:
        await look_for_ends(after, ends)
    else:
        await do(work, keeping)


preload("functions.housekeeping.aws", "shared.adapters.aws.batches", clients=("secretsmanager",))
