"""Visits: which events of a history belong together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from shared.executions.node_runs import NodeRun


@dataclass(slots=True, eq=False)
class Visit:
    """A passage through a state; with `state` None an iteration of a Map, or the whole execution.

    Events are in a visit, and visits are in one another: the states of a branch in that of the Parallel state.
    """

    parent: "Visit | None" = None
    state: str | None = None
    iteration: int | None = None
    """The innermost iteration's index."""
    scope: int = 0
    """Id of the event that began the iteration that it is in; 0 outside of Map states."""
    run: NodeRun | None = None
    """The node's run that it is part of; None for states of no node."""
    told: set[str] = field(default_factory=set)
    """Fused nodes that are known to have run in it."""
    at_work: bool = False
    """Whether the state is a Parallel or a Map that has begun with what is inside, and has not succeeded."""
    failed: bool = False
    """Of a container: whether its last attempt failed; it may still be retried or caught."""
    error: dict[str, Any] | None = None
    """Of a container: by what an iteration, or it itself, failed."""
    scheduled: bool = False
    """Whether its Task has been scheduled before."""
    inside: "dict[Visit, None]" = field(default_factory=dict)
    """Open visits directly inside, in order."""

    def enter(self, state: str) -> "Visit":
        """A new visit of `state` inside this one."""
        return self._opened(Visit(self, state, self.iteration, self.scope))

    def begin_iteration(self, index: int, event_id: int) -> "Visit":
        """A new iteration inside this one, which is of a Map state."""
        return self._opened(Visit(self, iteration=index, scope=event_id))

    def close(self) -> "Visit":
        """Ends it; the visit that it was in."""
        if self.parent is None:
            return self
        self.parent.inside.pop(self, None)
        return self.parent

    def reopen(self) -> "list[Visit]":
        """Goes on with it, and with what it is in, where that was given up; those that were not open."""
        closed = [each for each in self.upwards() if each.parent is not None and each not in each.parent.inside]
        for each in closed:
            if each.parent is not None:
                each.parent.inside[each] = None
        return closed

    def upwards(self) -> Iterator["Visit"]:
        """It, and what it is in, from the inside out."""
        step: Visit | None = self
        while step is not None:
            yield step
            step = step.parent

    def nearest(self, wanted: Callable[["Visit"], bool]) -> "Visit":
        """The innermost of `upwards` that is `wanted`; the visit itself where none is."""
        return next((each for each in self.upwards() if wanted(each)), self)

    def run_around(self) -> NodeRun | None:
        """The run of the nearest visit that is part of one, this or one around it."""
        at: Visit | None = self
        while at is not None and at.run is None:
            at = at.parent
        return at.run if at is not None else None

    def error_inside(self) -> dict[str, Any] | None:
        """The first error still in force in an open visit inside."""
        errors = (each.error or (each.run and each.run.error) or each.error_inside() for each in self.inside)
        return next((error for error in errors if error), None)

    def _opened(self, visit: "Visit") -> "Visit":
        self.inside[visit] = None
        return visit
