"""Flow control: one pure decision, for whoever keeps the state, be it a database or a simulation.

Terms:
  arrival   a request to start the workflow, which passed every check at the door
  key       arrivals of one key share one state; nothing here knows of another key
  held      what debounce or batch keep back: arrivals that will be one execution
  waiting   executions that may begin as soon as concurrency and throttle have room, in the order in which they will
  begun     executions that run; those of the throttle's last period count, ended or not

    arrival -> rate limit -> debounce | batch -> waiting -> concurrency, throttle -> begun
               refused       held, merged

A period is half open: what happened exactly one period ago does not count any more.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.executions.records import Priority
from shared.workflow.flow_control import FlowControl, RateLimit, Throttle

MAX_BATCH_BYTES = 190_000
"""Of inputs together, so that the execution's input stays below what may be."""


@dataclass(frozen=True, slots=True)
class Arrival:
    id: str
    """Of the execution that it would start."""
    priority: Priority = Priority.NORMAL
    bytes: int = 0
    """Of its input, as JSON."""


@dataclass(frozen=True, slots=True)
class Waiting:
    id: str
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True)
class Held:
    """Arrivals that will be the execution `id`."""

    id: str
    first_at: datetime
    due_at: datetime
    """When it is let go at the latest, unless others arrive."""
    priority: Priority = Priority.NORMAL
    size: int = 1
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FlowState:
    """All that is known of one key."""

    accepted: tuple[datetime, ...] = ()
    """When arrivals were taken, within the rate limit's period; oldest first."""
    held: Held | None = None
    waiting: tuple[Waiting, ...] = ()
    running: int = 0
    begun: tuple[datetime, ...] = ()
    """When executions began, within the throttle's period; oldest first."""


class Action(StrEnum):
    REFUSED = "refused"
    HELD = "held"
    MERGED = "merged"
    """The execution `into` stands for it: by debounce with its input alone, by batch with its input too."""
    WAITING = "waiting"
    BEGUN = "begun"


@dataclass(frozen=True, slots=True)
class Decision:
    action: Action
    id: str
    into: str | None = None
    until: datetime | None = None
    """When it is let go, or may be sent again; None where that hangs on the end of others."""


@dataclass(slots=True)
class _Step:
    control: FlowControl
    state: FlowState
    now: datetime
    decisions: list[Decision] = field(default_factory=list)

    def release(self) -> None:
        """What is held goes on to wait."""
        held = self.state.held
        if held is not None:
            self.state = replace(self.state, held=None)
            self.enqueue(Waiting(held.id, held.priority))

    def enqueue(self, new: Waiting) -> None:
        """Behind all of the same priority."""
        ranks = [-each.priority for each in self.state.waiting]
        place = bisect_right(ranks, -new.priority)
        waiting = (*self.state.waiting[:place], new, *self.state.waiting[place:])
        self.state = replace(self.state, waiting=waiting)

    def take(self, arrival: Arrival) -> None:
        limit = self.control.rate_limit
        if limit is not None:
            free_at = _free_at(limit, self.state.accepted, self.now)
            if free_at is not None:
                self.decisions.append(Decision(Action.REFUSED, arrival.id, until=free_at))
                return
            self.state = replace(self.state, accepted=(*self.state.accepted, self.now))
        if self.control.debounce is None and self.control.batch is None:
            self.enqueue(Waiting(arrival.id, arrival.priority))
        else:
            self.hold(arrival)

    def hold(self, arrival: Arrival) -> None:
        held, batch = self.state.held, self.control.batch
        if held is not None and batch is not None and held.bytes + arrival.bytes > MAX_BATCH_BYTES:
            self.release()
            held = None
        if held is None:
            held = Held(arrival.id, self.now, self.now, arrival.priority, 1, arrival.bytes)
        elif batch is not None:
            priority = max(held.priority, arrival.priority)
            held = replace(held, priority=priority, size=held.size + 1, bytes=held.bytes + arrival.bytes)
        else:
            held = replace(held, priority=arrival.priority, size=held.size + 1)
        held = replace(held, due_at=self.due(held))
        self.state = replace(self.state, held=held)
        first = held.id == arrival.id
        action = Action.HELD if first else Action.MERGED
        self.decisions.append(Decision(action, arrival.id, None if first else held.id, held.due_at))
        if batch is not None and held.size >= batch.max_size:
            self.release()

    def due(self, held: Held) -> datetime:
        debounce, batch = self.control.debounce, self.control.batch
        if batch is not None:
            return held.first_at + timedelta(seconds=batch.max_wait_seconds)
        if debounce is None:
            return self.now
        due_at = self.now + timedelta(seconds=debounce.period_seconds)
        if debounce.max_wait_seconds is not None:
            due_at = min(due_at, held.first_at + timedelta(seconds=debounce.max_wait_seconds))
        return due_at

    def begin(self) -> None:
        while self.state.waiting and blocked_until(self.control, self.state, self.now) == (False, None):
            first, *rest = self.state.waiting
            begun = (*self.state.begun, self.now) if self.control.throttle is not None else ()
            self.state = replace(self.state, waiting=tuple(rest), running=self.state.running + 1, begun=begun)
            self.decisions.append(Decision(Action.BEGUN, first.id))


def decide(
    control: FlowControl, state: FlowState, now: datetime, arrival: Arrival | None = None
) -> tuple[FlowState, Sequence[Decision]]:
    """What happens at `now`, where something arrives or where only time has passed or an execution has ended.

    The decisions come in their order; an arrival that neither begins nor is held or refused waits.
    """
    step = _Step(control, _forgotten(control, state, now), now)
    held = step.state.held
    if held is not None and (held.due_at <= now or (control.debounce is None and control.batch is None)):
        step.release()
    if arrival is not None:
        step.take(arrival)
    step.begin()
    if arrival is not None and any(each.id == arrival.id for each in step.state.waiting):
        _, until = blocked_until(control, step.state, now)
        step.decisions.append(Decision(Action.WAITING, arrival.id, until=until))
    return step.state, step.decisions


def ended(state: FlowState) -> FlowState:
    """One execution that had begun has ended; `decide` says what follows."""
    return replace(state, running=state.running - 1)


def blocked_until(control: FlowControl, state: FlowState, now: datetime) -> tuple[bool, datetime | None]:
    """Whether concurrency keeps the next one from beginning, and until when the throttle does."""
    full = control.concurrency is not None and state.running >= control.concurrency.limit
    free_at = None if control.throttle is None else _free_at(control.throttle, state.begun, now)
    return full, free_at


def next_at(control: FlowControl, state: FlowState, now: datetime) -> datetime | None:
    """When something happens though nothing arrives or ends; None where nothing does."""
    times = [] if state.held is None else [state.held.due_at]
    if state.waiting:
        full, free_at = blocked_until(control, state, now)
        if not full and free_at is not None:
            times.append(free_at)
    return min(times, default=None)


def _free_at(limit: Throttle | RateLimit, times: Sequence[datetime], now: datetime) -> datetime | None:
    """When there is room; None where there is now."""
    period = timedelta(seconds=limit.period_seconds)
    within = [each for each in times if each > now - period]
    return None if len(within) < limit.limit else within[-limit.limit] + period


def _forgotten(control: FlowControl, state: FlowState, now: datetime) -> FlowState:
    """The state without times that count no more."""

    def recent(times: tuple[datetime, ...], limit: Throttle | RateLimit | None) -> tuple[datetime, ...]:
        if limit is None:
            return ()
        return tuple(each for each in times if each > now - timedelta(seconds=limit.period_seconds))

    return replace(
        state,
        accepted=recent(state.accepted, control.rate_limit),
        begun=recent(state.begun, control.throttle),
    )
