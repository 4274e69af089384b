"""The Amazon States Language, run in one process. See `interpreter` for running, `machine` for loading."""

from statemachines.interpreter.driver import Parked
from statemachines.interpreter.interpreter import Interpreter
from statemachines.interpreter.machine import Machine

__all__ = ["Interpreter", "Machine", "Parked"]
