"""What the REST API needs of the world."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from shared.approvals.links import ApprovalLinks
from shared.clock import Clock
from shared.executions.task_tokens import TaskTokens
from shared.ports import (
    ApprovalStore,
    BlobStore,
    ConnectionStore,
    ExecutionStore,
    LiveFeed,
    SecretBox,
    StartQueue,
    TaskCompletions,
    TriggerStore,
    WorkflowStore,
)
from shared.settings import DEFAULT_PROJECT_ID, Settings

Probe = Callable[[], Awaitable[object]]
"""Asks a store whether it answers; raises where it does not."""


class Publisher(Protocol):
    """Makes versions of workflows startable, where that takes more than storing them."""

    def resolved(self, asl: dict[str, Any]) -> str:
        """The definition as it would be published. Raises NotImplementedYet for what cannot be."""

    async def publish(self, workflow_id: str, version: int, asl: dict[str, Any]) -> None:
        """Publishes one version; again changes nothing."""


@dataclass(frozen=True, slots=True)
class Deps:
    workflows: WorkflowStore
    triggers: TriggerStore
    executions: ExecutionStore
    queue: StartQueue
    feed: LiveFeed
    secrets: SecretBox
    clock: Clock
    settings: Settings
    blobs: BlobStore
    connections: ConnectionStore
    completions: TaskCompletions
    tokens: TaskTokens
    approvals: ApprovalStore
    approval_links: ApprovalLinks
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """By name (`database`, `cache`): what `/readyz` asks."""
    publisher: Publisher | None = None
    """None where a stored version is startable at once."""
    project_id: str = DEFAULT_PROJECT_ID
    """The project of every request, until access control tells callers apart."""


async def _of_app(request: Request) -> Deps:
    deps: Deps = request.app.state.deps
    return deps


Wired = Annotated[Deps, Depends(_of_app)]
"""A route's parameter of this type is the app's Deps."""


def from_environment() -> Deps:
    """The dependencies of the Lambda.

    Raises:
        ConfigInvalid: a setting is missing or wrong.
    """
    from functions.api.aws import wire  # noqa: PLC0415 - drivers are loaded with the first request

    return wire()
