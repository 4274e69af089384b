"""What may begin begins: flow control and the limits of workflows and projects, where nobody looks by himself.

On the local stage a worker looks twice a second. Here every message is a reason to look: something arrived that may
have to wait, something ended that others waited for, or a time has come. Each was written to the database before its
message was sent, and a look that begins after both sees it. So nothing that may begin is missed, and while nothing
happens nobody looks. A message is done when its look is; what a process that died left undone, the message brings back.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from shared.clock import Clock
from shared.errors import FlowRateLimited, IdempotencyMismatch
from shared.executions.records import StartRequest
from shared.ports import Admission, StartQueue, TriggerStore, Wakes
from shared.triggers.dead_letters import Stage, Undelivered

ROUNDS = 20
"""Looks at flow control for one message at most; what is due then is looked at by the next one."""

log = logging.getLogger(__name__)


class Flow(StartQueue, Protocol):
    async def advance(self) -> int:
        """Lets go what is due, and fills the places of what has ended; how many began."""

    async def next_at(self) -> datetime | None:
        """When `advance` has something to do, though nothing arrives or ends."""


class Beginnings(Protocol):
    async def hand_over(self, start: Callable[[StartRequest], Awaitable[None]]) -> int:
        """Gives some of those that may begin to `start`; how many."""


class Letters(Protocol):
    async def keep(self, undelivered: Undelivered, now: datetime) -> None:
        """Keeps a failure, once however often it is told."""


@dataclass(frozen=True, slots=True)
class AdmitDeps:
    flow: Flow
    admission: Admission
    beginnings: Beginnings
    start: Callable[[StartRequest], Awaitable[None]]
    """Asks for the start of an execution that may begin."""
    wakes: Wakes
    triggers: TriggerStore
    letters: Letters
    clock: Clock
    ahead: list[datetime] = field(default_factory=list)
    """For when this process has had itself woken."""


async def take(request: StartRequest, deps: AdmitDeps) -> None:
    """Takes an arrival in by its workflow's flow control. Whoever sent it was answered before: what is refused becomes
    a dead letter of its trigger.

    Raises:
        NotFound: there is no such version of the workflow.
        QueueFull: too many of its key wait; the message shows up again.
        StoreUnavailable: nothing was taken; the message shows up again.
    """
    try:
        await deps.flow.submit(request)
    except IdempotencyMismatch as error:
        log.warning("a delivery was dropped", extra={"code": error.code, "reason": error.message})
    except FlowRateLimited as error:
        log.warning("a delivery was refused", extra={"code": error.code, "reason": error.message})
        await deps.letters.keep(await _letter(request, error, deps), deps.clock.now())


async def look(deps: AdmitDeps) -> None:
    """Lets begin what may, asks for its start, and sees to it that somebody looks when more may.

    Raises:
        StoreUnavailable: the database or a queue does not answer; what was done is not done twice.
    """
    at = await _flow(deps)
    while await deps.admission.admit():
        pass
    while await deps.beginnings.hand_over(deps.start):
        pass
    if at is not None:
        await _wake(at, deps)


async def _flow(deps: AdmitDeps) -> datetime | None:
    """When to look again."""
    for _ in range(ROUNDS):
        await deps.flow.advance()
        at = await deps.flow.next_at()
        if at is None or at > deps.clock.now():
            break
    return at


async def _wake(at: datetime, deps: AdmitDeps) -> None:
    """Unless a wake of this process is under way that comes as early: each look would else add one for as long as
    something waits."""
    now = deps.clock.now()
    deps.ahead[:] = [each for each in deps.ahead if each > now]
    if not any(each <= at for each in deps.ahead):
        await deps.wakes.look(at)
        deps.ahead.append(at)


async def _letter(request: StartRequest, error: FlowRateLimited, deps: AdmitDeps) -> Undelivered:
    trigger = await deps.triggers.get(request.project_id, request.trigger_id) if request.trigger_id else None
    return Undelivered(
        key=request.idempotency_key or f"webhook:{request.execution_id}",
        project_id=request.project_id,
        stage=Stage.WEBHOOK,
        trigger=trigger,
        code=error.code,
        reason=error.message,
        payload={"input": _arrived(request)},
    )


def _arrived(request: StartRequest) -> Any:
    """The input as it arrived; a batch has it in a list."""
    return request.input["items"][0] if request.flow and request.flow.control.get("batch") else request.input
