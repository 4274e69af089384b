"""Prices and assumptions: data, in prices.json. Free tiers and volume discounts are left out: they are the account's.

What is billed, https://aws.amazon.com/step-functions/pricing/ (standard): "a state transition each time a step of your
workflow is executed", "including retries"; one more is counted for the start, so that the estimate is not too low.
Express: each start, and the duration, rounded up to 100 ms, in chunks of 64 MB. https://aws.amazon.com/lambda/pricing/:
each invocation, and its duration times the configured memory.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from math import ceil

from pydantic import BaseModel

from statemachines.plan.amounts import SECONDS, TRANSITIONS, Amounts


class Price(BaseModel):
    """One item of a price list."""

    usd: float
    unit: str
    as_of: date
    source: str


class Function(BaseModel):
    """How a Lambda function is configured, and how long one call of it is taken to last."""

    memory_mb: int
    seconds: float


class Assumptions(BaseModel):
    """What no definition says."""

    express_memory_mb: int
    functions: dict[str, Function]
    """By node type's function: agent, http, tool, approval."""


class Prices(BaseModel):
    """A price list of one region, and what is assumed."""

    currency: str
    region: str
    transitions_at_start: int
    items: dict[str, Price]
    assumptions: Assumptions

    def usd(self, item: str) -> float:
        return self.items[item].usd

    def seconds(self) -> dict[str, float]:
        """Of one call, by function."""
        return {name: each.seconds for name, each in self.assumptions.functions.items()}

    def gb_seconds(self, calls: Mapping[str, float], busy: Mapping[str, float]) -> float:
        """Of all calls of functions: as long as they were `busy`, else as long as is assumed."""
        return sum(
            (busy[name] if name in busy else count * self.function(name).seconds) * self.function(name).memory_mb / 1024
            for name, count in calls.items()
        )

    def lambdas(self, calls: float, gb_seconds: float) -> float:
        """Dollars."""
        return calls * self.usd("lambda_request") + gb_seconds * self.usd("lambda_gb_second")

    def step_functions(self, amounts: Amounts, mode: str) -> float:
        """Dollars."""
        if mode != "express":
            return (amounts[TRANSITIONS] - 1 + self.transitions_at_start) * self.usd("transition")
        seconds = ceil(round(amounts.get(SECONDS, 0) * 10, 6)) / 10  # 0.1 + 0.2 is a little more than 0.3
        gb_seconds = seconds * ceil(self.assumptions.express_memory_mb / 64) * 64 / 1024
        return self.usd("express_request") + gb_seconds * self.usd("express_gb_second")

    def function(self, name: str) -> Function:
        """One that is not in the list is taken to be as the largest that is."""
        known = self.assumptions.functions
        return known.get(name) or max(known.values(), key=lambda each: each.memory_mb * each.seconds)


@cache
def price_list() -> Prices:
    """The list that comes with Millrace."""
    return Prices.model_validate_json((files("statemachines.plan") / "prices.json").read_text())
