"""Which workflows a definition runs, as they are when it is published."""

import re
from typing import Any

import orjson

from functions.api.deps import Callee, Deps
from shared.errors import InvalidParameter
from shared.workflow.records import Workflow, WorkflowStatus

_NAMED = re.compile(r"\$\{StateMachineArn:([^}]*)\}")


async def callees(deps: Deps, workflow: Workflow, asl: dict[str, Any]) -> dict[str, Callee]:
    """By name; the workflow itself among them where it runs itself.

    Raises:
        InvalidParameter: the project has no such workflow.
    """
    found: dict[str, Callee] = {}
    for name in set(_NAMED.findall(orjson.dumps(asl).decode())):
        other = workflow if name == workflow.name else await deps.workflows.find(workflow.project_id, name)
        if other is None or other.status is WorkflowStatus.DELETED:
            raise InvalidParameter(
                f"The workflow runs '{name}', and this project has no workflow of that name. On AWS it has to be there "
                "when the one that runs it is published. Create it first."
            )
        found[name] = Callee(other.id, other.version)
    return found
