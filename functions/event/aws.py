"""The dependencies of the Lambda."""

from functools import cache

from sqlalchemy.ext.asyncio import AsyncEngine

from functions.event import core, replays
from functions.event.arrival import Arrivals, Deps
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.event_archive import PostgresEventArchive, PostgresEventReplays
from shared.adapters.postgres.events import PostgresEvents, PostgresEventTriggers
from shared.adapters.postgres.lifecycle import PostgresLifecycle
from shared.adapters.postgres.starts import PostgresStarts
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.clock import SystemClock


def from_environment() -> Arrivals:
    """Connected to nothing yet. Raises ConfigInvalid."""
    here, engine = stage(), _engine()
    url = here.settings.require_database_url()
    events = PostgresEvents(url, engine)
    dispatching = core.Deps(
        events=events,
        triggers=PostgresEventTriggers(engine),
        workflows=PostgresWorkflows(engine),
        queue=_queue(engine),
        lifecycle=PostgresLifecycle(url),
        clock=SystemClock(),
    )
    return Arrivals(Deps(events, dispatching))


def replaying() -> replays.Deps:
    """What replays take. Raises ConfigInvalid."""
    engine = _engine()
    return replays.Deps(
        replays=PostgresEventReplays(engine),
        archive=PostgresEventArchive(engine),
        triggers=PostgresTriggers(engine),
        workflows=PostgresWorkflows(engine),
        queue=_queue(engine),
        clock=SystemClock(),
    )


def _queue(engine: AsyncEngine) -> SqsStartQueue:
    here = stage()
    return SqsStartQueue(
        PostgresStarts(
            here.settings.require_database_url(), engine, SystemClock(), max_queued=here.settings.max_queued
        ),
        here.aws,
    )


@cache
def _engine() -> AsyncEngine:
    return create_engine(stage().settings.require_database_url(), pool_size=2)
