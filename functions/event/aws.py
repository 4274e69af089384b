"""The dependencies of the Lambda."""

from functions.event import core
from functions.event.arrival import Arrivals, Deps
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.events import PostgresEvents, PostgresEventTriggers
from shared.adapters.postgres.lifecycle import PostgresLifecycle
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.clock import SystemClock


def from_environment() -> Arrivals:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    url = here.settings.require_database_url()
    engine = create_engine(url, pool_size=2)
    events = PostgresEvents(url, engine)
    dispatching = core.Deps(
        events=events,
        triggers=PostgresEventTriggers(engine),
        workflows=PostgresWorkflows(engine),
        queue=SqsStartQueue(PostgresQueue(url), here.aws),
        lifecycle=PostgresLifecycle(url),
        clock=SystemClock(),
    )
    return Arrivals(Deps(events, dispatching))
