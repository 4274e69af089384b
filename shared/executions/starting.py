"""Starting an execution of another workflow on behalf of a running one, at most once however often it is asked."""

from dataclasses import dataclass
from typing import Any

from shared.clock import Clock
from shared.errors import NodeConfigInvalid, NodeStoreUnavailable, QueueFull, StoreUnavailable
from shared.executions.records import StartRequest
from shared.ids import derived_id
from shared.ports import StartQueue, WorkflowReader
from shared.workflow.node_call import NodeCall
from shared.workflow.records import WorkflowStatus


@dataclass(frozen=True, slots=True)
class WorkflowStarts:
    """Starts the newest version of workflows of the same project."""

    workflows: WorkflowReader
    queue: StartQueue
    clock: Clock

    async def start(self, call: NodeCall, name: str, given: Any) -> str:
        """The id of the execution, which is the same for every attempt of the call.

        Raises:
            NodeConfigInvalid: the project has no such workflow.
            NodeStoreUnavailable: the execution cannot be taken in now.
        """
        execution = call.execution
        try:
            workflow = await self.workflows.find(execution.project_id, name)
            if workflow is None or workflow.status is WorkflowStatus.DELETED:
                raise NodeConfigInvalid(f"This project has no workflow '{name}'.", workflow=name)
            request = StartRequest(
                execution_id=derived_id(execution.id, call.idempotency_key),
                project_id=execution.project_id,
                workflow_id=workflow.id,
                version=workflow.version,
                input=given,
                context={
                    "trigger": {"type": "workflow", "parent": {"execution_id": execution.id, "node": call.node}},
                    "correlation_id": execution.correlation_id,
                },
                created_at=self.clock.now(),
            )
            await self.queue.submit(request)
        except (StoreUnavailable, QueueFull) as error:
            raise NodeStoreUnavailable(f"The workflow '{name}' cannot be started now: {error.message}") from None
        return request.execution_id
