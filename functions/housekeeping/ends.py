"""Durable executions that may have ended without anybody having been told.

EventBridge delivers the events of Step Functions on a best-effort basis. An end that is lost would leave its execution
running for ever, and with it a place of `max_concurrency`. Whoever has run for long is therefore looked at by
functions/complete, no faster than Step Functions bears. See docs/adr/0023-lost-ends-are-asked-for.md.

Source: https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-states.html
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.clock import Clock
from shared.executions.records import Watch

RUNNING_FOR = timedelta(hours=1)
"""By then an end that is told was told: the queue of ends comes back within fifteen minutes."""
PAGE = 1_000
"""Executions a message. It is done in seconds, of the minutes that the function may take."""
PER_SECOND = 5
"""DescribeExecution takes 10 a second in small regions, 15 in large ones, and others ask too.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

log = logging.getLogger(__name__)


class Running(Protocol):
    async def since(self, before: datetime, *, after: str | None, limit: int) -> Sequence[Watch]:
        """Durable executions that began before this time and run, with an id above `after`, in order."""


class Watches(Protocol):
    async def spread(self, watches: Sequence[Watch], per_second: int) -> None:
        """Has so many executions a second looked at, from now on."""


class Rounds(Protocol):
    async def go_on(self, after: str, seconds: int) -> None:
        """Has those with an id above `after` looked for, in so many seconds."""


@dataclass(frozen=True, slots=True)
class EndsDeps:
    running: Running
    watches: Watches
    rounds: Rounds
    clock: Clock


async def look_for_ends(after: str | None, deps: EndsDeps) -> None:
    """Has the executions with an id above `after` that have run for long looked at: a page of them, and the next page
    when that is done. Again has them looked at again, which changes nothing.

    Raises:
        StoreUnavailable: the database or a queue does not answer.
    """
    before = deps.clock.now() - RUNNING_FOR
    found = await deps.running.since(before, after=after, limit=PAGE)
    await deps.watches.spread(found, PER_SECOND)
    if found:
        log.info("executions that have run for long are looked at", extra={"executions": len(found)})
    if len(found) == PAGE:
        await deps.rounds.go_on(found[-1].execution_id, PAGE // PER_SECOND)
