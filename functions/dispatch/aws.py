"""The dependencies of the Lambda."""

from functions.dispatch.core import DispatchDeps
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.aws.watches import Watches
from shared.adapters.postgres.journal import PostgresJournal
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
        journal=PostgresJournal(url),
        machines=Machines(here.aws),
        watches=Watches(here.aws.queue_watches),
        clock=SystemClock(),
    )
