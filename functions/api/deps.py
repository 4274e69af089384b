"""What the REST API needs of the world."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request

from shared.approvals.links import ApprovalLinks
from shared.clock import Clock
from shared.errors import MillraceError, NotImplementedYet
from shared.executions.task_tokens import TaskTokens
from shared.identity.principal import Principal
from shared.identity.signing_in import Access
from shared.ports import (
    ApprovalStore,
    BlobStore,
    BulkRuns,
    Circuits,
    ConnectionStore,
    ExecutionStore,
    LiveFeed,
    SecretBox,
    StartQueue,
    TaskCompletions,
    TaskRunner,
    TriggerStates,
    TriggerStore,
    WorkflowStore,
)
from shared.ports.audit import AuditLog
from shared.ports.events import DeadLetters, EventArchive, EventBus, EventReplays
from shared.ports.limits import RateLimits
from shared.ports.oidc import OidcProviders
from shared.settings import Settings

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
    archive: EventArchive
    replays: EventReplays
    dead_letters: DeadLetters
    circuits: Circuits
    bulk_runs: BulkRuns
    access: Access
    audit: AuditLog
    limits: RateLimits
    oidc: OidcProviders
    runner: TaskRunner
    """Calls the functions of nodes, for what is not part of an execution."""
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """By name (`database`, `cache`): what `/readyz` asks."""
    principal: Principal | None = None
    """Who makes this request; None where a route is public."""

    @property
    def project_id(self) -> str:
        """The project of this request. A public route has none: that one asks is a mistake of ours."""
        if self.principal is None:
            raise MillraceError("A public route asks for the caller's project.")
        return self.principal.project_id


async def _of_request(request: Request) -> Deps:
    deps: Deps = request.app.state.deps
    return replace(deps, principal=getattr(request.state, "principal", None))


Wired = Annotated[Deps, Depends(_of_request)]
"""A route's parameter of this type is the app's Deps, with who calls."""


def from_environment() -> Deps:
    """The dependencies of the Lambda.

    Raises:
        NotImplementedYet: the AWS stage is not built yet.
    """
    raise NotImplementedYet("The REST API does not run on AWS yet; it runs in the local stage: make run.")
