"""Workflows, and what starts them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.ports.common import Page
from shared.triggers.records import Trigger, WebhookRegistration, WebhookTarget
from shared.workflow.records import Workflow, WorkflowStatus, WorkflowVersion


class WorkflowReader(Protocol):
    async def get(self, project_id: str, workflow_id: str) -> Workflow | None:
        """The workflow, deleted ones included."""

    async def find(self, project_id: str, name: str) -> Workflow | None:
        """The workflow of this name that is not deleted."""

    async def version(self, workflow_id: str, version: int) -> WorkflowVersion | None:
        """One compiled version. Not filtered by project: the interpreter asks for what a start request named."""


class WorkflowStore(WorkflowReader, Protocol):
    async def create(self, workflow: Workflow, version: WorkflowVersion) -> None:
        """Keeps a new workflow with its version 1. Raises NameTaken."""

    async def list(
        self, project_id: str, *, status: WorkflowStatus | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[Workflow]:
        """Newest first; deleted ones only when asked for. Raises InvalidParameter for a bad cursor."""

    async def update(self, workflow: Workflow, version: WorkflowVersion | None) -> None:
        """Stores the fields of `workflow` except its status, and adds `version` in the same transaction.

        Raises NameTaken, and Conflict where it was changed or deleted since it was read."""

    async def set_status(self, project_id: str, workflow_id: str, status: WorkflowStatus, at: datetime) -> None:
        """Moves a workflow to `status`. Raises Conflict where it was deleted meanwhile."""


class TriggerStore(Protocol):
    async def create(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None:
        """Keeps both in one transaction. Raises Conflict where the webhook's path is taken."""

    async def get(self, project_id: str, trigger_id: str) -> Trigger | None: ...

    async def list(self, project_id: str, workflow_id: str) -> Sequence[Trigger]: ...

    async def update(self, trigger: Trigger, webhook: WebhookRegistration | None) -> None: ...

    async def delete(self, project_id: str, trigger_id: str) -> None: ...

    async def webhooks(
        self, project_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WebhookRegistration]: ...

    async def webhook_of(self, project_id: str, trigger_id: str) -> WebhookRegistration | None: ...

    async def target(self, path: str) -> WebhookTarget | None:
        """What a delivery to `path` would start, deleted and paused workflows included; one indexed query."""
