"""Batches of SQS messages: each is done or comes back by itself, the later the more often it failed.

What cannot be done now (a database that does not answer, AWS that is busy) comes back after 5 s, then after twice as
long each time, at most 15 minutes. A queue that gives up after the 20th try therefore bridges three hours. What will
not be done by waiting either, such as a message that says nothing, comes back every 10 s, and is a dead letter after
three minutes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client
from shared.errors import MillraceError

FIRST_SECONDS, LONGEST_SECONDS, HOPELESS_SECONDS = 5, 900, 10

Work = Callable[[dict[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)


async def settle(records: list[dict[str, Any]], work: Work) -> dict[str, Any]:
    """Does the records' work at once; the answer tells Lambda which failed.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    done = await asyncio.gather(*(_one(record, work) for record in records))
    failed = [record["messageId"] for record, well in zip(records, done, strict=True) if not well]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def pause_seconds(tries: int, *, hopeless: bool) -> int:
    """How long a message rests that has been tried so often."""
    return HOPELESS_SECONDS if hopeless else min(LONGEST_SECONDS, FIRST_SECONDS << min(tries - 1, 10))


async def _one(record: dict[str, Any], work: Work) -> bool:
    try:
        await work(record)
    except MillraceError as error:
        log.warning("a message failed: %s: %s", error.code, error.message, extra={"message_id": record["messageId"]})
        await _rest(record, hopeless=not error.retryable)
    except Exception:
        log.exception("a message failed", extra={"message_id": record["messageId"]})
        await _rest(record, hopeless=False)
    else:
        return True
    return False


async def _rest(record: dict[str, Any], *, hopeless: bool) -> None:
    """Where SQS does not hear, the message rests for the queue's own visibility time-out."""
    seconds = pause_seconds(int(record["attributes"]["ApproximateReceiveCount"]), hopeless=hopeless)
    try:
        await call(
            client("sqs").change_message_visibility,
            QueueUrl=await asyncio.to_thread(_url, record["eventSourceARN"]),
            ReceiptHandle=record["receiptHandle"],
            VisibilityTimeout=seconds,
        )
    except (MillraceError, ClientError) as error:
        log.warning("a message's rest could not be set", extra={"reason": str(error)})


@cache
def _url(arn: str) -> str:
    return str(client("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"])
