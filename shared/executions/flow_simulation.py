"""What flow control would do to a list of arrivals, on a clock that only arrivals and ends move."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from shared.executions.flow import Action, Arrival, Decision, FlowState, decide, ended, next_at
from shared.executions.records import Priority
from shared.workflow.flow_control import FlowControl


@dataclass(frozen=True, slots=True)
class SimulatedArrival:
    id: str
    at: datetime
    key: str = ""
    priority: Priority = Priority.NORMAL
    duration: timedelta = timedelta(seconds=1)
    """How long the execution would take that it starts; of merged ones, that of the last."""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline. `ended`, which gives room, is no decision; nor is what expressions say of an input."""

    at: datetime
    key: str
    action: Action | str
    id: str
    into: str | None = None
    until: datetime | None = None
    reason: str | None = None


@dataclass(slots=True)
class Simulation:
    """Feed it arrivals in the order of their times, or call `run`."""

    control: FlowControl
    states: dict[str, FlowState] = field(default_factory=dict)
    timeline: list[Step] = field(default_factory=list)
    _agenda: list[tuple[datetime, int, int, str, SimulatedArrival | str | None]] = field(default_factory=list)
    _durations: dict[str, timedelta] = field(default_factory=dict)
    _number: "count[int]" = field(default_factory=count)

    def run(self, arrivals: Sequence[SimulatedArrival]) -> list[Step]:
        """The whole timeline, until nothing is held, waits or runs any more."""
        for arrival in arrivals:
            self._plan(arrival.at, 1, arrival.key, arrival)
        while self._agenda:
            at, _, _, key, what = heapq.heappop(self._agenda)
            self._happen(at, key, what)
        return self.timeline

    def _plan(self, at: datetime, rank: int, key: str, what: SimulatedArrival | str | None) -> None:
        """At one moment ends come first: they make room for what arrives."""
        heapq.heappush(self._agenda, (at, rank, next(self._number), key, what))

    def _happen(self, at: datetime, key: str, what: SimulatedArrival | str | None) -> None:
        state, arrival = self.states.get(key, FlowState()), None
        if isinstance(what, str):
            state = ended(state)
            self.timeline.append(Step(at, key, "ended", what))
        elif what is not None:
            arrival = Arrival(what.id, what.priority, what.bytes)
            self._durations[what.id] = what.duration
        state, decisions = decide(self.control, state, at, arrival)
        self.states[key] = state
        for decision in decisions:
            self._note(at, key, decision)
        again = next_at(self.control, state, at)
        if again is not None:
            self._plan(again, 2, key, None)

    def _note(self, at: datetime, key: str, decision: Decision) -> None:
        self.timeline.append(Step(at, key, decision.action, decision.id, decision.into, decision.until))
        if decision.action is Action.MERGED and decision.into is not None:
            self._durations[decision.into] = self._durations[decision.id]
        if decision.action is Action.BEGUN:
            self._plan(at + self._durations[decision.id], 0, key, decision.id)
