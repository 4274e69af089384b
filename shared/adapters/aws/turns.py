"""The turn of one publication: calls of Step Functions that wait until they are due."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from shared.adapters.aws.client import call
from shared.errors import PublishingBusy, Throttled
from shared.ports.publishing import PublishQueue

PATIENCE_SECONDS = 15.0
"""Waiting ends here, counted from the first reservation. API Gateway ends a request after 29 s, and botocore's tries
may take 7 s for each of two calls."""
_PAUSE_SECONDS = 10


class Turn:
    """What was reserved of a PublishQueue. A call that nobody expected waits for a slot of its own."""

    def __init__(self, queue: PublishQueue) -> None:
        self._queue = queue
        self._ends = time.monotonic() + PATIENCE_SECONDS
        self._due: dict[str, list[float]] = {}

    async def take(self, *operations: str) -> None:
        """Reserves one call of each, or one more. Raises PublishingBusy, and reserves nothing."""
        left = self._ends - time.monotonic()
        if left < 0:  # asked here too: a queue without its server refuses nobody
            raise PublishingBusy("Step Functions is too busy. Try again.", retry_after_seconds=_PAUSE_SECONDS)
        seconds = await self._queue.reserve(operations, left)
        for operation in operations:
            self._due.setdefault(operation, []).append(time.monotonic() + seconds)

    async def call(self, operation: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
        """The answer of one operation of a client, when its turn has come; one that AWS throttles waits once more.

        Raises:
            PublishingBusy: it cannot be called in time.
            ClientError: AWS refused it.
            StoreUnavailable: AWS does not answer.
        """
        name = operation.__name__
        while True:
            if not self._due.get(name):
                await self.take(name)
            await asyncio.sleep(self._due[name].pop(0) - time.monotonic())
            try:
                return await call(operation, **parameters)
            except Throttled:  # others of the account call it too
                await self._queue.refused(name)
