"""What the REST API needs of the world."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from shared.approvals.links import ApprovalLinks
from shared.clock import Clock
from shared.errors import NotImplementedYet
from shared.executions.task_tokens import TaskTokens
from shared.ports import (
    ApprovalStore,
    BlobStore,
    ConnectionStore,
    EventBus,
    ExecutionStore,
    LiveFeed,
    SecretBox,
    StartQueue,
    TaskCompletions,
    TriggerStates,
    TriggerStore,
    WorkflowStore,
)
from shared.settings import DEFAULT_PROJECT_ID, Settings

Probe = Callable[[], Awaitable[object]]
"""Asks a store whether it answers; raises where it does not."""


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
    trigger_states: TriggerStates
    events: EventBus
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """By name (`database`, `cache`): what `/readyz` asks."""
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
        NotImplementedYet: the AWS stage is not built yet.
    """
    raise NotImplementedYet("The REST API does not run on AWS yet; it runs in the local stage: make run.")
