"""How a state fails: an error name for `Retry` and `Catch`, and a cause in words.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from collections.abc import Iterable

ALL = "States.ALL"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
EXCEED_TOLERATED_FAILURES = "States.ExceedToleratedFailureThreshold"
EXCEEDED = "The specified tolerated failure threshold was exceeded"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"


class Failure(Exception):
    """A state fails. `location` is the field whose expression failed, where that is why; `cause` None means none.

    A Fail state need not name its error: `error` is then empty. `covered_as` is the name that `ErrorEquals` knows it
    by, where the history has another one: a missed heartbeat is recorded as States.Timeout.
    """

    def __init__(
        self, error: str, cause: str | None = None, *, location: str | None = None, covered_as: str | None = None
    ) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.location = location
        self.covered_as = covered_as or error
        self.untold = False
        """No event of the history says it yet."""

    def details(self) -> dict[str, str]:
        """As the details of a history event have it: what there is none of is left out."""
        found = {"error": self.error} if self.error else {}
        return found if self.cause is None else {**found, "cause": self.cause}


def matches(names: Iterable[str], error: str) -> bool:
    """Whether an `ErrorEquals` list covers an error.

    States.Runtime is never covered, and States.DataLimitExceeded only by its own name. States.TaskFailed stands for
    every error but a time-out; States.Timeout stands for a missed heartbeat too.
    """
    if error == RUNTIME:
        return False
    return any(_covers(name, error) for name in names)


def _covers(name: str, error: str) -> bool:
    if name == error:
        return True
    if name == ALL:
        return error != DATA_LIMIT_EXCEEDED
    if name == TASK_FAILED:
        return error not in (TIMEOUT, HEARTBEAT_TIMEOUT, DATA_LIMIT_EXCEEDED)
    return name == TIMEOUT and error == HEARTBEAT_TIMEOUT
