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
from shared.workflow.expressions import source_of
from statemachines.asl.model import Catcher, Retrier, Rule, State
from statemachines.compiler.reads import EXPRESSION_FIELDS
from statemachines.compiler.scope import Scope, bare, jsonata, literal

LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
FUNCTIONS = {
    "agent": "${AgentFunctionArn}",
    "tool": "${ToolFunctionArn}",
    "webhook": "${HttpFunctionArn}",
    "approval": "${ApprovalFunctionArn}",
}
"""Placeholders: publishing on AWS puts ARNs in, the local stage looks them up as they are."""

ATTEMPT = jsonata("$states.context.State.RetryCount")
TASK_OUTPUT = "$states.result.Payload.output"
CAUGHT = jsonata('{"error": {"name": $states.errorOutput.Error, "cause": $states.errorOutput.Cause}}')
"""The output of a node that failed and goes on. An object drops what is absent: not every error has a cause."""

DEFAULT_RETRY = Retry()


def task(spec: Node, scope: Scope, **more: Any) -> State:
    """A Task that calls the Lambda of the node's type with a NodeCall, which has the fields `more`, too."""
    call = node_call(spec, spec.type, evaluated(spec.config, scope), scope, **more)
    if spec.cache is not None:
        call["cache"] = {"key": as_text(spec.cache.key, scope), "ttl_seconds": spec.cache.ttl_seconds}
    return timed(spec, {**invoke(spec.type, call), **retry_of(spec, DEFAULT_RETRY)})


def invoke(kind: str, call: dict[str, Any], resource: str = LAMBDA_INVOKE) -> State:
    """A Task that hands a NodeCall to the Lambda of the node type `kind`."""
    return {"Type": "Task", "Resource": resource, "Arguments": {"FunctionName": FUNCTIONS[kind], "Payload": call}}


def node_call(spec: Node, kind: str, config: Any, scope: Scope, **more: Any) -> dict[str, Any]:
    """A NodeCall of the type `kind` on behalf of a node; see shared.workflow.node_call."""
    call = {
        "node": spec.id,
        "type": kind,
        "config": config,
        "execution": jsonata(scope.value("execution")),
        "attempt": ATTEMPT,
    }
    if indices := scope.loop_indices():
        call["iteration"] = jsonata(f"[{', '.join(indices)}]")
    return call | more


def timed(spec: Node, state: State) -> State:
    """A Task with the node's time-out, which bounds each attempt."""
    return state if spec.timeout_seconds is None else {**state, "TimeoutSeconds": spec.timeout_seconds}


def retry_of(spec: Node, otherwise: Retry | None = None) -> State:
    """The field `Retry`: as the author says, or `otherwise`; nothing where nothing is tried again."""
    wanted = spec.retry or otherwise
    found = retriers(wanted) if wanted else []
    return {"Retry": found} if found else {}


def as_text(value: str, scope: Scope) -> str:
    """An evaluated text; an expression that gives a number or an object is made one."""
    found = str(scope.template(value))
    return jsonata(f"$string({bare(found)})") if source_of(value) is not None else found


def evaluated(config: Any, scope: Scope) -> dict[str, Any]:
    """The whole config, defaults included, so that a later version's defaults cannot change a published workflow."""
    dynamic = [field.split(".") for field in EXPRESSION_FIELDS[type(config)]]
    found: dict[str, Any] = _evaluated(config.model_dump(mode="json"), dynamic, scope)
    return found


def _evaluated(value: Any, dynamic: list[list[str]], scope: Scope) -> Any:
    if [] in dynamic:
        return scope.template(value)
    if isinstance(value, dict):
        return {key: _evaluated(item, _below(dynamic, key), scope) for key, item in value.items()}
    if isinstance(value, list):
        return [_evaluated(item, _below(dynamic, "[]"), scope) for item in value]
    return literal(value)


def _below(dynamic: list[list[str]], name: str) -> list[list[str]]:
    return [rest for first, *rest in dynamic if first == name]


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
