"""What the REST API needs of the world."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from shared.approvals.links import ApprovalLinks
from shared.clock import Clock
from shared.errors import MillraceError
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
from shared.ports.samples import WebhookSamples
from shared.settings import Settings

Probe = Callable[[], Awaitable[object]]
"""Asks a store whether it answers; raises where it does not."""


@dataclass(frozen=True, slots=True)
class Callee:
    """The version of a workflow that another one runs."""

    workflow_id: str
    version: int


class Publisher(Protocol):
    """Makes versions of workflows startable, where that takes more than storing them."""

    async def reserve(self, version: int, *, express: bool) -> Any:
        """A turn to publish with. Raises PublishingBusy where it is too far off."""

    async def publish(
        self,
        workflow_id: str,
        version: int,
        asl: dict[str, Any],
        callees: Mapping[str, Callee],
        turn: Any = None,
        *,
        express: bool,
    ) -> None:
        """Publishes one version, which runs the `callees` by their names; again changes nothing. Without a turn it
        takes one."""


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
    samples: WebhookSamples
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
    publisher: Publisher | None = None
    """None where a stored version is startable at once."""
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
        ConfigInvalid: a setting is missing or wrong.
    """
    from functions.api.aws import wire  # noqa: PLC0415 - drivers, which handler.py preloads

    return wire()
