"""Work that takes longer than a function may, on AWS: a state machine calls one function again and again until it says
that it is done, and waits in between as long as it says. See statemachines/definitions/repeat.asl.json.

A step that is made twice, or by two machines at once, has to come to the same: claims in the database see to that.
"""

from typing import TypedDict

from pydantic import BaseModel, ConfigDict

STEP_SECONDS = 40.0
"""For how long a step goes on while there is something to do. The functions may take longer for what they then do."""

_LEAST_SECONDS, _MOST_SECONDS = 2, 60
_STEPS_WITHOUT_ROW = 5


class Step(BaseModel):
    """What the machine gives a function: whose work it is, and what the step before said."""

    model_config = ConfigDict(extra="ignore")  # the machine's own counts, too

    id: str
    project_id: str
    idle: int = 0
    """How many steps in a row came to nothing."""


class Answer(TypedDict):
    """What a function says of its step. `seconds` is how long the machine waits before the next one."""

    done: bool
    seconds: int
    idle: int


def done() -> Answer:
    """Nothing is left to do."""
    return {"done": True, "seconds": 0, "idle": 0}


def at_once() -> Answer:
    """The time of the step was up, and there is more to do."""
    return {"done": False, "seconds": 0, "idle": 0}


def later(idle: int) -> Answer:
    """Nothing can be done just now: after 2 s again, and after twice as long each time that it came to nothing, up to a
    minute. `idle` counts the steps that came to nothing before this one."""
    return {"done": False, "seconds": min(_LEAST_SECONDS << min(idle, 10), _MOST_SECONDS), "idle": idle + 1}


def without_row(idle: int) -> Answer:
    """There is no row of this id: its machine is started first, so that no row lies there that nobody works on. None
    came within a minute, longer than a request may take: its writing failed, or found an earlier one."""
    return later(idle) if idle < _STEPS_WITHOUT_ROW else done()
