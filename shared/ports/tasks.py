"""The work of Task states."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TaskCall:
    """One attempt of a Task state."""

    execution_id: str
    project_id: str
    state: str
    resource: str
    """`arn:aws:states:::lambda:invoke`, …"""
    arguments: Any
    attempt: int
    """Counts from 0, as `$states.context.State.RetryCount` does."""
    task_token: str | None = None
    """Given where the state waits to be completed from outside: `.waitForTaskToken` and `.sync:2`."""


class TaskFailed(Exception):
    """A Task's work failed, as ASL sees it: an error name for `Retry` and `Catch`, and a cause in words."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class TaskRunner(Protocol):
    async def run(self, call: TaskCall) -> Any:
        """The task's result, as the resource of AWS would give it (`{"Payload": …, "StatusCode": 200}` of
        `lambda:invoke`). Raises TaskFailed. Cancellation stops the work.

        Where `call.task_token` is given, the result only says that the work was handed over; the task ends by a
        TaskCompletion of that token."""

    async def stop(self, call: TaskCall) -> None:
        """A task that waits to be completed from outside was given up: stops what can be stopped (the nested
        execution of `.sync:2`). Called at least once; never raises."""
