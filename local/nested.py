"""Starts the executions of nested workflows: `states:startExecution` and `.sync:2` on the local stage.

Sources: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html,
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

import asyncio
import re
from typing import Any

from shared.clock import Clock
from shared.errors import QueueFull, StoreUnavailable
from shared.executions.records import StartRequest
from shared.ids import is_id
from shared.ports import ExecutionStore, StartQueue, TaskCall, TaskFailed, WorkflowStore
from shared.workflow.records import WorkflowStatus

START = "arn:aws:states:::states:startExecution"
START_AND_WAIT = "arn:aws:states:::states:startExecution.sync:2"

_PAUSE_SECONDS = 1.0
_MACHINE = re.compile(r"\$\{StateMachineArn:(?P<name>.+)\}")


class NestedExecutions:
    """A nested execution has the id that its parent gives it, so starting it again does nothing."""

    def __init__(self, workflows: WorkflowStore, executions: ExecutionStore, queue: StartQueue, clock: Clock) -> None:
        self._workflows = workflows
        self._executions = executions
        self._queue = queue
        self._clock = clock

    async def start(self, call: TaskCall) -> Any:
        """Starts the newest version of the workflow that the call names; what StartExecution answers.

        Raises:
            TaskFailed: there is no such workflow, or the queue is full.
        """
        name = self._name(call)
        workflow = await self._workflows.find(call.project_id, name)
        if workflow is None or workflow.status is WorkflowStatus.DELETED:
            raise TaskFailed(
                "StepFunctions.StateMachineDoesNotExistException", f"This project has no workflow '{name}'."
            )
        child = str(call.arguments.get("Name", ""))
        if not is_id(child):
            raise TaskFailed("StepFunctions.InvalidNameException", f"'{child[:100]}' is not the id of an execution.")
        given = call.arguments.get("Input") or {}
        about = given.get("execution") or {}
        request = StartRequest(
            execution_id=child,
            project_id=call.project_id,
            workflow_id=workflow.id,
            version=workflow.version,
            input=given.get("input"),
            context={
                "trigger": about.get("trigger") or {"type": "workflow"},
                "correlation_id": about.get("correlation_id") or call.execution_id,
                "parent": self._parent(call),
            },
            created_at=self._clock.now(),
        )
        await self._submit(request)
        arn = f"arn:aws:states:local:000000000000:execution:{name}:{child}"
        return {"ExecutionArn": arn, "StartDate": int(request.created_at.timestamp() * 1000)}

    async def _submit(self, request: StartRequest) -> None:
        """While the database cannot be reached the task only takes longer, as all of the execution does."""
        while True:
            try:
                await self._queue.submit(request)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE_SECONDS)
            except QueueFull as error:
                raise TaskFailed("StepFunctions.ExecutionLimitExceeded", error.message) from None
            else:
                return

    async def stop(self, call: TaskCall) -> None:
        """Cancels the execution that the call started and waits for."""
        child = str(call.arguments.get("Name", ""))
        if call.resource == START_AND_WAIT and is_id(child):
            await self._executions.request_cancel(call.project_id, child, self._clock.now())

    @staticmethod
    def _parent(call: TaskCall) -> dict[str, Any]:
        parent: dict[str, Any] = {"execution_id": call.execution_id}
        if call.resource == START_AND_WAIT:
            parent |= {"token": call.task_token, "wait": True}
        return parent

    @staticmethod
    def _name(call: TaskCall) -> str:
        arn = str(call.arguments.get("StateMachineArn", ""))
        found = _MACHINE.fullmatch(arn)
        if found is None:
            raise TaskFailed("StepFunctions.InvalidArn", f"'{arn[:200]}' names no workflow of this project.")
        return found["name"]
