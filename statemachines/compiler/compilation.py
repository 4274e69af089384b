"""The state that passes hand on."""

from dataclasses import dataclass, field
from typing import Any

from shared.errors import Diagnostic
from shared.workflow.definition import WorkflowSettings
from statemachines.asl.model import Machine
from statemachines.compiler.model import Graph, GraphNode, Step, Variable

MAX_DIAGNOSTICS = 200
"""An answer ends after so many."""


class TooManyMistakes(Exception):
    """Ends the search; never leaves the compiler."""


@dataclass(eq=False)
class Compilation:
    """One compilation. Passes fill in what later ones read; a pass that finds mistakes adds diagnostics."""

    document: Any
    diagnostics: list[Diagnostic] = field(default_factory=list)
    errors: int = 0
    settings: WorkflowSettings = field(default_factory=WorkflowSettings)
    name: str = "workflow"
    graph: Graph = field(default_factory=lambda: Graph("", None))
    nodes: dict[str, GraphNode] = field(default_factory=dict)
    """Every node of every graph; ids are unique in the whole workflow."""
    forks: int = 0
    steps: dict[str, Step] = field(default_factory=dict)
    """Node id → its Step."""
    kept: set[Variable] = field(default_factory=set)
    """Variables that somebody reads."""
    optional: set[Variable] = field(default_factory=set)
    """Variables that hold SKIPPED where their node was passed by."""
    members: dict[str, str] = field(default_factory=dict)
    """By variable: `<other>.<variable>`, where it is a member of another one's object instead."""
    distributed: set[str] = field(default_factory=set)
    """Loops whose iterations are executions of their own."""
    asl: Machine = field(default_factory=Machine)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The source map's part for states."""

    def add(self, found: Diagnostic) -> None:
        """Keeps a diagnostic; of warnings, the first MAX_DIAGNOSTICS.

        Raises:
            TooManyMistakes: there are so many that more would help nobody, and finding them would take long.
        """
        if found.severity == "error":
            self.diagnostics.append(found)
            self.errors += 1
            if self.errors >= MAX_DIAGNOSTICS:
                raise TooManyMistakes
        elif len(self.diagnostics) - self.errors < MAX_DIAGNOSTICS:
            self.diagnostics.append(found)

    def error(self, code: str, path: str, message: str, **more: Any) -> None:
        self.add(Diagnostic(code, path, message, **more))

    def warn(self, code: str, path: str, message: str, **more: Any) -> None:
        self.add(Diagnostic(code, path, message, severity="warning", **more))

    @property
    def failed(self) -> bool:
        return self.errors > 0
