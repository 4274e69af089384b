"""The dependencies of the Lambda."""

from functions.schedule.arrivals import Arrivals
from functions.schedule.core import Deps
from shared.adapters.aws.events import EventBridgeBus
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.aws.wakes import SqsWakes
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.progress import PostgresProgress
from shared.adapters.postgres.schedules import PostgresTriggerRuns, PostgresTriggerStates
from shared.adapters.postgres.starts import PostgresStarts
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.clock import SystemClock


def from_environment() -> Arrivals:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    url = here.settings.require_database_url()
    engine = create_engine(url, pool_size=2)
    wakes = SqsWakes(here.aws)
    deps = Deps(
        triggers=PostgresTriggers(engine),
        states=PostgresTriggerStates(engine),
        runs=PostgresTriggerRuns(engine),
        workflows=PostgresWorkflows(engine),
        executions=AwsExecutions(
            PostgresExecutions(engine),
            Machines(here.aws),
            PostgresProgress(url),
            EventBridgeBus(here.aws.event_bus),
            wakes,
        ),
        queue=SqsStartQueue(PostgresStarts(url, engine, SystemClock(), max_queued=here.settings.max_queued), here.aws),
        clock=SystemClock(),
    )
    return Arrivals(deps, wakes)
