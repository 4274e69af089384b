"""Triggers on AWS: those that go by the clock need a schedule of EventBridge Scheduler, not made yet."""

from typing import Any

from shared.errors import NotImplementedYet
from shared.ports import TriggerStore
from shared.triggers.records import Trigger, TriggerType, WebhookRegistration

_NOT_YET = frozenset({TriggerType.SCHEDULE, TriggerType.POLLING})


class AwsTriggers:
    """Keeps webhooks as `rows` does, and refuses triggers that would never fire."""

    def __init__(self, rows: TriggerStore) -> None:
        self._rows = rows

    async def create(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """Raises NotImplementedYet for what nothing would fire."""
        if trigger.type in _NOT_YET:
            raise NotImplementedYet(f"Triggers of type '{trigger.type}' do not run on AWS yet.")
        await self._rows.create(trigger, webhook)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)
