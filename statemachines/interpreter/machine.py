"""A state machine, ready to run: what `load` makes of an ASL document.

Terms:
  machine   a named set of states with a start: the whole document, a branch of a Parallel, the processor of a Map
  entered, exited   the types of the history events of a state
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from statemachines.interpreter.failure import RUNTIME, Failure, matches
from statemachines.interpreter.template import Template, Variables, wrong_type


@dataclass(frozen=True, slots=True)
class Retrier:
    """Which errors are tried again, how often, and after how long. Times are seconds."""

    errors: tuple[str, ...]
    interval: float
    attempts: int
    backoff: float
    max_delay: float | None
    jitter: bool

    def delay(self, retries: int) -> float:
        """Seconds before the next attempt, jitter aside, when `retries` were made already."""
        try:
            delay = self.interval * self.backoff**retries
        except OverflowError:
            delay = float("inf")
        return min(delay, self.max_delay) if self.max_delay is not None else min(delay, LONGEST_DELAY)


LONGEST_DELAY = 31_622_400.0
"""A year and a day: what a retry waits at most where it has no MaxDelaySeconds."""


@dataclass(frozen=True, slots=True)
class Catcher:
    errors: tuple[str, ...]
    next: str
    output: Template | None
    assign: Mapping[str, Template]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Choice; `field` is its condition's place, `text` its condition as written."""

    condition: Template
    text: Any
    field: str
    next: str
    output: Template | None
    assign: Mapping[str, Template]


@dataclass(frozen=True, slots=True)
class Amount:
    """A value that is written out or an expression, with its text for messages."""

    template: Template
    text: Any

    def whole(self, field: str, variables: Variables, least: int, most: int) -> int:
        """Its value, which is a whole number from `least` to `most`; `field` is its place, for messages.

        Raises:
            Failure: States.QueryEvaluationError for another type, States.Runtime for a number out of its range.
        """
        value = self.number(field, variables, least, most)
        if not isinstance(value, int):
            raise wrong_type(self.text, field, "number", value)
        return value

    def number(self, field: str, variables: Variables, least: float, most: float) -> float:
        """Its value, which is a number from `least` to `most`. Raises as `whole`."""
        value = self.template(variables)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(self.text, field, "number", value)
        if not least <= value <= most:
            raise Failure(RUNTIME, f"The field '{field}' is {value}; it must be between {least} and {most}.")
        return value


@dataclass(frozen=True, slots=True)
class Integration:
    """A Task's resource, `arn:aws:states:::lambda:invoke.waitForTaskToken` in its parts.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html
    """

    arn: str
    resource_type: str
    resource: str
    about: dict[str, str]
    """The resource, as every event of a task names it."""

    @staticmethod
    def of(arn: str, resource_type: str, resource: str) -> "Integration":
        return Integration(arn, resource_type, resource, {"resourceType": resource_type, "resource": resource})

    @property
    def called_back(self) -> bool:
        """Whether the task is given its token, and ends when somebody sends it back."""
        return self.resource.endswith(".waitForTaskToken")

    @property
    def waits(self) -> bool:
        """Whether the task is handed over first, and ends by a completion from outside."""
        return self.called_back or self.resource.endswith((".sync", ".sync:2"))


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a Map in DISTRIBUTED mode has besides. Without `max_items` and `max_bytes` there are no batches."""

    label: str | None = None
    max_items: Amount | None = None
    max_bytes: Amount | None = None
    batch_input: Template | None = None
    tolerated_count: Amount | None = None
    tolerated_percentage: Amount | None = None


@dataclass(slots=True)
class State:
    """A state of any type; fields that its type does not have are empty."""

    name: str
    type: str
    next: str | None = None
    output: Template | None = None
    assign: Mapping[str, Template] = field(default_factory=dict)
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()
    integration: Integration | None = None
    waits: bool = False
    """Of a Task: it ends by a completion from outside."""
    arguments: Template | None = None
    timeout: Amount | None = None
    heartbeat: Amount | None = None
    rules: tuple[Rule, ...] = ()
    seconds: Amount | None = None
    timestamp: Amount | None = None
    error: Amount | None = None
    cause: Amount | None = None
    branches: "tuple[Machine, ...]" = ()
    """Of a Parallel; a Map has one, its processor."""
    items: Amount | None = None
    item_selector: Template | None = None
    max_concurrency: Amount | None = None
    distribution: Distribution | None = None
    """Of a Map whose iterations are executions of their own."""
    entered: str = ""
    exited: str = ""

    def __post_init__(self) -> None:
        self.entered = f"{self.type}StateEntered"
        self.exited = f"{self.type}StateExited"

    def retrier(self, error: str) -> int | None:
        """The index of the first retrier that covers the error."""
        return next((index for index, each in enumerate(self.retriers) if matches(each.errors, error)), None)

    def catcher(self, error: str) -> Catcher | None:
        return next((each for each in self.catchers if matches(each.errors, error)), None)


@dataclass(frozen=True, slots=True)
class Machine:
    """A state machine. Immutable once loaded, so any number of executions share it."""

    start: str
    states: Mapping[str, State]
    timeout_seconds: int | None = None

    @staticmethod
    def load(asl: object) -> "Machine":
        """The machine that an ASL document (JSON as Python values) describes.

        Raises:
            InvalidDefinition: with every mistake found, each with its place (`/States/a/Next`), what is allowed and
                the fix. JSONPath definitions are mistakes: only the JSONata mode is run.
        """
        from statemachines.interpreter.load import load  # noqa: PLC0415 - the loader makes machines, so it imports this

        return load(asl)
