"""The dependencies of the Lambda."""

from functools import partial

from functions.admit.core import AdmitDeps
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import send
from shared.adapters.aws.wakes import SqsWakes
from shared.adapters.postgres.admission import PostgresAdmission
from shared.adapters.postgres.beginnings import PostgresBeginnings
from shared.adapters.postgres.dead_letters import PostgresDeadLetters
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.flow import PostgresFlow
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.clock import SystemClock


def from_environment() -> AdmitDeps:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here, clock = stage(), SystemClock()
    engine = create_engine(here.settings.require_database_url(), pool_size=2)
    return AdmitDeps(
        flow=PostgresFlow(engine, clock),
        admission=PostgresAdmission(engine, waits=True),
        beginnings=PostgresBeginnings(engine),
        start=partial(send, settings=here.aws),
        wakes=SqsWakes(here.aws),
        triggers=PostgresTriggers(engine),
        letters=PostgresDeadLetters(engine),
        clock=clock,
    )
