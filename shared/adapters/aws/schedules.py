"""Schedules of EventBridge Scheduler for triggers that go by the clock: one, or two where a cron names both days.

A schedule sends a message to the queue of its trigger's type. Whether something runs then (windows, overlaps, what came
too late) is decided by the function behind the queue, by the same code as on the local stage.
Source: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
"""

import math
from datetime import datetime, timedelta
from typing import Any

import orjson
from botocore.exceptions import ClientError

from shared.adapters.aws.client import call, client, code_of
from shared.adapters.aws.settings import AwsSettings
from shared.errors import InvalidParameter
from shared.triggers.eventbridge_cron import ScheduleExpression, eventbridge_expressions
from shared.triggers.polling import PollingTriggerConfig
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import ScheduleTriggerConfig, next_fire

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge puts the time in its place.
Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html"""

TYPES = frozenset({TriggerType.SCHEDULE, TriggerType.POLLING})
_MOST = 2
_MINUTE = 60
_TICK = timedelta(microseconds=1)


class Schedules:
    """Makes the schedules of a trigger what its record says, whatever they were."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings

    async def keep(self, trigger: Trigger) -> None:
        """Raises InvalidParameter and StoreUnavailable; keeping it once more is safe."""
        wanted = wanted_of(trigger)
        for number, each in enumerate(wanted):
            await self._put(self._named(trigger.id, number) | self._shared(trigger) | each)
        await self.remove(trigger.id, since=len(wanted))

    async def remove(self, trigger_id: str, *, since: int = 0) -> None:
        """Removes those from the number `since` on; none there is as good. Raises StoreUnavailable."""
        for number in range(since, _MOST):
            try:
                await call(client("scheduler").delete_schedule, **self._named(trigger_id, number))
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise

    async def _put(self, schedule: dict[str, Any]) -> None:
        try:
            await call(client("scheduler").update_schedule, **schedule)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            await call(client("scheduler").create_schedule, **schedule)

    def _named(self, trigger_id: str, number: int) -> dict[str, Any]:
        return {"GroupName": self._settings.schedule_group, "Name": f"{trigger_id}-{number}"}

    def _shared(self, trigger: Trigger) -> dict[str, Any]:
        polls = trigger.type is TriggerType.POLLING
        told = {"project_id": trigger.project_id, "trigger_id": trigger.id, "scheduled_time": SCHEDULED_TIME}
        return {
            "State": "ENABLED" if trigger.is_active else "DISABLED",
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self._settings.polls_queue_arn if polls else self._settings.fires_queue_arn,
                "RoleArn": self._settings.scheduler_role_arn,
                "Input": orjson.dumps({"trigger_id": trigger.id} if polls else told).decode(),
            },
        }


def wanted_of(trigger: Trigger) -> list[dict[str, Any]]:
    """When the trigger's schedules fire, as CreateSchedule takes it; none where nothing is to come.

    Raises:
        InvalidParameter: EventBridge cannot say it.
    """
    try:
        if trigger.type is TriggerType.POLLING:
            return _polls(PollingTriggerConfig.model_validate(trigger.config))
        return _fires(ScheduleTriggerConfig.model_validate(trigger.config), trigger.updated_at)
    except ValueError as error:
        raise InvalidParameter(f"This trigger cannot be scheduled on AWS: {error}") from None


def _fires(config: ScheduleTriggerConfig, at: datetime) -> list[dict[str, Any]]:
    """From `at` on. A rate begins with its next fire time, so that it keeps counting from where it did."""
    upcoming = next_fire(config, at - _TICK)
    if upcoming is None:
        return []
    start = upcoming if config.rate is not None else config.start if config.start and config.start > at else None
    return [_times(each, start, config.jitter_seconds) for each in eventbridge_expressions(config)]


def _polls(config: PollingTriggerConfig) -> list[dict[str, Any]]:
    if config.cron is not None:
        timed = ScheduleTriggerConfig(cron=config.cron, timezone=config.timezone)
        return [_times(each, None, 0) for each in eventbridge_expressions(timed)]
    seconds = config.interval_seconds or 0
    minutes, rest = divmod(seconds, _MINUTE)
    if rest:
        raise ValueError(
            f"config.interval_seconds is {seconds}; a schedule of AWS counts whole minutes. Use 60, 120, …."
        )
    unit = "minute" if minutes == 1 else "minutes"
    return [_times(ScheduleExpression(f"rate({minutes} {unit})", config.timezone, None, None), None, 0)]


def _times(expression: ScheduleExpression, start: datetime | None, jitter_seconds: int) -> dict[str, Any]:
    """Jitter becomes a window of whole minutes, which is all that EventBridge has."""
    window: dict[str, Any] = {"Mode": "OFF"}
    if jitter_seconds:
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": math.ceil(jitter_seconds / _MINUTE)}
    bounds = {"StartDate": start, "EndDate": expression.end}
    return {
        "ScheduleExpression": expression.expression,
        "ScheduleExpressionTimezone": expression.timezone,
        "FlexibleTimeWindow": window,
        **{name: value for name, value in bounds.items() if value is not None},
    }
