"""The Lambda that takes start requests from SQS. A message that fails comes back alone; the others are done."""

import asyncio
import logging
from functools import cache
from typing import Any

from functions.dispatch.core import DispatchDeps, dispatch
from shared.adapters.aws.loop import run
from shared.errors import MillraceError
from shared.observability import bind

log = logging.getLogger(__name__)


@cache
def _deps() -> DispatchDeps:
    from functions.dispatch.aws import from_environment  # noqa: PLC0415 - drivers are loaded with the first event

    return from_environment()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A batch of SQS messages in, the ids of those that failed out.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """
    del context
    return run(_batch(event["Records"]))


async def _batch(records: list[dict[str, Any]]) -> dict[str, Any]:
    done = await asyncio.gather(*(_one(record) for record in records))
    failed = [record["messageId"] for record, well in zip(records, done, strict=True) if not well]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


async def _one(record: dict[str, Any]) -> bool:
    from shared.adapters.aws.starts import decode  # noqa: PLC0415 - as above

    try:
        request = decode(record["body"])
    except (ValueError, KeyError, TypeError):
        log.exception("a message is no start request", extra={"message_id": record["messageId"]})
        return False
    with bind(execution_id=request.execution_id, workflow_id=request.workflow_id):
        try:
            await dispatch(request, _deps())
        except MillraceError as error:
            log.warning("not started", extra={"code": error.code, "reason": error.message})
            return False
        except Exception:
            log.exception("not started")
            return False
    return True
