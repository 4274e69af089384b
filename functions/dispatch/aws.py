"""The dependencies of the Lambda."""

from functions.dispatch.core import DispatchDeps
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.journal import PostgresJournal
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.clock import SystemClock

_NO_LIMIT = 1_000_000_000
"""What was answered with 202 is not refused here; SQS holds what waits."""


def from_environment() -> DispatchDeps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    url = here.settings.require_database_url()
    engine = create_engine(url, pool_size=2)
    return DispatchDeps(
        workflows=PostgresWorkflows(engine),
        rows=PostgresQueue(url, max_queued=_NO_LIMIT),
        executions=PostgresExecutions(engine),
        journal=PostgresJournal(url),
        machines=Machines(here.aws),
        clock=SystemClock(),
    )
