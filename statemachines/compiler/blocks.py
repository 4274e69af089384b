"""Nodes with bodies: `parallel`, and both kinds of `loop`."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from shared.workflow.definition import ForEachConfig, LoopNode, WhileConfig
from shared.workflow.expressions import source_of
from statemachines.asl.model import Machine, State
from statemachines.compiler import distributed, steps
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.exits import Exit
from statemachines.compiler.model import Graph, GraphNode
from statemachines.compiler.scope import Scope, bare, jsonata
from statemachines.compiler.trampoline import Walk
from statemachines.compiler.variables import Variables

States: TypeAlias = dict[str, State]
GraphLowering: TypeAlias = Callable[[Graph, str, State], Walk[Machine]]

FIRST_RESULT = "$states.result[0]"
LOOP_LIMIT_ERROR = "LoopLimitExceeded"


class Blocks:
    """`lower_graph` is the pass `lower` for one graph: (graph, name of its last state, last state) → its machine."""

    def __init__(self, compilation: Compilation, lower_graph: GraphLowering) -> None:
        self.compilation = compilation
        self.lower_graph = lower_graph
        self.variables = Variables(compilation)

    def emit(self, leave: Exit, scope: Scope, states: States) -> Walk[None]:
        """Adds the state of a node with bodies."""
        spec = leave.node.spec
        if not isinstance(spec, LoopNode):
            return self.parallel(leave, states)
        if isinstance(spec.config, ForEachConfig):
            return self.for_each(leave, spec.config, scope, states)
        return self.while_loop(leave, spec.config, scope, states)

    def helper(self, node: GraphNode, role: str, *, iterated: bool = False) -> str:
        """The name of one of the node's states. Inside a Map's iterations it stands for no node: the Map is the run."""
        name = f"{node.id}.{role}"
        self.compilation.states[name] = {"node": None if iterated else node.id, "role": role, "fused": []}
        return name

    def result(self, graph: Graph) -> Any:
        """A graph's result: its `output`, or its sinks' outputs by node id, skipped ones left out."""
        scope = Scope(self.compilation, graph, graph.sequence.place)
        if graph.output is not None:
            return scope.template(graph.output)
        return jsonata(f"{{{', '.join(f'{json.dumps(sink)}: {scope.value(sink)}' for sink in graph.sinks())}}}")

    def parallel(self, leave: Exit, states: States) -> Walk[None]:
        branches: list[Machine] = []
        members: list[str] = []
        for index, (name, graph) in enumerate(leave.node.bodies.items()):
            end = self.helper(leave.node, f"branch_{index + 1}.output")
            branches.append(
                (yield self.lower_graph(graph, end, {"Type": "Pass", "Output": self.result(graph), "End": True}))
            )
            members.append(f"{json.dumps(name)}: $states.result[{index}]")
        state: State = {"Type": "Parallel", "Branches": branches}
        states[leave.node.id] = leave.finish(self.retried(state, leave), jsonata(f"{{{', '.join(members)}}}"))

    def retried(self, state: State, leave: Exit) -> State:
        """Whole blocks are retried only where the author says so: their nodes already retry on their own."""
        retry = leave.node.spec.retry if leave.node.spec else None
        return {**state, "Retry": steps.retriers(retry)} if retry and retry.max_attempts > 1 else state

    def for_each(self, leave: Exit, config: ForEachConfig, scope: Scope, states: States) -> Walk[None]:
        """A Map. Each iteration first names its item and its index, which ASL hands to it as input."""
        node = leave.node
        first, end = self.helper(node, "item", iterated=True), self.helper(node, "output", iterated=True)
        body = node.bodies["body"]
        machine: Machine = yield self.lower_graph(body, end, {"Type": "Pass", "Output": self.result(body), "End": True})
        given = {
            "item": jsonata("$states.context.Map.Item.Value"),
            "index": jsonata("$states.context.Map.Item.Index"),
        }
        apart = node.id in self.compilation.distributed
        if apart:
            given["outer"] = jsonata(distributed.handed_in(scope, node))
        assign = {self.variables.free(f"{node.id}_{name}"): jsonata(f"$states.input.{name}") for name in given}
        bind: State = {"Type": "Pass", "Assign": assign, "Output": {}, "Next": machine["StartAt"]}
        machine = {"StartAt": first, "States": {first: bind, **machine["States"]}}
        if config.on_item_error == "continue":
            machine = self.forgiving(node, machine)
        state: State = {
            "Type": "Map",
            "Items": self.items(node, config, scope),
            "ItemSelector": given,
            "MaxConcurrency": config.max_concurrency,
            "ItemProcessor": {"ProcessorConfig": distributed.PROCESSOR if apart else {"Mode": "INLINE"}, **machine},
        }
        states[leave.node.id] = leave.finish(self.retried(state, leave), jsonata("$states.result"))

    def items(self, node: GraphNode, config: ForEachConfig, scope: Scope) -> Any:
        """The list; one that is longer than the author allows is an error of the expression, which can be caught."""
        items = scope.template(config.items)
        if config.max_items is None or source_of(config.items) is None:
            return items
        name, most = self.variables.free(f"{node.id}_items"), config.max_items
        problem = f"$error('the loop {node.id} takes at most {most} items, not ' & $count(${name}))"
        return jsonata(f"( ${name} := ({bare(items)}); $count(${name}) > {most} ? {problem} : ${name} )")

    def forgiving(self, node: GraphNode, machine: Machine) -> Machine:
        """An iteration whose failure becomes its result."""
        attempt, failed = self.helper(node, "try", iterated=True), self.helper(node, "item_failed", iterated=True)
        return {
            "StartAt": attempt,
            "States": {
                attempt: {
                    "Type": "Parallel",
                    "Branches": [machine],
                    "Output": jsonata(FIRST_RESULT),
                    "Catch": [steps.catcher({}, steps.CAUGHT, failed)],
                    "End": True,
                },
                failed: {"Type": "Pass", "End": True},
            },
        }

    def while_loop(self, leave: Exit, config: WhileConfig, scope: Scope, states: States) -> Walk[None]:
        """A Parallel of one branch, so that the loop has one result and can be caught, around a Choice."""
        node, body = leave.node, leave.node.bodies["body"]
        start, test, again, exceeded, done = (
            self.helper(node, role) for role in ("start", "test", "next", "exceeded", "result")
        )
        item, index = self.variables.free(f"{node.id}_item"), self.variables.free(f"{node.id}_index")
        assign = {item: self.result(body), index: jsonata(f"${index} + 1")}
        inner: Machine = yield self.lower_graph(
            body, again, {"Type": "Pass", "Assign": assign, "Output": {}, "Next": test}
        )
        condition = bare(Scope(self.compilation, body, body.sequence.place).template(config.condition))
        loop: States = {
            start: {
                "Type": "Pass",
                "Assign": {item: scope.template(config.initial), index: 0},
                "Output": {},
                "Next": test,
            },
            test: {
                "Type": "Choice",
                "Choices": [
                    {"Condition": jsonata(f"(({condition}) = true) = false"), "Next": done},
                    {"Condition": jsonata(f"${index} >= {config.max_iterations}"), "Next": exceeded},
                ],
                "Default": inner["StartAt"],
            },
            **inner["States"],
            exceeded: {
                "Type": "Fail",
                "Error": LOOP_LIMIT_ERROR,
                "Cause": f"The loop '{node.id}' has run {config.max_iterations} times and its condition still holds."
                " Raise max_iterations, or correct the condition.",
            },
            done: {"Type": "Pass", "Output": jsonata(f"${item}"), "End": True},
        }
        state: State = {"Type": "Parallel", "Branches": [{"StartAt": start, "States": loop}]}
        states[leave.node.id] = leave.finish(self.retried(state, leave), jsonata(FIRST_RESULT))
