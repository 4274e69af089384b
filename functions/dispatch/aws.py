"""The dependencies of the Lambda."""

from functools import partial

from functions.dispatch.core import DispatchDeps
from shared.adapters.aws.events import EventBridgeBus
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import send
from shared.adapters.aws.wakes import SqsWakes
from shared.adapters.aws.watches import Watches
from shared.adapters.postgres.journal import SHORT_PATIENCE_SECONDS, PostgresJournal
from shared.adapters.postgres.progress import PostgresProgress
from shared.adapters.postgres.queue import PostgresQueue
from shared.clock import SystemClock

_NO_LIMIT = 1_000_000_000
"""What was answered with 202 is not refused here; SQS holds what waits."""


def from_environment() -> DispatchDeps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    url = here.settings.require_database_url()
    return DispatchDeps(
        progress=PostgresProgress(url),
        rows=PostgresQueue(url, max_queued=_NO_LIMIT),
        journal=PostgresJournal(url, patience_seconds=SHORT_PATIENCE_SECONDS),
        machines=Machines(here.aws),
        wakes=SqsWakes(here.aws),
        forward=partial(send, settings=here.aws),
        watches=Watches(here.aws.watches_queue_url),
        bus=EventBridgeBus(here.aws.event_bus),
        clock=SystemClock(),
    )
