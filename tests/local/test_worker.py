"""The worker over real stores."""

import asyncio
from dataclasses import replace
from typing import Any

from local.machines import Machines
from local.worker import Worker
from shared.clock import SystemClock
from shared.executions.records import ExecutionStatus
from shared.ports import TaskCall
from shared.settings import DEFAULT_PROJECT_ID
from statemachines.interpreter import Interpreter
from tests.support.stores import Stores, new_request, new_version, new_workflow, now

CALL = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "f", "Payload": {}},
    "End": True,
}


class CountingRunner:
    def __init__(self) -> None:
        self.calls = 0

    async def run(self, call: TaskCall) -> Any:
        self.calls += 1
        return {"Payload": {"output": 1}}


async def test_a_cancel_that_came_before_a_restart_starts_no_task(stores: Stores) -> None:
    workflow, _ = new_workflow()
    machine = {"QueryLanguage": "JSONata", "StartAt": "call", "States": {"call": CALL}}
    await stores.workflows.create(workflow, replace(new_version(workflow), asl=machine))
    cancelled, kept = new_request(workflow), new_request(workflow)
    for request in (cancelled, kept):
        await stores.queue.submit(request, worker="local/1")  # and then that worker's process died
    await stores.executions.request_cancel(workflow.project_id, cancelled.execution_id, now())

    runner = CountingRunner()
    worker = Worker(
        name="local/2",
        interpreter=Interpreter(journal=stores.journal, runner=runner, clock=SystemClock()),
        backlog=stores.backlog,
        admission=stores.admission,
        journal=stores.journal,
        machines=Machines(stores.workflows),
        clock=SystemClock(),
    )
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(20):
            ends = [await ended(stores, request.execution_id) for request in (cancelled, kept)]
    finally:
        running.cancel()
        await worker.stop()
    assert ends == [ExecutionStatus.CANCELLED, ExecutionStatus.SUCCEEDED]
    assert runner.calls == 1


async def ended(stores: Stores, execution_id: str) -> ExecutionStatus:
    async for _ in stores.feed.watch(execution_id):
        found = await stores.executions.get(DEFAULT_PROJECT_ID, execution_id)
        if found is not None and found.status.terminal:
            return found.status
    raise AssertionError("the feed ended")
