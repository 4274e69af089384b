"""Asking a person: a Task that hands out a token and waits until somebody completes it.

The token goes into the NodeCall; who decides is the approval Lambda's to know. A completed token's output is the node's
output: `{approved, by, at, comment, form}`.

Before:  approval `sign` with escalate_after_seconds 3600, timeout_seconds 86400
After:   "sign": Parallel of one branch: "sign.ask": Task, 3600 s → (States.Timeout) "sign.escalated": Task, 82800 s

Nobody's answer is asked for twice unless the author says so: there is no `Retry` by default. There is no heartbeat
either: a person sends none.
Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token
"""

from typing import Any

from shared.workflow.definition import ApprovalNode
from statemachines.asl.model import State
from statemachines.compiler import steps
from statemachines.compiler.blocks import FIRST_RESULT, Blocks, States
from statemachines.compiler.exits import Exit
from statemachines.compiler.scope import Scope, jsonata

WAIT_FOR_TOKEN = f"{steps.LAMBDA_INVOKE}.waitForTaskToken"
TOKEN = jsonata("$states.context.Task.Token")
DECISION = "$states.result"


def approval(blocks: Blocks, leave: Exit, spec: ApprovalNode, scope: Scope, states: States) -> None:
    """Adds the state of a node of type `approval`; its time-out is the time that there is for an answer."""
    retry = steps.retry_of(spec)
    if spec.config.escalate_after_seconds is None:
        state = steps.timed(spec, ask(steps.node_call(spec, "approval", steps.evaluated(spec.config, scope), scope)))
        states[spec.id] = leave.finish({**state, **retry}, jsonata(DECISION))
    else:
        branch = _escalating(blocks, leave, spec, scope, spec.config.escalate_after_seconds)
        states[spec.id] = leave.finish({"Type": "Parallel", "Branches": [branch], **retry}, jsonata(FIRST_RESULT))


def ask(call: dict[str, Any]) -> State:
    """A Task that waits for the decision on an approval's NodeCall."""
    return steps.invoke("approval", {**call, "task_token": TOKEN}, WAIT_FOR_TOKEN)


def _escalating(blocks: Blocks, leave: Exit, spec: ApprovalNode, scope: Scope, after: int) -> Any:
    """Two Tasks: who was asked first loses the token when the time is over, and others get one of their own.

    In a Parallel, so that a failure of either is the node's, and a retry begins with the first.
    """
    first, second = blocks.helper(leave.node, "ask"), blocks.helper(leave.node, "escalated")
    config = steps.evaluated(spec.config, scope)
    others = {**config, "approvers": config["escalate_to"], "escalate_after_seconds": None, "escalate_to": []}
    call = steps.node_call(spec, "approval", config, scope)
    again = steps.node_call(spec, "approval", others, scope, step="escalated")
    rest = {} if spec.timeout_seconds is None else {"TimeoutSeconds": spec.timeout_seconds - after}
    answer: State = {"Output": jsonata(DECISION), "End": True}
    states: States = {
        first: {
            **ask(call),
            "TimeoutSeconds": after,
            **answer,
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Output": {}, "Next": second}],
        },
        second: {**ask(again), **rest, **answer},  # type: ignore[typeddict-item]  # TimeoutSeconds is a number
    }
    return {"StartAt": first, "States": states}
