"""From a workflow definition to Amazon States Language, in ordered passes; see DESIGN §4 and each pass's docstring."""

from statemachines.compiler.compile import PASSES, compile_workflow
from statemachines.compiler.passes.emit import CompiledWorkflow

__all__ = ["PASSES", "CompiledWorkflow", "compile_workflow"]
