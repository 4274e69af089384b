"""Dead letters: what could not be started, and what becomes of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.events import (
    DeadLetterOut,
    DeadLetterWhole,
    ManyLetters,
    SettledLetter,
    SettledLetters,
    WaitingLetters,
)
from functions.api.requests import Cursor, Id, JsonRoute, Limit, checked_id
from shared.errors import InvalidParameter, MillraceError, NotFound
from shared.ids import is_id
from shared.triggers.dead_letters import DeadLetter, LetterStatus, Stage
from shared.triggers.events.delivery import Deliveries, Targets
from shared.triggers.redriving import no_longer_waiting, redrive

router = APIRouter(prefix="/api/dead-letters", tags=["dead letters"], route_class=JsonRoute)


async def _letter(deps: Deps, letter_id: str) -> DeadLetter:
    letter = await deps.dead_letters.get(deps.project_id, checked_id("dead letter", letter_id))
    if letter is None:
        raise NotFound(f"There is no dead letter '{letter_id}'. GET /api/dead-letters lists those that are.")
    return letter


async def _found(letter_id: Id, deps: Wired) -> DeadLetter:
    return await _letter(deps, letter_id)


@router.get("", dependencies=[requires("dead_letters:read")], responses=documented())
async def list_dead_letters(
    *,
    deps: Wired,
    status: Annotated[LetterStatus | None, Query(description="In this status only.")] = LetterStatus.WAITING,
    trigger_id: Annotated[str | None, Query(description="Of this trigger only.")] = None,
    workflow_id: Annotated[str | None, Query(description="Of this workflow only.")] = None,
    stage: Annotated[Stage | None, Query(description="That failed there only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[DeadLetterOut]:
    """Newest first, without payloads; by default those that wait."""
    wanted = {"trigger_id": trigger_id, "workflow_id": workflow_id}
    for name, given in wanted.items():
        if given is not None and not is_id(given):
            raise InvalidParameter(f"{name} is '{given[:64]}'; it must be an id, a UUID.")
    page = await deps.dead_letters.list(
        deps.project_id, status=status, stage=stage, limit=limit, cursor=cursor, **wanted
    )
    return Listed(items=[DeadLetterOut.of(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/count", dependencies=[requires("dead_letters:read")], responses=documented())
async def count_dead_letters(deps: Wired) -> WaitingLetters:
    """How many wait, by where they failed; for alarms."""
    found = await deps.dead_letters.waiting(deps.project_id)
    return WaitingLetters(waiting=sum(found.values()), by_stage={stage: found.get(stage, 0) for stage in Stage})


@router.get("/{letter_id}", dependencies=[requires("dead_letters:read")], responses=documented(404))
async def get_dead_letter(letter: Annotated[DeadLetter, Depends(_found)]) -> DeadLetterWhole:
    """One dead letter, with the event that it is about."""
    return DeadLetterWhole.of(letter)


@router.post(
    "/redrive",
    dependencies=[requires("dead_letters:write", audited="dead_letter.many_redriven")],
    responses=documented(400),
)
async def redrive_dead_letters(body: ManyLetters, deps: Wired) -> SettledLetters:
    """Tries several again, each by itself."""
    return await _many(deps, body, _redrive)


@router.post(
    "/discard",
    dependencies=[requires("dead_letters:write", audited="dead_letter.many_discarded")],
    responses=documented(400),
)
async def discard_dead_letters(body: ManyLetters, deps: Wired) -> SettledLetters:
    """Puts several aside, each by itself."""
    return await _many(deps, body, _discard)


@router.post(
    "/{letter_id}/redrive",
    dependencies=[requires("dead_letters:write", audited="dead_letter.redriven")],
    responses=documented(404, 409, 410, 413),
)
async def redrive_dead_letter(letter: Annotated[DeadLetter, Depends(_found)], deps: Wired) -> DeadLetterOut:
    """Tries again, with the trigger and the workflow as they are now; starts nothing twice."""
    return DeadLetterOut.of(await _redrive(deps, letter))


@router.post(
    "/{letter_id}/discard",
    dependencies=[requires("dead_letters:write", audited="dead_letter.discarded")],
    responses=documented(404, 409),
)
async def discard_dead_letter(letter: Annotated[DeadLetter, Depends(_found)], deps: Wired) -> DeadLetterOut:
    """Puts it aside for good; it can still be read."""
    return DeadLetterOut.of(await _discard(deps, letter))


async def _redrive(deps: Deps, letter: DeadLetter) -> DeadLetter:
    deliveries = Deliveries(Targets(deps.workflows), deps.queue, deps.clock)
    return await redrive(letter, letters=deps.dead_letters, triggers=deps.triggers, deliveries=deliveries)


async def _discard(deps: Deps, letter: DeadLetter) -> DeadLetter:
    settled = replace(letter, status=LetterStatus.DISCARDED, updated_at=deps.clock.now())
    if not await deps.dead_letters.settle(settled):
        raise no_longer_waiting(letter)
    return settled


async def _many(
    deps: Deps, body: ManyLetters, settle: Callable[[Deps, DeadLetter], Awaitable[DeadLetter]]
) -> SettledLetters:
    items = []
    for letter_id in dict.fromkeys(body.ids):
        try:
            settled = await settle(deps, await _letter(deps, letter_id))
        except MillraceError as error:
            items.append(SettledLetter(id=letter_id, error_code=error.code, error_message=error.message))
        else:
            items.append(SettledLetter(id=letter_id, status=settled.status, execution_id=settled.execution_id))
    return SettledLetters(failed_count=sum(each.error_code is not None for each in items), items=items)
