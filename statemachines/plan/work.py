"""What a Task takes besides its state: a function's call, an execution of another workflow, a model's tokens, time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from shared.workflow.definition import AgentConfig
from statemachines.asl.model import State
from statemachines.plan.amounts import CALL, EVENTS, MODEL_DOLLARS, SECONDS, START, TOKENS, Amounts

LAMBDA = "arn:aws:states:::lambda:invoke"
EXECUTION = "arn:aws:states:::states:startExecution"
_WAITING = (".waitForTaskToken", ".sync", ".sync:2")

ModelPrice = Callable[[str], float | None]
"""What a token of a model costs at most, in dollars; None where that is not known."""


@dataclass(frozen=True)
class Work:
    """`seconds`: how long one call of a function is taken to last, by its name as in `function_of`."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    model_price: ModelPrice = lambda _: None

    def of(self, state: State, *, worst: bool) -> Amounts:
        """Of one attempt at a state, without what is inside it."""
        if state["Type"] == "Wait":
            seconds = state.get("Seconds")
            return Amounts({SECONDS: seconds if isinstance(seconds, int) else inf if worst else 0})
        if state["Type"] != "Task":
            return Amounts()
        resource: str = state["Resource"]
        arguments: dict[str, Any] = state.get("Arguments", {})
        waits = resource.endswith(_WAITING)
        found = Amounts({EVENTS: 3 + waits})  # scheduled, started, (handed over,) and how it ended
        if resource.startswith(LAMBDA):
            function = function_of(arguments["FunctionName"])
            found[f"{CALL}{function}"] = 1
            found[SECONDS] = self.seconds.get(function, 0)
        elif resource.startswith(EXECUTION):
            found[f"{START}{workflow_of(arguments['StateMachineArn'])}"] = 1
        if waits and worst:
            found[SECONDS] = state.get("TimeoutSeconds", inf)
        return found

    def backoff(self, state: State) -> float:
        """Seconds that all retries of a state wait, jitter aside."""
        found = 0.0
        for retrier in state.get("Retry", []):
            delay, rate = float(retrier.get("IntervalSeconds", 1)), retrier.get("BackoffRate", 2.0)
            for _ in range(retrier.get("MaxAttempts", 3)):
                found += min(delay, retrier.get("MaxDelaySeconds", inf))
                delay = min(delay * rate, 1e9)
        return found

    def model(self, agent: AgentConfig) -> Amounts:
        """Of one run of an agent at most, as its budget says: infinity without one."""
        budget = agent.budget
        tokens = inf if budget is None or budget.tokens is None else budget.tokens
        dollars = inf if budget is None or budget.dollars is None else budget.dollars
        prices = [self.model_price(name) for name in (agent.model, *agent.fallback_models)]
        known = [price for price in prices if price is not None]
        by_tokens = tokens * max(known) if known and len(known) == len(prices) else inf
        return Amounts({TOKENS: tokens, MODEL_DOLLARS: min(dollars, by_tokens)})


def function_of(name: str) -> str:
    """`http` of `${HttpFunctionArn}`."""
    return name.removeprefix("${").removesuffix("FunctionArn}").lower()


def workflow_of(arn: str) -> str:
    """`orders` of `${StateMachineArn:orders}`."""
    return arn.removeprefix("${StateMachineArn:").removesuffix("}")
