"""Plans of stored workflows: what a version takes, and what its last executions took."""

from collections.abc import Sequence

from functions.api.deps import Deps
from shared.errors import NotFound
from shared.executions.records import HistoryEvent
from shared.workflow.definition import WorkflowDefinition
from shared.workflow.records import Workflow
from statemachines.plan import Plan, Planner, amounts_of, children_of
from statemachines.plan.amounts import Amounts

MAX_EXECUTIONS = 100
MAX_EVENTS = 20_000
"""Of all histories that one answer reads."""

_PAGES = 5
_PAGE = 200


async def plan_of(deps: Deps, workflow: Workflow, assumed_items: int | None) -> Plan:
    """The plan of the newest version. Raises NotFound where that is gone."""
    version = await deps.workflows.version(workflow.id, workflow.version)
    if version is None:
        raise NotFound(f"The workflow '{workflow.id}' has no version {workflow.version}.")
    definition = WorkflowDefinition.model_validate(version.definition)
    planner = Planner(definition, version.asl, version.source_map, assumed_items=assumed_items)
    return planner.plan(await _recorded(deps, workflow), workflow.version)


async def _recorded(deps: Deps, workflow: Workflow) -> list[Amounts]:
    """What the newest finished executions of the version took, the newest first."""
    found: list[Amounts] = []
    left = MAX_EVENTS
    for execution_id in await _finished(deps, workflow):
        histories = await _histories(deps, execution_id, left)
        left -= sum(map(len, histories))
        if left < 0:
            break
        if histories[0]:  # else it was cancelled before it began
            found.append(amounts_of(histories[0], [each for each in histories[1:] if each]))
    return found


async def _finished(deps: Deps, workflow: Workflow) -> list[str]:
    found: list[str] = []
    cursor = None
    for _ in range(_PAGES):
        page = await deps.executions.list(deps.project_id, workflow_id=workflow.id, limit=_PAGE, cursor=cursor)
        found += [each.id for each in page.items if each.status.terminal and each.version == workflow.version]
        cursor = page.next_cursor
        if cursor is None:
            break
    return found[:MAX_EXECUTIONS]


async def _histories(deps: Deps, execution_id: str, most: int) -> list[Sequence[HistoryEvent]]:
    """The history of an execution and those of its child executions, until they have more than `most` events."""
    found: list[Sequence[HistoryEvent]] = []
    waiting = [execution_id]
    while waiting and most >= 0:
        history = await deps.executions.history(waiting.pop(0), limit=most + 1)
        most -= max(1, len(history))
        found.append(history)
        waiting.extend(children_of(history))
    return found
