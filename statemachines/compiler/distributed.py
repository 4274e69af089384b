"""Loops whose iterations are executions of their own (a Map in DISTRIBUTED mode).

Such an iteration sees nothing of the execution that began it: no variable, and another `Execution.Input`. So the Map's
ItemSelector hands in what the body reads from outside, as the object `outer`; the iteration's first state assigns it to
the variable `<loop>_outer`, and expressions in the body read its members:

    outside  $input, $classify, the index of a loop around this one
    inside   $each_outer.input, $each_outer.classify, $each_outer.rows_index

What is absent outside is no member, and so is absent inside, too. Outputs that nobody in the body reads are not handed
in. A distributed loop inside another one hands on what it was handed.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html, "Variable scope"
"""

import json
from typing import TYPE_CHECKING

from shared.workflow.expressions import expressions_in
from statemachines.asl.model import ProcessorConfig
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Graph, GraphNode
from statemachines.compiler.reads import names_in, node_expressions
from statemachines.compiler.variables import Variables

if TYPE_CHECKING:
    from statemachines.compiler.scope import Scope

PROCESSOR: ProcessorConfig = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
"""Express iterations would cost less and may run twice; a durable workflow promises that finished work does not."""


def border(compilation: Compilation, graph: Graph, name: str) -> GraphNode | None:
    """The innermost distributed loop around `graph`, where what `name` stands for is outside of it: a node's output,
    `input`, `execution`, or a loop's index by the loop's id."""
    if not compilation.distributed or name in ("item", "index"):
        return None
    home = compilation.nodes[name].graph if name in compilation.nodes else None
    step: Graph | None = graph
    while step is not None and step is not home:
        if step.owner is not None and step.owner.id in compilation.distributed:
            return None if step.owner.id == name else step.owner
        step = step.owner.graph if step.owner else None
    return None


def variable(variables: Variables, loop: GraphNode) -> str:
    """The variable, inside, of what is handed in."""
    return variables.free(f"{loop.id}_outer")


def member(variables: Variables, loop: GraphNode, name: str) -> str:
    """The expression, inside the loop, for what is called `name` outside."""
    return f"${variable(variables, loop)}.{variables.step(name)}"


def handed_in(scope: "Scope", loop: GraphNode) -> str:
    """A JSONata object of all that the loop's body reads from outside; `scope` is that of the loop itself."""
    body = loop.bodies["body"]
    members = {name: scope.value(name) for name in sorted(_names(scope.compilation, body))} | scope.indices()
    return f"{{{', '.join(f'{json.dumps(name)}: {value}' for name, value in members.items())}}}"


def _names(compilation: Compilation, body: Graph) -> set[str]:
    """`execution` is always among them: every NodeCall carries it."""
    found = {"execution"}
    for graph in body.all_graphs():
        for node in graph.nodes.values():
            for _, source in node_expressions(node):
                found |= names_in(source)
        for _, source in expressions_in(graph.output):
            found |= names_in(source)
    return {name for name in found if name not in ("item", "index") and not _own(compilation, body, name)}


def _own(compilation: Compilation, body: Graph, name: str) -> bool:
    graph = compilation.nodes[name].graph if name in compilation.nodes else None
    while graph is not None and graph is not body:
        graph = graph.owner.graph if graph.owner else None
    return graph is body
