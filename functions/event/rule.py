"""What happens where the bus has matched already: EventBridge's rule of one trigger hands over one event."""

from dataclasses import dataclass
from typing import Any

from shared.clock import Clock
from shared.ids import new_id
from shared.ports import StartQueue, TriggerStore, WorkflowStore
from shared.ports.events import EventQueue
from shared.triggers.dead_letters import Undelivered
from shared.triggers.events.delivery import Deliveries, Targets, deliver, listener_of
from shared.triggers.events.records import OWN_SOURCES, Event
from shared.triggers.records import TriggerType


@dataclass(frozen=True, slots=True)
class Deps:
    triggers: TriggerStore
    events: EventQueue
    workflows: WorkflowStore
    queue: StartQueue
    clock: Clock


async def on_event(deps: Deps, project_id: str, trigger_id: str, document: dict[str, Any]) -> str | None:
    """Starts the execution of one event and one trigger, or finds the one that was started; its id.

    None where there is no such active trigger, and where it could not start: then there is a dead letter.

    Raises:
        StoreUnavailable, TooManyRequests: try it again later.
    """
    trigger = await deps.triggers.get(project_id, trigger_id)
    if trigger is None or trigger.type is not TriggerType.EVENT or not trigger.is_active:
        return None
    depth = document["detail"].get("depth", 0) if document["source"].startswith(OWN_SOURCES) else 0
    event = Event(new_id(), project_id, document["id"], deps.clock.now(), document, depth)
    deliveries = Deliveries(Targets(deps.workflows), deps.queue, deps.clock)
    result = await deliver(deliveries, listener_of(trigger), event)
    if isinstance(result, Undelivered):
        await deps.events.finish([], [result], deps.clock.now())
        return None
    return result.execution_id
