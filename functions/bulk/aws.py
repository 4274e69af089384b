"""The dependencies of the Lambda."""

from functions.bulk.core import Deps
from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.events import EventBridgeBus
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.aws.wakes import SqsWakes
from shared.adapters.postgres.bulk import PostgresBulkRuns
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.progress import PostgresProgress
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.bulk.feeding import Feeding
from shared.clock import SystemClock
from shared.errors import ConfigInvalid


def from_environment() -> Deps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    if here.settings.blob_url is None:
        raise ConfigInvalid("Bulk runs need MILLRACE_BLOB_URL, where their inputs are; the CDK stack sets it.")
    url = here.settings.require_database_url()
    engine = create_engine(url, pool_size=2)
    rows, machines = PostgresBulkRuns(engine), Machines(here.aws)
    feeding = Feeding(
        runs=rows,
        workflows=PostgresWorkflows(engine),
        blobs=S3Blobs(here.settings.blob_url),
        queue=SqsStartQueue(PostgresQueue(url, max_queued=here.settings.max_queued), here.aws),
        clock=SystemClock(),
        worker="",  # each step has a name of its own
    )
    bus, wakes = EventBridgeBus(here.aws.event_bus), SqsWakes(here.aws)
    executions = AwsExecutions(PostgresExecutions(engine), machines, PostgresProgress(url), bus, wakes)
    return Deps(feeding, rows, executions, machines, wakes)
