"""TriggerStore on AWS: rows in the database, and schedules of EventBridge for those that go by the clock.

Event triggers need nothing: `event` asks the database which ones there are.
"""

from typing import Any

from shared.adapters.aws.schedules import TYPES, Schedules
from shared.ports import TriggerStore
from shared.triggers.records import Trigger, WebhookRegistration


class AwsTriggers:
    """Reads and keeps triggers as `rows` does, and their schedules in step.

    A schedule without its trigger starts nothing, so it is made before the row and removed before it.
    """

    def __init__(self, rows: TriggerStore, schedules: Schedules) -> None:
        self._rows = rows
        self._schedules = schedules

    async def create(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """Raises InvalidParameter for what EventBridge cannot say, StoreUnavailable, and as the rows do."""
        if trigger.type in TYPES:
            await self._schedules.keep(trigger)
        await self._rows.create(trigger, webhook)

    async def update(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """As `create`; updating it once more mends what failed half-way."""
        if trigger.type in TYPES:
            await self._schedules.keep(trigger)
        await self._rows.update(trigger, webhook)

    async def delete(self, project_id: str, trigger_id: str) -> None:
        """Raises StoreUnavailable; deleting it once more is safe."""
        trigger = await self._rows.get(project_id, trigger_id)
        if trigger is not None and trigger.type in TYPES:
            await self._schedules.remove(trigger_id)
        await self._rows.delete(project_id, trigger_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)
