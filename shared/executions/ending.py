"""Who has to hear that an execution ended."""

from shared.executions.progress import Told
from shared.ports import Wakes


async def wake_those_that_wait(told: Told, wakes: Wakes) -> None:
    """Has those looked at that may wait for the execution's end. Raises StoreUnavailable; again wakes again."""
    execution = told.execution
    if told.limited:
        await wakes.look()
    if told.queued_for and execution.trigger_id is not None:
        await wakes.look_at_schedule(execution.project_id, execution.trigger_id)
