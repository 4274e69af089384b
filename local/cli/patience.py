"""Trying again what a server had too much to do for."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from local.cli.client import Refused
from local.cli.session import Session

T = TypeVar("T")

PATIENCE_SECONDS = 900.0
"""Three hundred deployments at once take about four minutes on AWS, which publishes one a second."""
_PAUSE_SECONDS = 5.0
"""Where a gateway says 429 and not for how long."""


async def patiently(session: Session, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` comes to; done again from its beginning after each 429, when the server says, for a quarter of an
    hour. Raises what `work` raises."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await work()
        except Refused as refused:
            # Those that were sent away together do not come back in the same instant.
            pause = (refused.retry_after or _PAUSE_SECONDS) + random.uniform(0, 1)  # noqa: S311 - no secret
            if refused.status != HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() + pause > ends:
                raise
            session.note(f"{refused} Trying again in {pause:.0f} s.")
        await asyncio.sleep(pause)
