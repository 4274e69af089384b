"""Where an execution stands: a tree of frames, one for each machine that is being walked.

Terms:
  frame    one walk through a machine: the whole execution, a branch of a Parallel, an iteration of a Map
  owner    the frame whose Parallel or Map state a child frame belongs to; the whole execution's frame has none
  phase    what has happened in the frame's state so far; with the other fields it says what is next
  payload  a JSON value and its text, which is written once and used for every event that holds the value
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple

from statemachines.interpreter.failure import Failure
from statemachines.interpreter.machine import Machine, State


class Phase(IntEnum):
    """What has happened last; each but the blocked ones has one thing to do next."""

    START = 0
    """about to enter the state `next`"""
    ENTERED = 1
    SCHEDULED = 2
    """TaskScheduled is written"""
    RUNNING = 3
    """blocked: a task is at work"""
    SUCCEEDED = 4
    """the task's result is known"""
    WAITING = 5
    """blocked: until `due`"""
    BACKOFF = 6
    """blocked: until `due`, then the state is tried again"""
    CHILDREN = 7
    """blocked: branches or iterations are at work"""
    JOIN = 8
    """all children are done"""
    JOINED = 9
    """…StateSucceeded of the Parallel or Map is written"""
    FAILED = 10
    """the state failed and is not tried again: caught, or handed to the owner"""
    DONE = 11
    """the last state has exited"""
    CLOSED = 12
    """blocked for good: the owner knows the result, or the frame was given up"""


class Payload(NamedTuple):
    value: Any
    text: str


@dataclass(slots=True, eq=False)
class Frame:
    """See the module. `variables` is shared with the owner until the frame assigns one (`owned`)."""

    machine: Machine
    owner: "Frame | None" = None
    index: int = 0
    variables: dict[str, Any] = field(default_factory=dict)
    owned: bool = False
    phase: Phase = Phase.START
    next: str | None = None
    input: Payload | None = None
    """Input of the state; once the frame is DONE, its output. None: to be worked out from the owner's."""
    last: int = 0
    """Id of the newest event of this frame's chain."""
    state: State | None = None
    entered_id: int = 0
    entered_at: datetime | None = None
    retries: dict[int, int] = field(default_factory=dict)
    """By index of the retrier: how often it was used since the state was entered."""
    retry_count: int = 0
    due: datetime | None = None
    call: Payload | None = None
    """Evaluated arguments of the task at work."""
    timeout: int | None = None
    result: Payload | None = None
    failure: Failure | None = None
    uncatchable: bool = False
    """The state failed while its failure was being caught."""
    children: "list[Frame]" = field(default_factory=list)
    open: int = 0
    """Children that are not closed."""
    length: int = 0
    """Of a Map: how many iterations there will be."""
    begun: int = 0
    """Of a Map: how many iterations were started."""
    items: list[Any] | None = None
    """Of a Map: what it iterates over; None: to be worked out from its input."""
    concurrency: int = 0
    aborts_written: int = 0
    """How many of the events that tell of a failing Parallel's or Map's end are written already."""

    def assign(self, values: dict[str, Any]) -> None:
        """Sets variables in this frame's scope; the owner's keep their values."""
        if not self.owned:
            self.variables = dict(self.variables)
            self.owned = True
        self.variables.update(values)

    def child(self, machine: Machine, index: int, payload: Payload | None, last: int) -> "Frame":
        """Adds a frame for a branch or an iteration; `last` is the event that it follows."""
        frame = Frame(machine, self, index, self.variables, next=machine.start, input=payload, last=last)
        self.children.append(frame)
        self.open += 1
        return frame

    def leave(self) -> None:
        """Forgets what belonged to the state that was left."""
        self.state = None
        self.retries = {}
        self.retry_count = 0
        self.failure = None
        self.uncatchable = False
        self.reset()

    def reset(self) -> None:
        """Forgets what belonged to one attempt at the state."""
        self.due = None
        self.call = None
        self.result = None
        self.children = []
        self.open = self.length = self.begun = self.concurrency = self.aborts_written = 0
        self.items = None


def state_of(frame: Frame) -> State:
    """The state that the frame is in; only asked for while it is in one."""
    if frame.state is None:
        raise AssertionError("the frame is between two states")
    return frame.state


def walk(frame: Frame) -> Iterator[Frame]:
    """The frame and everything below it."""
    yield frame
    for child in frame.children:
        yield from walk(child)
