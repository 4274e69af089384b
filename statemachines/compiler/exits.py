"""How a node's state is left: where to on each outcome, and what it leaves behind in variables."""

from typing import Any

from statemachines.asl.model import Catcher, State
from statemachines.compiler import steps
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import DONE, ERROR, GraphNode, Outcome, Step, Variable
from statemachines.compiler.variables import Variables


class Exit:
    """Where a step's state goes on each outcome (None: it ends the branch), and what it leaves there."""

    def __init__(self, compilation: Compilation, step: Step, routes: dict[Outcome, str], after: str | None) -> None:
        self.step = step
        self.node: GraphNode = compilation.nodes[step.node]
        self.routes = routes
        self.after = after
        self._kept = after is not None and Variable(step.node) in compilation.kept
        names = Variables(compilation)
        self.variable = names.name(Variable(step.node))
        flag = Variable(step.node, flag=True)
        self._flag = names.name(flag) if flag in compilation.kept else None

    def next(self, outcome: Outcome) -> str | None:
        return self.routes.get(outcome, self.after)

    def assign(self, output: Any, *, failed: bool = False, keep: bool | None = None) -> dict[str, Any]:
        """The node's variables and, if this state is a switch, the absence of what the other ways hold."""
        assigned: dict[str, Any] = {self.variable: output} if (self._kept if keep is None else keep) else {}
        if self._flag is not None:
            assigned[self._flag] = failed
        return self.step.switch.absent | assigned

    def output(self, output: Any) -> Any:
        """A state's output is the node's unless a variable already holds it: payloads are paid for twice otherwise."""
        return {} if self._kept else output

    def finish(self, state: State, output: Any) -> State:
        """`state` with its results, its catchers and its way on."""
        if assigned := self.assign(output):
            state["Assign"] = assigned
        state["Output"] = self.output(output)
        if catch := self.catch():
            state["Catch"] = catch
        target = self.next(DONE)
        return {**state, "End": True} if target is None else {**state, "Next": target}

    def catch(self) -> list[Catcher]:
        if not self.catches:
            return []
        target = self.next(ERROR if self.has_error_edge else DONE)
        assigned = self.assign(steps.CAUGHT, failed=True)
        return [steps.catcher(assigned, self.output(steps.CAUGHT), str(target))]

    @property
    def has_error_edge(self) -> bool:
        return ERROR in self.node.graph.outcomes[self.node.id]

    @property
    def catches(self) -> bool:
        return catches(self.node)


def catches(node: GraphNode) -> bool:
    """Whether a failure of the node leads on."""
    return ERROR in node.graph.outcomes[node.id] or (node.spec is not None and node.spec.on_error == "continue")
