"""Running another workflow: a Task that starts an execution of it, and waits for its output or not.

Which state machine a name stands for is not known when compiling: `${StateMachineArn:<name>}`, `${WorkflowId:<name>}`
and `${WorkflowVersion:<name>}` are filled in when publishing (AWS) or looked up when the Task runs (locally).
Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
"""

import json
from typing import Any

from shared.workflow.definition import Node, SubworkflowNode
from statemachines.asl.model import State
from statemachines.compiler import steps
from statemachines.compiler.exits import Exit
from statemachines.compiler.scope import Scope, bare, jsonata

START = "arn:aws:states:::states:startExecution"
START_AND_WAIT = f"{START}.sync:2"
OUTPUT = "$states.result.Output"


def subworkflow(leave: Exit, spec: SubworkflowNode, scope: Scope) -> State:
    """The state of a node of type `workflow`.

    It is tried again only where the author says so: the nodes of the other workflow retry on their own, and a second
    execution does all of its work anew, under an id of its own.
    """
    config = spec.config
    child = child_id(spec, scope)
    state = start(spec, config.workflow, scope.template(config.input), child, scope, wait=config.wait)
    output = jsonata(OUTPUT) if config.wait else {"execution_id": jsonata(child)}
    return leave.finish({**state, **steps.retry_of(spec)}, output)


def start(spec: Node, workflow: str, value: Any, child: str, scope: Scope, *, wait: bool) -> State:
    """A Task that starts `workflow` with the input `value` as the execution `child` (a JSONata expression)."""
    parent = scope.value("execution")
    execution = {
        "id": jsonata(child),
        "project_id": jsonata(f"{parent}.project_id"),
        "workflow_id": f"${{WorkflowId:{workflow}}}",
        "workflow": workflow,
        "version": f"${{WorkflowVersion:{workflow}}}",
        "correlation_id": jsonata(f"{parent}.correlation_id"),
        "trigger": {"type": "workflow", "parent": {"execution_id": jsonata(f"{parent}.id"), "node": spec.id}},
    }
    arguments = {
        "StateMachineArn": f"${{StateMachineArn:{workflow}}}",
        "Name": jsonata(child),
        "Input": {"input": value, "execution": execution},
    }
    return steps.timed(spec, {"Type": "Task", "Resource": START_AND_WAIT if wait else START, "Arguments": arguments})


def child_id(spec: Node, scope: Scope, step: str = "''") -> str:
    """A JSONata expression for the id of an execution that a node starts: a UUID of version 7 (RFC 9562 §5.7) with the
    time of its parent's and bits that are the same whenever the same attempt at the same step is evaluated.

    `step` is a JSONata expression. A redrive counts as an attempt: the name of an execution cannot be used twice.
    """
    parent = f"{scope.value('execution')}.id"
    attempts = [bare(steps.ATTEMPT), "$states.context.Execution.RedriveCount"]
    parts = [parent, json.dumps(spec.id), *scope.loop_indices(), step, *attempts]
    bits = [("7", 0, 3), ("-8", 3, 3), ("-", 6, 12)]
    digits = " & ".join(f"'{before}' & $substring($bits, {first}, {count})" for before, first, count in bits)
    text = " & '/' & ".join(parts)
    return f"( $bits := $hash({text}, 'SHA-256'); $substring({parent}, 0, 14) & {digits} )"
