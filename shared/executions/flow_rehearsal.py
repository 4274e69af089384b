"""Arrivals with inputs through the expressions of flow control, and then through the simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from shared.errors import FlowExpressionFailed, InvalidParameter
from shared.executions.flow import Action
from shared.executions.flow_simulation import SimulatedArrival, Simulation, Step
from shared.executions.flow_tickets import enter
from shared.executions.start import Origin
from shared.workflow.flow_control import FlowControl


@dataclass(frozen=True, slots=True)
class RehearsedArrival:
    id: str
    at: datetime
    input: Any
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    timeline: Sequence[Step]
    summary: dict[str, Any]


def rehearse(control: FlowControl, arrivals: Sequence[RehearsedArrival]) -> Rehearsal:
    """The timeline of arrivals, ordered by their times; each goes the way of a real one.

    Raises:
        InvalidParameter: two arrivals have the same id.
    """
    ids = [each.id for each in arrivals]
    if len(set(ids)) < len(ids):
        twice = next(each for each in ids if ids.count(each) > 1)
        raise InvalidParameter(f"Two arrivals have the id '{twice}'. Give each its own, or none.")
    settings = control.model_dump(mode="json", exclude_none=True)
    simulated: list[SimulatedArrival] = []
    others: list[Step] = []
    first_of: dict[str, str] = {}
    for arrival in sorted(arrivals, key=lambda each: each.at):
        try:
            _, origin, ticket = enter(settings, arrival.input, Origin({}, ""))
        except FlowExpressionFailed as error:
            others.append(Step(arrival.at, "", "failed", arrival.id, reason=error.message))
            continue
        known = first_of.setdefault(origin.idempotency_key or f"id:{arrival.id}", arrival.id)
        if known != arrival.id:
            others.append(Step(arrival.at, ticket.key if ticket else "", "duplicate", arrival.id, known))
            continue
        duration = timedelta(seconds=arrival.duration_seconds)
        size = len(orjson.dumps(arrival.input))
        key = ticket.key if ticket else ""
        simulated.append(SimulatedArrival(arrival.id, arrival.at, key, origin.priority, duration, size))
    timeline = Simulation(control).run(simulated)
    whole = sorted([*timeline, *others], key=lambda each: each.at)
    return Rehearsal(whole, _summary(arrivals, whole))


def _summary(arrivals: Sequence[RehearsedArrival], timeline: Sequence[Step]) -> dict[str, Any]:
    counts = {action: sum(each.action == action for each in timeline) for action in {each.action for each in timeline}}
    running = most = 0
    for step in timeline:
        running += (step.action == Action.BEGUN) - (step.action == "ended")
        most = max(most, running)
    arrived = {each.id: each.at for each in arrivals}
    waits = [(each.at - arrived[each.id]).total_seconds() for each in timeline if each.action == Action.BEGUN]
    return {
        "arrivals": len(arrivals),
        "executions": counts.get(Action.BEGUN, 0),
        "merged": counts.get(Action.MERGED, 0),
        "refused": counts.get(Action.REFUSED, 0),
        "duplicates": counts.get("duplicate", 0),
        "failed": counts.get("failed", 0),
        "most_running": most,
        "longest_wait_seconds": max(waits, default=0.0),
    }
