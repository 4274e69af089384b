"""Nodes as states: what a node's type makes of it. Nodes with bodies are in `blocks`."""

import json

from shared.workflow.definition import (
    AgentNode,
    ApprovalNode,
    ConditionNode,
    DelayNode,
    LoopNode,
    ParallelNode,
    SubworkflowNode,
    TransformNode,
)
from statemachines.asl.model import Rule, State
from statemachines.compiler import agents, approvals, steps, subworkflows
from statemachines.compiler.blocks import FIRST_RESULT, Blocks, GraphLowering, States
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.exits import Exit, catches
from statemachines.compiler.model import ERROR, GraphNode, Outcome, Step, case_outcome
from statemachines.compiler.scope import Scope, jsonata
from statemachines.compiler.trampoline import Walk


class NodeStates:
    """Emits the states of nodes, and names them in the source map."""

    def __init__(self, compilation: Compilation, graph: GraphLowering) -> None:
        self.compilation = compilation
        self.blocks = Blocks(compilation, graph)

    def emit(self, step: Step, routes: dict[Outcome, str], after: str | None, states: States) -> Walk[str]:
        """Adds the states of one node and returns the name of the first."""
        leave = Exit(self.compilation, step, routes, after)
        node, spec = leave.node, leave.node.spec
        scope = Scope(self.compilation, node.graph, step.place)
        self.main(node)
        if isinstance(spec, ConditionNode):
            self.condition(leave, spec, scope, states)
        elif isinstance(spec, TransformNode):
            self.transform(leave, spec, scope, states)
        elif isinstance(spec, DelayNode):
            self.delay(leave, spec, scope, states)
        elif isinstance(spec, LoopNode | ParallelNode):
            yield self.blocks.emit(leave, scope, states)
        elif isinstance(spec, AgentNode):
            agents.agent(self.blocks, leave, spec, scope, states)
        elif isinstance(spec, ApprovalNode):
            approvals.approval(self.blocks, leave, spec, scope, states)
        elif isinstance(spec, SubworkflowNode):
            states[node.id] = subworkflows.subworkflow(leave, spec, scope)
        elif spec is not None:
            states[node.id] = leave.finish(steps.task(spec, scope), jsonata(steps.TASK_OUTPUT))
        return node.id

    def leads_on(self, node: str) -> bool:
        """Whether the node's state needs a next one, and so cannot be the last of a branch."""
        found = self.compilation.nodes[node]
        return catches(found) or isinstance(found.spec, ConditionNode)

    def main(self, node: GraphNode) -> None:
        self.compilation.states[node.id] = {"node": node.id, "role": "main", "fused": []}

    def transform(self, leave: Exit, spec: TransformNode, scope: Scope, states: States) -> None:
        output = scope.template(spec.config.output)
        if leave.catches:
            work: State = {"Type": "Pass", "Output": output, "End": True}
            self.caught(leave, work, states)
        else:
            states[spec.id] = leave.finish({"Type": "Pass"}, output)

    def delay(self, leave: Exit, spec: DelayNode, scope: Scope, states: States) -> None:
        state = steps.wait(spec.config, scope)
        if leave.catches:
            self.caught(leave, {**state, "Output": {}, "End": True}, states)
        else:
            states[spec.id] = leave.finish(state, {})

    def caught(self, leave: Exit, work: State, states: States) -> None:
        """Pass, Wait and Choice cannot catch: a Parallel of one branch does it for them."""
        name = self.blocks.helper(leave.node, "work")
        state: State = {"Type": "Parallel", "Branches": [{"StartAt": name, "States": {name: work}}]}
        states[leave.node.id] = leave.finish(state, jsonata(FIRST_RESULT))

    def condition(self, leave: Exit, spec: ConditionNode, scope: Scope, states: States) -> None:
        if leave.has_error_edge:
            self.caught_condition(leave, spec, scope, states)
            return
        choices: list[Rule] = []
        for case, rule in steps.rules(spec.config, scope):
            choices.append({**rule, **self.way(leave, case)})
        state: State = {"Type": "Choice", "Choices": choices}
        if spec.config.default is not None:
            way = self.way(leave, spec.config.default)
            state |= {"Default": way["Next"], "Assign": way["Assign"]}
        states[spec.id] = state

    def way(self, leave: Exit, case: str) -> Rule:
        return {"Next": str(leave.next(case_outcome(case))), "Assign": leave.assign({"case": case}, keep=True)}

    def caught_condition(self, leave: Exit, spec: ConditionNode, scope: Scope, states: States) -> None:
        """First the case, in a Parallel that catches; then the way, by a Choice on the case."""
        work = self.blocks.helper(leave.node, "work")
        choose = self.blocks.helper(leave.node, "choose")
        cases = dict.fromkeys([case.case for case in spec.config.cases])
        if spec.config.default is not None:
            cases[spec.config.default] = None
        choices: list[Rule] = [
            {
                "Condition": jsonata(f"${leave.variable}.case = {json.dumps(case)}"),
                "Next": str(leave.next(case_outcome(case))),
            }
            for case in cases
        ]
        default = choices.pop()["Next"]
        if choices:
            states[choose] = {"Type": "Choice", "Choices": choices, "Default": default}
        pass_: State = {"Type": "Pass", "Output": steps.chosen_case(spec.config, scope), "End": True}
        states[spec.id] = {
            "Type": "Parallel",
            "Branches": [{"StartAt": work, "States": {work: pass_}}],
            "Assign": leave.assign(jsonata(FIRST_RESULT), keep=True),
            "Output": {},
            "Catch": [steps.catcher(leave.assign(steps.CAUGHT, failed=True, keep=True), {}, str(leave.next(ERROR)))],
            "Next": choose if choices else default,
        }
