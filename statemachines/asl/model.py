"""The Amazon States Language as far as compiled workflows use it, in JSONata mode.

Source: https://states-language.net/spec.html and https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from typing import Any, Literal, TypeAlias, TypedDict

Template: TypeAlias = Any
"""JSON whose strings `{% … %}` are evaluated when the state runs."""


class Retrier(TypedDict, total=False):
    ErrorEquals: list[str]
    IntervalSeconds: int
    MaxAttempts: int
    """Retries, so attempts without the first one."""
    BackoffRate: float
    MaxDelaySeconds: int
    JitterStrategy: Literal["FULL", "NONE"]


class Catcher(TypedDict, total=False):
    ErrorEquals: list[str]
    Assign: dict[str, Template]
    Output: Template
    Next: str


class Rule(TypedDict, total=False):
    """A Choice's rule; `Assign` and `Output` take the place of the state's own."""

    Comment: str
    Condition: str
    Assign: dict[str, Template]
    Output: Template
    Next: str


class State(TypedDict, total=False):
    """A state. Which fields it may have depends on `Type`."""

    Type: Literal["Task", "Pass", "Choice", "Wait", "Parallel", "Map", "Succeed", "Fail"]
    Comment: str
    Resource: str
    Arguments: Template
    TimeoutSeconds: int
    Retry: list[Retrier]
    Catch: list[Catcher]
    Choices: list[Rule]
    Default: str
    Seconds: int | str
    Timestamp: str
    Branches: "list[Machine]"
    Items: Template
    ItemSelector: Template
    ItemProcessor: "Machine"
    MaxConcurrency: int
    Error: str
    Cause: str
    Assign: dict[str, Template]
    Output: Template
    Next: str
    End: Literal[True]


class ProcessorConfig(TypedDict, total=False):
    Mode: Literal["INLINE", "DISTRIBUTED"]
    ExecutionType: Literal["STANDARD", "EXPRESS"]
    """Of a DISTRIBUTED one."""


class Machine(TypedDict, total=False):
    """A state machine, a branch of a Parallel or the processor of a Map."""

    Comment: str
    QueryLanguage: Literal["JSONata"]
    TimeoutSeconds: int
    ProcessorConfig: ProcessorConfig
    StartAt: str
    States: dict[str, State]
