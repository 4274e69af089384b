"""What the event bus is made of in the local stage."""

from functions.event import core as event
from functions.event import replays
from local.events import Dispatcher
from local.stores import Stores
from shared.adapters.postgres.events import PostgresEventTriggers
from shared.clock import Clock
from shared.ports import StartQueue


def dispatcher(stores: Stores, *, queue: StartQueue, clock: Clock) -> Dispatcher:
    """The dispatcher over one database; it ends with the task that runs it."""
    deps = event.Deps(
        events=stores.events,
        triggers=PostgresEventTriggers(stores.engine),
        workflows=stores.workflows,
        queue=queue,
        lifecycle=stores.lifecycle,
        clock=clock,
    )
    replaying = replays.Deps(stores.replays, stores.archive, stores.triggers, stores.workflows, queue, clock)
    return Dispatcher(deps, replaying)
