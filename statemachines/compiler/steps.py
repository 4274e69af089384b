"""The state of one node: which fields its type gives it, and what it leaves behind.

Every function is pure: node and scope in, ASL out. How states are joined is the pass `lower`'s business.
"""

import json
from typing import Any

from shared.errors import retryable_error_names
from shared.workflow.definition import (
    ConditionConfig,
    DelayConfig,
    Node,
    Retry,
)
from statemachines.asl.model import Catcher, Retrier, Rule, State
from statemachines.compiler.reads import EXPRESSION_FIELDS
from statemachines.compiler.scope import Scope, bare, jsonata, literal

LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTIONS = {"agent": "${AgentFunctionArn}", "tool": "${ToolFunctionArn}", "webhook": "${HttpFunctionArn}"}
"""Placeholders: publishing on AWS puts ARNs in, the local stage looks them up as they are."""

EXECUTION = jsonata("$states.context.Execution.Input.execution")
ATTEMPT = jsonata("$states.context.State.RetryCount")
TASK_OUTPUT = "$states.result.Payload.output"
CAUGHT = jsonata('{"error": {"name": $states.errorOutput.Error, "cause": $states.errorOutput.Cause}}')
"""The output of a node that failed and goes on. An object drops what is absent: not every error has a cause."""

DEFAULT_RETRY = Retry()


def task(spec: Node, scope: Scope) -> State:
    """A Task that calls the Lambda of the node's type with a NodeCall."""
    state: State = {
        "Type": "Task",
        "Resource": LAMBDA_INVOKE,
        "Arguments": {
            "FunctionName": FUNCTIONS[spec.type],
            "Payload": {
                "node": spec.id,
                "type": spec.type,
                "config": _config(spec.config, scope),
                "execution": EXECUTION,
                "attempt": ATTEMPT,
            },
        },
    }
    if indices := scope.loop_indices():
        state["Arguments"]["Payload"]["iteration"] = jsonata(f"[{', '.join(indices)}]")
    if spec.timeout_seconds is not None:
        state["TimeoutSeconds"] = spec.timeout_seconds
    if retry := retriers(spec.retry or DEFAULT_RETRY):
        state["Retry"] = retry
    return state


def _config(config: Any, scope: Scope) -> dict[str, Any]:
    """The whole config, defaults included, so that a later version's defaults cannot change a published workflow."""
    dynamic = EXPRESSION_FIELDS[type(config)]
    return {
        field: (scope.template if field in dynamic else literal)(value)
        for field, value in config.model_dump(mode="json").items()
    }


def retriers(retry: Retry) -> list[Retrier]:
    """`max_attempts` counts the first attempt, ASL does not."""
    if retry.max_attempts == 1:
        return []
    retrier: Retrier = {
        "ErrorEquals": list(retry.errors or retryable_error_names()),
        "IntervalSeconds": retry.interval_seconds,
        "MaxAttempts": retry.max_attempts - 1,
        "BackoffRate": retry.backoff_rate,
        "JitterStrategy": "FULL" if retry.jitter else "NONE",
    }
    if retry.max_delay_seconds is not None:
        retrier["MaxDelaySeconds"] = retry.max_delay_seconds
    return [retrier]


def catcher(assign: dict[str, Any], output: Any, next_state: str) -> Catcher:
    """Takes every error that can be caught."""
    found: Catcher = {"ErrorEquals": ["States.ALL"], "Output": output, "Next": next_state}
    return {**found, "Assign": assign} if assign else found


def wait(config: DelayConfig, scope: Scope) -> State:
    """A Wait for a number of seconds, or until a time."""
    if config.until is not None:
        return {"Type": "Wait", "Timestamp": scope.template(config.until)}
    return {"Type": "Wait", "Seconds": scope.template(config.seconds)}


def rules(config: ConditionConfig, scope: Scope) -> list[tuple[str, Rule]]:
    """(case, rule) in order. `= true` makes an absent value a case that is not taken; ASL alone would fail on it."""
    found: list[tuple[str, Rule]] = []
    for case in config.cases:
        source = bare(str(scope.template(case.when)))
        found.append((case.case, {"Condition": jsonata(f"({source}) = true")}))
    return found


def chosen_case(config: ConditionConfig, scope: Scope) -> str:
    """The same choice as one expression, for a condition whose failure is caught: a Choice state cannot catch."""
    text = (
        json.dumps(config.default)
        if config.default is not None
        else "$error('no case matches, and there is no default')"
    )
    for case, rule in reversed(rules(config, scope)):
        condition = bare(rule["Condition"])
        text = f"{condition} ? {json.dumps(case)} : ({text})"
    return jsonata(f'{{"case": {text}}}')
