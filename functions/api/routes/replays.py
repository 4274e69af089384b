"""The archive of events, and replays of it."""

from typing import Annotated

from fastapi import APIRouter, Depends

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.events import CreateReplay, EventOut, ReplayOut
from functions.api.requests import Cursor, Id, JsonRoute, Limit, checked_id
from shared.errors import InvalidParameter, NotFound, TriggerInactive
from shared.ids import is_id, new_id
from shared.triggers.events import compile_pattern
from shared.triggers.events.replays import Replay, ReplayStatus
from shared.triggers.records import TriggerType

router = APIRouter(prefix="/api/events", tags=["events"], route_class=JsonRoute)


async def _found(replay_id: Id, deps: Wired) -> Replay:
    replay = await deps.replays.get(deps.project_id, checked_id("replay", replay_id))
    if replay is None:
        raise NotFound(f"There is no replay '{replay_id}'. GET /api/events/replays lists those that are.")
    return replay


@router.get("", dependencies=[requires("events:read")], responses=documented())
async def list_events(deps: Wired, limit: Limit = 50, cursor: Cursor = None) -> Listed[EventOut]:
    """The archive, newest first."""
    page = await deps.archive.list(deps.project_id, limit=limit, cursor=cursor)
    return Listed(items=[EventOut.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("/replays", status_code=202, dependencies=[requires("events:write")], responses=documented(400, 409))
async def create_replay(body: CreateReplay, deps: Wired) -> ReplayOut:
    """Shows events of the archive to chosen triggers once more. They carry the replay's name as `replay-name`.

    Each event starts an execution of a trigger once for each replay, whatever it started before."""
    if body.ends_at <= body.starts_at:
        raise InvalidParameter("'ends_at' is not after 'starts_at'; the end is not included.")
    if body.pattern is not None:
        compile_pattern(body.pattern)
    for trigger_id in body.trigger_ids:
        await _ensure_listens(deps, trigger_id)
    replay = Replay(
        id=new_id(),
        project_id=deps.project_id,
        name=body.name,
        pattern=body.pattern,
        trigger_ids=sorted(set(body.trigger_ids)),
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        status=ReplayStatus.RUNNING,
        created_at=deps.clock.now(),
    )
    return ReplayOut.of(await deps.replays.create(replay))


@router.get("/replays", dependencies=[requires("events:read")], responses=documented())
async def list_replays(deps: Wired, limit: Limit = 50, cursor: Cursor = None) -> Listed[ReplayOut]:
    """Newest first."""
    page = await deps.replays.list(deps.project_id, limit=limit, cursor=cursor)
    return Listed(items=[ReplayOut.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/replays/{replay_id}", dependencies=[requires("events:read")], responses=documented(404))
async def get_replay(replay: Annotated[Replay, Depends(_found)]) -> ReplayOut:
    """One replay, and how far it got."""
    return ReplayOut.of(replay)


@router.post(
    "/replays/{replay_id}/cancel", status_code=202, dependencies=[requires("events:write")], responses=documented(404)
)
async def cancel_replay(replay: Annotated[Replay, Depends(_found)], deps: Wired) -> ReplayOut:
    """Stops a replay at its next page; what it started goes on."""
    await deps.replays.cancel(deps.project_id, replay.id, deps.clock.now())
    return ReplayOut.of(await _found(replay.id, deps))


async def _ensure_listens(deps: Deps, trigger_id: str) -> None:
    trigger = await deps.triggers.get(deps.project_id, trigger_id) if is_id(trigger_id) else None
    if trigger is None:
        raise InvalidParameter(
            f"There is no trigger '{trigger_id[:64]}'. 'trigger_ids' names triggers of type 'event'."
        )
    if trigger.type is not TriggerType.EVENT:
        raise InvalidParameter(
            f"The trigger '{trigger_id}' is of type '{trigger.type}'; events go to those of 'event'."
        )
    if not trigger.is_active:
        raise TriggerInactive(f"The trigger '{trigger_id}' is switched off. Switch it on before the replay.")
