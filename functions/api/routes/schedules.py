"""When triggers that go by the clock fire, and what they did."""

from typing import Annotated

from fastapi import APIRouter, Query

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.schedules import MAX_RUNS, NextRuns, PreviewTrigger, TriggerStateOut
from functions.api.requests import Id, JsonRoute, checked_id
from functions.api.triggering import timed
from shared.errors import InvalidParameter, NotFound
from shared.triggers.records import Trigger, TriggerType
from shared.triggers.schedule import FIRST_YEAR, LAST_YEAR

router = APIRouter(prefix="/api/triggers", tags=["triggers"], route_class=JsonRoute)

Count = Annotated[int, Query(ge=1, le=MAX_RUNS, description="How many at most.")]


@router.post("/preview", dependencies=[requires("triggers:read")], responses=documented(400, 413))
async def preview_trigger(body: PreviewTrigger, deps: Wired) -> NextRuns:
    """When a trigger of this config would fire; nothing is stored."""
    after = body.after or deps.clock.now()
    if after.tzinfo is None or not FIRST_YEAR < after.year < LAST_YEAR:
        raise InvalidParameter(
            f"'after' is {after.isoformat()}. Write a time with an offset, such as 2026-11-23T09:00:00Z, in a year"
            f" between {FIRST_YEAR} and {LAST_YEAR}."
        )
    return NextRuns.of(*timed.preview(body.type, body.config, after, body.count))


@router.get("/{trigger_id}/next-runs", dependencies=[requires("triggers:read")], responses=documented(404))
async def next_runs(trigger_id: Id, deps: Wired, count: Count = 10) -> NextRuns:
    """The next fire times, whether or not the trigger is switched on."""
    trigger = await _of_type(deps, trigger_id, *timed.TYPES)
    return NextRuns.of(*timed.upcoming(trigger, deps.clock.now(), count))


@router.get("/{trigger_id}/state", dependencies=[requires("triggers:read")], responses=documented(404))
async def trigger_state(trigger_id: Id, deps: Wired) -> TriggerStateOut:
    """What the trigger remembers: what became of its last runs, what waits, and why it paused itself."""
    trigger = await _of_type(deps, trigger_id, *timed.TYPES, TriggerType.EVENT)
    state = await deps.trigger_states.get(deps.project_id, trigger.id)
    if state is None or (
        trigger.type is TriggerType.EVENT and trigger.is_active
    ):  # those remember only why they paused
        return TriggerStateOut(due_at=None, state={})
    return TriggerStateOut(due_at=state.due_at, state=timed.summary(state.document))


async def _of_type(deps: Deps, trigger_id: str, *types: TriggerType) -> Trigger:
    trigger = await deps.triggers.get(deps.project_id, checked_id("trigger", trigger_id))
    if trigger is None:
        raise NotFound(f"There is no trigger '{trigger_id}'.")
    if trigger.type not in types:
        raise NotFound(f"The trigger '{trigger_id}' is of type '{trigger.type}', which does not go by the clock.")
    return trigger
