"""WorkflowReader on PostgreSQL, without SQLAlchemy: Lambdas that start executions have it."""

from typing import Any

from shared.adapters.postgres.rows import row
from shared.adapters.postgres.session import Database
from shared.ids import is_id
from shared.ports import WorkflowReader
from shared.workflow.records import Workflow, WorkflowStatus, WorkflowVersion

_GET = "SELECT * FROM workflows WHERE project_id = %s AND id = %s"
_FIND = "SELECT * FROM workflows WHERE project_id = %s AND name = %s AND status <> 'deleted'"
_VERSION = "SELECT * FROM workflow_versions WHERE workflow_id = %s AND version = %s"


class PostgresWorkflowReader(WorkflowReader):
    """Workflows and their versions, as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, project_id: str, workflow_id: str) -> Workflow | None:
        """The workflow, deleted ones included."""
        return await self._one(_GET, project_id, workflow_id) if is_id(workflow_id) else None

    async def find(self, project_id: str, name: str) -> Workflow | None:
        """The workflow of this name that is not deleted."""
        return None if "\0" in name else await self._one(_FIND, project_id, name)

    async def version(self, workflow_id: str, version: int) -> WorkflowVersion | None:
        """One compiled version, whatever the project."""
        async with self._database.transaction() as connection:
            found = await row(connection, _VERSION, (workflow_id, version))
        return None if found is None else _version(found)

    async def _one(self, query: str, project_id: str, key: str) -> Workflow | None:
        async with self._database.transaction() as connection:
            found = await row(connection, query, (project_id, key))
        return None if found is None else workflow_of(found)


def workflow_of(found: Any) -> Workflow:
    """From a row of workflows."""
    return Workflow(
        id=str(found.id),
        project_id=str(found.project_id),
        name=found.name,
        description=found.description,
        status=WorkflowStatus(found.status),
        definition=found.definition,
        version=found.version,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def _version(found: Any) -> WorkflowVersion:
    return WorkflowVersion(
        workflow_id=str(found.workflow_id),
        project_id=str(found.project_id),
        version=found.version,
        definition=found.definition,
        asl=found.asl,
        source_map=found.source_map,
        digest=found.digest,
        created_at=found.created_at,
    )
