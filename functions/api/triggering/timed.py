"""From what a caller asks for to a stored trigger that goes by the clock, and to the times when it fires."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from functions.api.deps import Deps
from functions.api.models.triggers import CreateTrigger, UpdateTrigger
from shared.errors import InvalidParameter
from shared.ids import new_id
from shared.triggers.polling import PollingTriggerConfig
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import ScheduleTriggerConfig, next_fires

_TICK = timedelta(microseconds=1)

CONFIGS: dict[TriggerType, type[ScheduleTriggerConfig | PollingTriggerConfig]] = {
    TriggerType.SCHEDULE: ScheduleTriggerConfig,
    TriggerType.POLLING: PollingTriggerConfig,
}

TYPES = frozenset(CONFIGS)


async def create(deps: Deps, workflow_id: str, wanted: CreateTrigger) -> Trigger:
    """Stores the trigger; the scheduler finds it there. A rate without a start begins now.

    Raises:
        InvalidParameter: the config has mistakes, nothing would ever fire, or there is a secret.
    """
    now = deps.clock.now()
    config = config_of(wanted.type, wanted.config, now)
    _refuse_secret(wanted)
    trigger = Trigger(
        id=new_id(),
        project_id=deps.project_id,
        workflow_id=workflow_id,
        type=wanted.type,
        config=_as_json(config),
        is_active=wanted.is_active,
        created_at=now,
        updated_at=now,
    )
    await deps.triggers.create(trigger, None)
    return trigger


async def update(deps: Deps, trigger: Trigger, wanted: UpdateTrigger) -> Trigger:
    """Stores what was given and leaves the rest as it is; from now on the new config counts.

    Raises:
        InvalidParameter: the type differs, the config has mistakes, nothing would ever fire, or there is a secret.
    """
    if wanted.type not in (None, trigger.type):
        raise InvalidParameter(
            f"A trigger's type cannot be changed from '{trigger.type}'. Delete it, and create another."
        )
    _refuse_secret(wanted)
    now = deps.clock.now()
    config = trigger.config
    if wanted.config is not None:
        config = _as_json(config_of(trigger.type, _with_same_start(trigger, wanted.config), now))
    is_active = trigger.is_active if wanted.is_active is None else wanted.is_active
    changed = replace(trigger, config=config, is_active=is_active, updated_at=now)
    await deps.triggers.update(changed, None)
    return changed


def config_of(kind: TriggerType, given: dict[str, Any], now: datetime) -> ScheduleTriggerConfig | PollingTriggerConfig:
    """The config of a trigger of this type that is made at `now`.

    Raises:
        InvalidParameter: it has mistakes, or nothing would ever fire.
    """
    if kind not in TYPES:
        raise InvalidParameter(
            f"A trigger of type '{kind}' does not go by the clock. Those that do: schedule, polling."
        )
    try:
        config = CONFIGS[kind].model_validate(_with_start(given, now))
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(('config', *map(str, each['loc'])))}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_input=False)
        )
        raise InvalidParameter(f"The {kind}'s config is not valid: {mistakes}.") from None
    if not _times(config, now - _TICK, 1):
        raise InvalidParameter(
            f"This {kind} trigger never fires: no time that it names lies in the future, before its end and within its"
            " window. Correct config.cron, config.at, config.end or config.window."
        )
    return config


def preview(kind: TriggerType, given: dict[str, Any], after: datetime, count: int) -> tuple[str, list[datetime]]:
    """The timezone, and the first `count` fire times after `after`. Raises InvalidParameter."""
    config = config_of(kind, given, after)
    return config.timezone, _times(config, after - _TICK, count)


def upcoming(trigger: Trigger, after: datetime, count: int) -> tuple[str, list[datetime]]:
    """The timezone, and the first `count` fire times of a stored trigger after `after`."""
    config = CONFIGS[trigger.type].model_validate(trigger.config)
    return config.timezone, _times(config, after, count)


def _times(config: ScheduleTriggerConfig | PollingTriggerConfig, after: datetime, count: int) -> list[datetime]:
    """Of a poll by interval: from `after` on, as if there had been one then."""
    if isinstance(config, ScheduleTriggerConfig):
        return next_fires(config, after, count)
    times: list[datetime] = []
    while len(times) < count and (following := config.next_poll(times[-1] if times else after)) is not None:
        times.append(following)
    return times


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """What a trigger remembers, for people: of long lists and of inputs that wait only how many there are."""
    told = {name: value for name, value in document.items() if name != "watches"}
    if "outbox" in told:
        told["outbox"] = len(told["outbox"])
        told["seen"] = {
            name: len(value) if isinstance(value, list) else value for name, value in document["seen"].items()
        }
    return told


def _with_start(given: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A rate counts from its start, so it must not move with the process."""
    return {**given, "start": now.isoformat()} if given.get("rate") and not given.get("start") else given


def _with_same_start(trigger: Trigger, given: dict[str, Any]) -> dict[str, Any]:
    """A rate that stays as it was goes on counting from where it did: another change must not fire it at once."""
    unchanged = given.get("rate") is not None and given["rate"] == trigger.config.get("rate")
    return {"start": trigger.config["start"]} | given if unchanged else given


def _refuse_secret(wanted: CreateTrigger | UpdateTrigger) -> None:
    if wanted.secret is not None:
        raise InvalidParameter("A secret is of no use here: nobody calls a trigger that goes by the clock.")


def _as_json(config: ScheduleTriggerConfig | PollingTriggerConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", by_alias=True, exclude_none=True)
