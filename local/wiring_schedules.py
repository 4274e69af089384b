"""What the triggers that go by the clock are made of in the local stage."""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from functions.schedule import core as schedule
from local.scheduler import Scheduler
from shared.adapters.postgres.schedules import PostgresTriggerRuns, PostgresTriggerStates
from shared.clock import Clock
from shared.ports import ExecutionStore, StartQueue, TriggerStore, WorkflowStore
from shared.triggers.records import TriggerType


def scheduler(
    engine: AsyncEngine,
    *,
    triggers: TriggerStore,
    workflows: WorkflowStore,
    executions: ExecutionStore,
    queue: StartQueue,
    clock: Clock,
) -> Scheduler:
    """The scheduler over one database; its tasks end with the loop that runs it."""
    states = PostgresTriggerStates(engine)
    schedules = schedule.Deps(triggers, states, PostgresTriggerRuns(engine), workflows, executions, queue, clock)
    return Scheduler(states=states, advance={TriggerType.SCHEDULE: partial(schedule.advance, schedules)}, clock=clock)
