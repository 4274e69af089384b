"""Where an execution stands: a tree of frames, one for each machine that is being walked.

Terms:
  frame    one walk through a machine: the whole execution, a branch of a Parallel, an iteration or an item of a Map
  owner    the frame whose Parallel or Map state a child frame belongs to; the whole execution's frame has none
  phase    what has happened in the frame's state so far; with the other fields it says what is next
  attempt  one try at a state: a retry or a redrive begins another
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from statemachines.interpreter.execution import Execution
from statemachines.interpreter.failure import Failure
from statemachines.interpreter.machine import Machine, State
from statemachines.interpreter.map_run import MapRun
from statemachines.interpreter.payloads import Payload


class Phase(IntEnum):
    """What has happened last; each but the blocked ones has one thing to do next."""

    START = 0
    """about to enter the state `next`"""
    ENTERED = 1
    SCHEDULED = 2
    """TaskScheduled is written"""
    RUNNING = 3
    """blocked: a task is at work, or being handed over"""
    SUCCEEDED = 4
    """the task's result is known"""
    WAITING = 5
    """blocked: until `due`"""
    BACKOFF = 6
    """blocked: until `due`, then the state is tried again"""
    CHILDREN = 7
    """blocked: branches, iterations or items are at work"""
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
    SUBMITTED = 13
    """blocked: the task was handed over, and ends by a completion from outside"""
    MAPPED = 14
    """MapStateStarted of a distributed Map is written"""
    RUN_DONE = 15
    """every item of a distributed Map has ended"""
    RUN_FAILED = 16
    """MapRunFailed is written"""


@dataclass(slots=True, eq=False)
class Frame:
    """See the module. `variables` is shared with the owner until the frame assigns one (`owned`)."""

    machine: Machine
    execution: Execution
    owner: "Frame | None" = None
    index: int = 0
    variables: dict[str, Any] = field(default_factory=dict)
    owned: bool = False
    assigned: dict[str, int] = field(default_factory=dict)
    """Bytes of each variable that the frame has assigned."""
    phase: Phase = Phase.START
    next: str | None = None
    input: Payload | None = None
    """Input of the state; once the frame is DONE, its output. None: to be worked out from the owner's."""
    last: int = 0
    """Id of the newest event of this frame's chain."""
    state: State | None = None
    entered_id: int = 0
    entered_at: datetime | None = None
    entered_text: str | None = None
    """The same as `$states.context` has it; None: not asked for yet."""
    retries: dict[int, int] = field(default_factory=dict)
    """By index of the retrier: how often it was used since the state was entered, or redriven."""
    retry_count: int = 0
    attempts: int = 0
    """Tries at the state that were made before this one, redrives included."""
    begun_at: datetime | None = None
    """When the state was redriven; None: when it was entered."""
    due: datetime | None = None
    call: Payload | None = None
    """Evaluated arguments of the task at work."""
    token: str | None = None
    """By which the task at work is completed from outside."""
    started_at: datetime | None = None
    timeout: int | None = None
    heartbeat: int | None = None
    heard_at: datetime | None = None
    """When the task was handed over, or gave its last sign of life."""
    result: Payload | None = None
    failure: Failure | None = None
    uncatchable: bool = False
    """The state failed while its failure was being caught."""
    children: "list[Frame]" = field(default_factory=list)
    """Of a distributed Map only those that are at work."""
    open: int = 0
    """Children that are not closed."""
    length: int = 0
    """Of a Map: how many iterations there will be."""
    begun: int = 0
    """Of a Map: how many iterations were started."""
    items: list[Any] | None = None
    """Of a Map: what it iterates over; None: to be worked out from its input."""
    keyed: bool = False
    """The items are members of an object, as `{"Key", "Value"}`."""
    concurrency: int = 0
    run: MapRun | None = None
    """Of a distributed Map."""
    aborts_written: int = 0
    """How many of the events that tell of a failing Parallel's or Map's end are written already."""
    lost: "list[Frame]" = field(default_factory=list)
    """While a history is read: the children of the failed attempt, as they were when it failed."""

    def assign(self, values: dict[str, Any]) -> None:
        """Sets variables in this frame's scope; the owner's keep their values."""
        if not self.owned:
            self.variables = dict(self.variables)
            self.owned = True
        self.variables.update(values)

    def child(self, machine: Machine, index: int, payload: Payload | None, last: int) -> "Frame":
        """Adds a frame for a branch or an iteration; `last` is the event that it follows."""
        frame = Frame(
            machine, self.execution, self, index, self.variables, next=machine.start, input=payload, last=last
        )
        self.children.append(frame)
        self.open += 1
        return frame

    def item(self, machine: Machine, index: int, execution: Execution) -> "Frame":
        """Adds a frame for a child execution, which shares nothing with this one."""
        frame = Frame(machine, execution, self, index, owned=True, next=machine.start, input=execution.input)
        self.children.append(frame)
        self.open += 1
        return frame

    @property
    def is_item(self) -> bool:
        """Whether it is a child execution's frame."""
        return self.owner is not None and self.owner.execution is not self.execution

    def leave(self) -> None:
        """Forgets what belonged to the state that was left."""
        self.state = None
        self.retries = {}
        self.retry_count = self.attempts = 0
        self.entered_text = self.begun_at = None
        self.failure = None
        self.uncatchable = False
        self.reset()

    def reset(self) -> None:
        """Forgets what belonged to one attempt at the state."""
        self.due = None
        self.call = None
        self.token = None
        self.result = None
        self.children = []
        self.open = self.length = self.begun = self.concurrency = self.aborts_written = 0
        self.items = None
        self.run = None
        self.lost = []


def state_of(frame: Frame) -> State:
    """The state that the frame is in; only asked for while it is in one."""
    if frame.state is None:
        raise AssertionError("the frame is between two states")
    return frame.state


def input_of(frame: Frame) -> Payload:
    """The input of the frame's state; of a frame that is done, its output."""
    if frame.input is None:
        raise AssertionError("the frame has entered no state")
    return frame.input


def owner_of(child: Frame) -> Frame:
    """The frame whose Parallel or Map the child belongs to."""
    if child.owner is None:
        raise AssertionError("the whole execution's frame has no owner")
    return child.owner


def walk(frame: Frame) -> Iterator[Frame]:
    """The frame and everything below it."""
    yield frame
    for child in frame.children:
        yield from walk(child)
