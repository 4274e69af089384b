"""From a trigger to what it starts."""

from shared.errors import Gone
from shared.executions.start import Startable
from shared.ports import WorkflowStore
from shared.triggers.records import Trigger


async def startable_of(workflows: WorkflowStore, trigger: Trigger) -> Startable:
    """The workflow that the trigger belongs to, in its newest version; deleted and paused ones included.

    Raises:
        Gone: there is nothing left of it.
    """
    workflow = await workflows.get(trigger.project_id, trigger.workflow_id)
    if workflow is None:
        raise Gone(f"The workflow {trigger.workflow_id} of the trigger {trigger.id} is gone; nothing starts it.")
    return Startable(
        project_id=workflow.project_id,
        workflow_id=workflow.id,
        name=workflow.name,
        status=workflow.status,
        version=workflow.version,
        input_schema=workflow.definition.get("input_schema"),
    )
