"""The dependencies of the Lambda."""

from functions.complete.core import CompleteDeps
from shared.adapters.aws.events import EventBridgeBus
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.aws.wakes import SqsWakes
from shared.adapters.aws.watches import Watches
from shared.adapters.postgres.express import PostgresExpressHistories
from shared.adapters.postgres.journal import SHORT_PATIENCE_SECONDS, PostgresJournal
from shared.adapters.postgres.progress import PostgresProgress
from shared.adapters.postgres.queue import PostgresQueue
from shared.clock import SystemClock

_NO_LIMIT = 1_000_000_000
"""What has run already is not refused."""


def from_environment() -> CompleteDeps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    url = here.settings.require_database_url()
    return CompleteDeps(
        machines=Machines(here.aws),
        journal=PostgresJournal(url, patience_seconds=SHORT_PATIENCE_SECONDS),
        rows=PostgresQueue(url, max_queued=_NO_LIMIT),
        progress=PostgresProgress(url),
        histories=PostgresExpressHistories(url),
        watches=Watches(here.aws.watches_queue_url),
        bus=EventBridgeBus(here.aws.event_bus),
        wakes=SqsWakes(here.aws),
        clock=SystemClock(),
    )
