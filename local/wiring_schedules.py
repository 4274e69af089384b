"""What the triggers that go by the clock are made of in the local stage."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from functions.poll import core as poll
from functions.schedule import core as schedule
from local.scheduler import Scheduler, Timed
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.schedules import PostgresPollSources, PostgresTriggerRuns, PostgresTriggerStates
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.clock import Clock
from shared.ports import BlobStore, StartQueue, TaskRunner
from shared.triggers.records import TriggerType


def scheduler(
    engine: AsyncEngine, *, runner: TaskRunner, blobs: BlobStore, queue: StartQueue, clock: Clock
) -> Scheduler:
    """The scheduler over one database; its tasks end with the loop that runs it."""
    states, workflows = PostgresTriggerStates(engine), PostgresWorkflows(engine)
    schedules = schedule.Deps(
        triggers=PostgresTriggers(engine),
        states=states,
        runs=PostgresTriggerRuns(engine),
        workflows=workflows,
        executions=PostgresExecutions(engine),
        queue=queue,
        clock=clock,
    )
    polls = poll.Deps(
        states=states,
        sources=PostgresPollSources(engine),
        workflows=workflows,
        runner=runner,
        blobs=blobs,
        queue=queue,
        clock=clock,
    )
    types = {
        TriggerType.SCHEDULE: Timed(partial(schedule.advance, schedules), schedule.LEASE),
        TriggerType.POLLING: Timed(partial(poll.advance, polls), poll.LEASE),
    }
    return Scheduler(states=states, types=types, clock=clock)
