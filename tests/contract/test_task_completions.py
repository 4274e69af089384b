"""TaskCompletions: one suite for every implementation. How a task's end gets on is in test_waiting.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.executions.records import ExecutionStatus, StatusChange, TaskCompletion
from shared.ids import new_id
from shared.ports import TaskCompletions
from shared.settings import DEFAULT_PROJECT_ID
from tests.support.stores import Stores, new_request, new_workflow, now


@dataclass(frozen=True)
class Task:
    """A task that waits to be completed, and how it has ended: `("succeeded", output)`, `("failed", error, cause)`."""

    execution_id: str
    token: str
    ended: Callable[[], Awaitable[tuple[Any, ...] | None]]
    taken_in: bool = True
    """Whether an end counts once it was submitted; an emulator may hear a second one until it has noticed the first."""

    def completion(self, kind: Any, **fields: Any) -> TaskCompletion:
        return TaskCompletion(self.execution_id, self.token, kind, now(), **fields)


@pytest.fixture
def completions(stores: Stores) -> TaskCompletions:
    return stores.completions


@pytest.fixture
async def task(stores: Stores) -> Task:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request, worker="a/1")
    change = StatusChange(ExecutionStatus.RUNNING, now())
    await stores.journal.write(request.execution_id, DEFAULT_PROJECT_ID, [], change)

    async def ended() -> tuple[Any, ...] | None:
        heard = (await stores.backlog.signals([request.execution_id], "a/1")).completions
        for each in heard:
            if each.kind != "heartbeat":
                given = (each.output,) if each.kind == "succeeded" else (each.error, each.cause)
                return (each.kind, *given)
        return None

    return Task(request.execution_id, "t-1", ended)


async def test_a_success_hands_the_output_over(completions: TaskCompletions, task: Task):
    assert await completions.submit(task.completion("succeeded", output={"text": "naïve 🙂", "n": [1, None]}))

    assert await task.ended() == ("succeeded", {"text": "naïve 🙂", "n": [1, None]})


async def test_a_failure_hands_error_and_cause_over(completions: TaskCompletions, task: Task):
    assert await completions.submit(task.completion("failed", error="NotToday", cause="because"))

    assert await task.ended() == ("failed", "NotToday", "because")


async def test_the_first_end_counts(completions: TaskCompletions, task: Task):
    first, second = task.completion("failed", error="First", cause=""), task.completion("succeeded", output=2)

    assert await completions.submit(first)
    if not task.taken_in:
        await task.ended()
    assert [await completions.submit(second) for _ in range(2)] == [False, False]

    assert await task.ended() == ("failed", "First", "")


async def test_a_heartbeat_ends_nothing_and_is_no_end(completions: TaskCompletions, task: Task):
    beats = [await completions.submit(task.completion("heartbeat")) for _ in range(2)]

    assert beats == [True, True]
    assert await completions.submit(task.completion("succeeded", output=1))
    assert await task.ended() == ("succeeded", 1)


@pytest.mark.parametrize("kind", ["succeeded", "failed", "heartbeat"])
async def test_a_task_that_nobody_waits_for_is_not_completed(completions: TaskCompletions, kind: Any):
    nobodys = TaskCompletion(new_id(), new_id(), kind, now(), output=1, error="E", cause="c")

    assert not await completions.submit(nobodys)
