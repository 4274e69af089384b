"""The dependencies of the Lambda."""

from datetime import timedelta

from functions.poll.core import Deps
from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.lambdas import LambdaTasks
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.schedules import PostgresPollSources, PostgresTriggerStates
from shared.adapters.postgres.starts import PostgresStarts
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.clock import SystemClock
from shared.errors import ConfigInvalid

EARLY = timedelta(seconds=30)
"""A schedule of EventBridge ticks every minute at the most, and not to the second: half of that is on time."""


def from_environment() -> Deps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here = stage()
    if here.settings.blob_url is None:
        raise ConfigInvalid("Polling needs MILLRACE_BLOB_URL; the CDK stack sets it.")
    url = here.settings.require_database_url()
    engine = create_engine(url, pool_size=2)
    return Deps(
        states=PostgresTriggerStates(engine),
        sources=PostgresPollSources(engine),
        workflows=PostgresWorkflows(engine),
        runner=LambdaTasks(here.aws),
        blobs=S3Blobs(here.settings.blob_url),
        queue=SqsStartQueue(PostgresStarts(url, engine, SystemClock(), max_queued=here.settings.max_queued), here.aws),
        clock=SystemClock(),
        early=EARLY,
    )
