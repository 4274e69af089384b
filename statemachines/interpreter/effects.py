"""What an engine asks of whoever drives it."""

from dataclasses import dataclass
from typing import TypeAlias

from statemachines.interpreter.frame import Frame


@dataclass(frozen=True, slots=True)
class RunTask:
    """Call the frame's task, and tell the engine what came of it."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Await:
    """The frame's task was handed over: tell the engine of its completion, or when `due_of` has come."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Sleep:
    """Tell the engine when `frame.due` has come."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Stop:
    """Give up what was begun for the frame."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class LoadRun:
    """Read the ledger of the frame's Map Run, and hand it to the engine."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class LoadItem:
    """Read the history of an item that may have begun before, and hand it to the engine."""

    frame: Frame
    index: int


Effect: TypeAlias = RunTask | Await | Sleep | Stop | LoadRun | LoadItem
