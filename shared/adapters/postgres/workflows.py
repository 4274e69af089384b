"""WorkflowStore on PostgreSQL."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.postgres.cursor import decode_cursor, page
from shared.adapters.postgres.engine import Pooled, transaction
from shared.adapters.postgres.tables import workflow_versions, workflows
from shared.adapters.postgres.workflow_reader import PostgresWorkflowReader, workflow_of
from shared.errors import Conflict, NameTaken
from shared.ports import Page, WorkflowStore
from shared.workflow.records import Workflow, WorkflowStatus, WorkflowVersion


class PostgresWorkflows(WorkflowStore):
    """Workflows and their versions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reader = PostgresWorkflowReader(Pooled(engine))

    async def create(self, workflow: Workflow, version: WorkflowVersion) -> None:
        """Keeps a new workflow with its first version. Raises NameTaken."""
        try:
            async with transaction(self._engine) as connection:
                await connection.execute(insert(workflows).values(asdict(workflow)))
                await _add_version(connection, version)
        except IntegrityError as error:
            raise _translated(error, workflow.name) from None

    async def get(self, project_id: str, workflow_id: str) -> Workflow | None:
        """The workflow, deleted ones included."""
        return await self._reader.get(project_id, workflow_id)

    async def find(self, project_id: str, name: str) -> Workflow | None:
        """The workflow of this name that is not deleted."""
        return await self._reader.find(project_id, name)

    async def list(
        self, project_id: str, *, status: WorkflowStatus | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Workflow]:
        """Newest first; deleted ones only when asked for. Raises InvalidParameter for a bad cursor."""
        wanted = workflows.c.status != WorkflowStatus.DELETED.value
        if status is not None:
            wanted = workflows.c.status == status.value
        query = select(workflows).where(workflows.c.project_id == project_id, wanted)
        if cursor is not None:
            query = query.where(workflows.c.id < decode_cursor(cursor))
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(query.order_by(workflows.c.id.desc()).limit(limit + 1))).all()
        return page(rows, limit, workflow_of)

    async def update(self, workflow: Workflow, version: WorkflowVersion | None) -> None:
        """Stores the fields of `workflow` except its status, and adds `version` in the same transaction.

        Raises:
            NameTaken: another workflow of the project has the name.
            Conflict: it was changed or deleted since it was read.
        """
        values = {name: value for name, value in asdict(workflow).items() if name != "status"}
        before = workflow.version - (version is not None)
        unchanged = and_(workflows.c.version == before, workflows.c.status != WorkflowStatus.DELETED.value)
        change = update(workflows).where(_key(workflow.project_id, workflow.id), unchanged).values(values)
        try:
            async with transaction(self._engine) as connection:
                if (await connection.execute(change)).rowcount == 0:
                    words = "was changed or deleted meanwhile. Read it, and send yours again."
                    raise Conflict(f"The workflow '{workflow.name}' {words}")
                if version is not None:
                    await _add_version(connection, version)
        except IntegrityError as error:
            raise _translated(error, workflow.name) from None

    async def set_status(self, project_id: str, workflow_id: str, status: WorkflowStatus, at: datetime) -> None:
        """Moves a workflow to `status`. Raises Conflict where it was deleted meanwhile: that is for good."""
        there = and_(_key(project_id, workflow_id), workflows.c.status != WorkflowStatus.DELETED.value)
        change = update(workflows).where(there).values(status=status.value, updated_at=at)
        async with transaction(self._engine) as connection:
            if (await connection.execute(change)).rowcount == 0:
                raise Conflict(f"The workflow {workflow_id} was deleted meanwhile; nothing was changed.")

    async def version(self, workflow_id: str, version: int) -> WorkflowVersion | None:
        """One compiled version, whatever the project."""
        return await self._reader.version(workflow_id, version)


async def _add_version(connection: AsyncConnection, version: WorkflowVersion) -> None:
    settings = version.definition.get("settings") or {}
    derived = {
        "input_schema": version.definition.get("input_schema"),
        "mode": settings.get("mode", "durable"),
        "max_concurrency": settings.get("max_concurrency"),
        "flow_control": settings.get("flow_control"),
    }
    await connection.execute(insert(workflow_versions).values({**asdict(version), **derived}))


def _key(project_id: str, workflow_id: str) -> ColumnElement[bool]:
    return and_(workflows.c.project_id == project_id, workflows.c.id == workflow_id)


def _translated(error: IntegrityError, name: str) -> Exception:
    if "uq_workflows_project_id_name" not in str(error.orig):
        return error
    return NameTaken(
        f"Another workflow of this project is named '{name}'. Choose another name, or update that one.", name=name
    )
