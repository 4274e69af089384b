"""From a trigger to what it starts."""

from shared.errors import Gone
from shared.executions.start import Origin, Startable
from shared.ports import WorkflowReader
from shared.triggers.records import Trigger


async def startable_of(workflows: WorkflowReader, trigger: Trigger) -> Startable:
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
        flow_control=(workflow.definition.get("settings") or {}).get("flow_control"),
    )


def origin_of(trigger: Trigger, key: str, **about: str) -> Origin:
    """What starts an execution by a trigger, once for each `key`; the workflow reads `about` in its `$execution`."""
    return Origin(
        trigger={"type": trigger.type.value, "id": trigger.id, **about},
        correlation_id=key,
        trigger_id=trigger.id,
        idempotency_key=key,
        fingerprint=key.encode(),
    )
