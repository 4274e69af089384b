"""What an engine asks of whoever drives it."""

from dataclasses import dataclass
from typing import TypeAlias

from statemachines.interpreter.frame import Frame


@dataclass(frozen=True, slots=True)
class RunTask:
    """Call the frame's task, and tell the engine what came of it."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Sleep:
    """Tell the engine when `frame.due` has come."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up what was begun for the frame."""

    frame: Frame


Effect: TypeAlias = RunTask | Sleep | Stop


@dataclass(frozen=True, slots=True)
class About:
    """What expressions may read of the execution itself."""

    execution_id: str
    workflow_name: str
