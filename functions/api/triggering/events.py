"""From what a caller asks for to a stored trigger that listens on the bus."""

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from functions.api.deps import Deps
from functions.api.models.triggers import CreateTrigger, UpdateTrigger
from shared.errors import InvalidParameter
from shared.ids import new_id
from shared.triggers.events import compile_pattern
from shared.triggers.events.trigger import EventTriggerConfig
from shared.triggers.records import Trigger


async def create(deps: Deps, workflow_id: str, wanted: CreateTrigger) -> Trigger:
    """Stores the trigger; it sees what is published from then on.

    Raises:
        InvalidPattern: the pattern has mistakes.
        InvalidParameter: something else of the config has, or there is a secret.
    """
    _refuse_secret(wanted)
    now = deps.clock.now()
    trigger = Trigger(
        id=new_id(),
        project_id=deps.project_id,
        workflow_id=workflow_id,
        type=wanted.type,
        config=_config(wanted.config),
        is_active=wanted.is_active,
        created_at=now,
        updated_at=now,
    )
    await deps.triggers.create(trigger, None)
    return trigger


async def update(deps: Deps, trigger: Trigger, wanted: UpdateTrigger) -> Trigger:
    """Stores what was given and leaves the rest as it is. Raises as `create`, and where the type differs."""
    if wanted.type not in (None, trigger.type):
        raise InvalidParameter(
            f"A trigger's type cannot be changed from '{trigger.type}'. Delete it, and create another."
        )
    _refuse_secret(wanted)
    changed = replace(
        trigger,
        config=trigger.config if wanted.config is None else _config(wanted.config),
        is_active=trigger.is_active if wanted.is_active is None else wanted.is_active,
        updated_at=deps.clock.now(),
    )
    await deps.triggers.update(changed, None)
    return changed


def _config(given: dict[str, Any]) -> dict[str, Any]:
    if "pattern" in given:
        compile_pattern(given["pattern"], "config.pattern")
    try:
        config = EventTriggerConfig.model_validate(given)
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(('config', *map(str, each['loc'])))}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_input=False, include_url=False)
        )
        raise InvalidParameter(f"The trigger's config is not valid: {mistakes}.") from None
    return config.model_dump(mode="json", exclude_none=True) | {"pattern": given["pattern"]}


def _refuse_secret(wanted: CreateTrigger | UpdateTrigger) -> None:
    if wanted.secret is not None:
        raise InvalidParameter("A secret is of no use here: nobody calls a trigger that listens on the bus.")
