"""Messages that have `admit` or `schedule` look whether something may begin: now, or at a time.

SQS holds a message back for at most 15 minutes. One that is for later comes too early then, and is sent again, for
which nobody has to ask the database.
"""

import math
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.settings import AwsSettings
from shared.clock import Clock, SystemClock
from shared.errors import StoreUnavailable
from shared.ports import Wakes

LONGEST_SECONDS = 900
"""Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html (DelaySeconds)"""


class SqsWakes(Wakes):
    """Durable once `look` returns: SQS holds the message for two weeks."""

    def __init__(self, settings: AwsSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()

    async def look(self, at: datetime | None = None) -> None:
        """Raises StoreUnavailable where SQS takes nothing."""
        await self._send(self._settings.wakes_queue_url, {"look_at": at}, at)

    async def look_at_schedule(
        self, project_id: str, trigger_id: str, fire_time: datetime | None = None, at: datetime | None = None
    ) -> None:
        """Raises StoreUnavailable where SQS takes nothing."""
        told = {"project_id": project_id, "trigger_id": trigger_id, "fire_time": fire_time, "look_at": at}
        await self._send(self._settings.fires_queue_url, told, at)

    async def _send(self, url: str, told: dict[str, Any], at: datetime | None) -> None:
        seconds = 0 if at is None else delay_seconds(at, self._clock.now())
        body = orjson.dumps(told).decode()
        try:
            await call(client("sqs").send_message, QueueUrl=url, MessageBody=body, DelaySeconds=seconds)
        except ClientError as error:
            raise StoreUnavailable(f"A queue takes no wake ({code_of(error)}). Try again.") from error


def delay_seconds(at: datetime, now: datetime) -> int:
    """How long SQS is to hold a message back that is for `at`. At least a second: what is due already and could not be
    done at once is no reason to turn in circles."""
    return max(1, min(LONGEST_SECONDS, math.ceil((at - now).total_seconds())))


def look_at(body: str) -> tuple[bool, datetime | None]:
    """Whether the message says to look, and when. Raises ValueError, KeyError or TypeError for what is no message."""
    fields = orjson.loads(body)
    if "look_at" not in fields:
        return False, None
    at = fields["look_at"]
    return True, None if at is None else datetime.fromisoformat(at)
