"""A plan, as the API and `millrace plan --json` give it. Dollars are of one execution; None: nothing bounds it."""

from pydantic import BaseModel, Field

from statemachines.plan.prices import Assumptions, Price

Count = int | float
"""Whole for a path, a mean for recorded runs."""


class Dollars(BaseModel):
    """For one execution, at the list's prices; free tiers are left out."""

    step_functions: float | None
    lambdas: float | None = Field(description="Invocations and GB-seconds.")
    models: float | None = Field(description="Tokens of language models, where their price is known.")
    total: float | None


class Spend(BaseModel):
    """What one execution takes."""

    transitions: Count | None = Field(description="Billed ones: every state entered, every retry, and the start.")
    lambda_calls: dict[str, Count | None] = Field(description="By function: agent, http, tool, approval.")
    gb_seconds: float | None
    executions: dict[str, Count | None] = Field(
        description="Of other workflows that are started, by name. What they take is in their own plans."
    )
    events: Count | None = Field(description="In the execution's own history; 25,000 is the limit of a standard one.")
    tokens: Count | None
    seconds: float | None = Field(description="From start to end: assumed durations, waits, and pauses before retries.")
    dollars: Dollars


class Expected(BaseModel):
    """The mean of recorded executions."""

    executions: int = Field(description="How many were counted.")
    spend: Spend


class FusedState(BaseModel):
    """A state that does the work of several nodes."""

    state: str
    nodes: list[str]


class Barrier(BaseModel):
    """A state that makes nodes wait for others that do not lead to them, or whose branches ask whether they run."""

    state: str
    of: list[str] = Field(description="The nodes that it runs side by side.")
    waiting: list[str] = Field(description="Nodes that wait for all of these, though only some lead to them.")
    gates: list[str] = Field(description="States that ask whether a branch runs.")
    transitions: int = Field(description="What the barrier itself is billed: its own state and its helpers.")


class Plan(BaseModel):
    """What an execution of a workflow takes at least, at most, and, where some ran, on average."""

    workflow: str
    version: int | None = None
    mode: str
    region: str
    best: Spend = Field(description="The least of everything: nothing fails, lists are empty, ways are short.")
    worst: Spend = Field(description="The most of everything: all bounds reached, every retry used.")
    worst_without_retries: Spend
    expected: Expected | None = None
    child_events: dict[str, int | None] = Field(
        description="By distributed loop: the most events in the history of one item's own execution."
    )
    unbounded: list[str] = Field(description="States that iterate over a list of any length.")
    fused: list[FusedState]
    barriers: list[Barrier]
    notes: list[str] = Field(description="The above in words.")
    assumptions: Assumptions
    prices: dict[str, Price]
