"""Every error Millrace raises on purpose, in one tree.

MillraceError
├── RequestError                  the caller can mend it
│   ├── MalformedRequest          the body is not what its content type says
│   ├── RequestTooLarge           a size limit at the door
│   ├── Unauthenticated           no valid proof of who is calling
│   │   └── SignatureInvalid      a webhook delivery whose signature does not verify
│   ├── PermissionMissing         the caller is known and may not do this
│   ├── AddressNotAllowed         the caller's address is not on the webhook's allow-list
│   ├── NotFound                  no such resource in this project
│   │   └── WebhookNotFound       no webhook is registered at this path
│   ├── Gone                      it existed and was deleted
│   ├── Conflict                  the resource's state does not allow it
│   │   ├── WorkflowInactive      the workflow is a draft or paused
│   │   ├── TriggerInactive       the trigger is switched off
│   │   ├── ApprovalClosed        it was decided before, or nobody waits for the decision any more
│   │   ├── NameTaken             another workflow of the project has this name
│   │   └── IdempotencyMismatch   the key was used before with another request
│   ├── TooManyRequests           (retryable) a limit of how much is taken in
│   │   ├── PublishingBusy        (retryable) Step Functions makes no more machines for now
│   │   └── QueueFull             (retryable) as many executions wait as the queue may hold
│   │       └── QuotaUsedUp       (retryable) as many executions started today as the project may
│   ├── FlowRateLimited           (retryable) the workflow's own rate limit refuses an arrival
│   ├── FlowExpressionFailed      an expression of flow control says nothing about this input
│   ├── InvalidDefinition         a workflow that cannot be published; carries diagnostics
│   ├── InvalidPattern            an event pattern that cannot be; carries diagnostics
│   ├── InvalidInput              an input that breaks the workflow's input_schema; carries diagnostics
│   ├── InvalidParameter          a query parameter, header or field out of its range
│   ├── LoopSuspected             executions start one another by events, too often in a row
│   ├── TaskTokenInvalid          no task token of ours: forged, cut short, or signed by another key
│   └── NotImplementedYet         designed, not built
├── NodeError                     a node's work failed; its class name is the error name in ASL
│   ├── DestinationUnreachable    (retryable) no connection, or it broke
│   ├── DestinationTimeout        (retryable) no answer in time
│   ├── DestinationRateLimited    (retryable) the other side said 429
│   ├── DestinationServerError    (retryable) the other side said 5xx
│   ├── DestinationRefused        the other side said 4xx
│   ├── AddressBlocked            the address is not public and not on the allow-list
│   ├── ResponseTooLarge          more bytes than the node may take in
│   ├── CircuitOpen               (retryable) the destination failed so often that it is left alone for a while
│   ├── NodeStoreUnavailable      (retryable) a store that the node stands on did not answer
│   ├── OutputTooLarge            more than the node may hand on
│   ├── ConnectionUnusable        the connection is unknown, of another kind, or cannot be authorised
│   ├── ModelUnavailable          (retryable) the model provider failed or is overloaded
│   ├── ModelRefused              the provider rejected the call (key, model name, policy)
│   ├── BudgetExceeded            the next model call could exceed the agent's budget
│   ├── ModelQuotaUsedUp          the project's tokens or dollars of the day are used up
│   ├── TurnsExceeded             the agent has no answer after its last turn
│   ├── RecordingMissing          the run to replay has no such turn of the agent
│   ├── OutputInvalid             the model's output does not match output_schema
│   ├── NodeConfigInvalid         an evaluated config value is not allowed
│   └── NodeBug                   the node's code failed; nothing an author can mend
└── PlatformError                 Millrace itself, or a store it stands on, failed
    ├── StoreUnavailable          (retryable) database or cache cannot be reached
    │   └── Throttled             (retryable) a service takes no more calls of this kind for now
    ├── LeaseLost                 another worker has taken the execution up
    └── ConfigInvalid             a setting is wrong

Every class has a stable `code`, which clients may match on, and `retryable`, from which the compiler derives ASL
`Retry` lists. Which HTTP status a class becomes is written once, in shared/adapters/asgi/problems.py.

A message says what happened, to which value, what is allowed, and how to mend it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a definition or an input: where it is, what it is, and how to mend it.

    `path` is a JSON path from the root of the document (`nodes[2].config.cases[0].when`); `node` is the id of the node
    that it belongs to, where there is one; `position` counts characters from the start of an expression.
    """

    code: str
    path: str
    message: str
    node: str | None = None
    value: Any = None
    allowed: Any = None
    fix: str | None = None
    position: int | None = None
    severity: str = "error"

    def as_dict(self) -> dict[str, Any]:
        """The diagnostic as JSON, without the fields that say nothing."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f" Fix: {self.fix}" if self.fix else "")


class MillraceError(Exception):
    """The root. `details` is JSON that helps the caller; it never holds a secret."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message


class RequestError(MillraceError):
    code = "request.invalid"


class MalformedRequest(RequestError):
    code = "request.malformed"


class RequestTooLarge(RequestError):
    code = "request.too_large"


class Unauthenticated(RequestError):
    code = "auth.unauthenticated"


class TooManyRequests(RequestError):
    code = "request.too_many"
    retryable = True


class FlowRateLimited(RequestError):
    code = "flow.rate_limited"
    retryable = True


class FlowExpressionFailed(RequestError):
    code = "flow.expression_failed"


class PublishingBusy(TooManyRequests):
    code = "publishing.busy"


class QueueFull(TooManyRequests):
    code = "queue.full"


class QuotaUsedUp(QueueFull):
    code = "quota.used_up"


class SignatureInvalid(Unauthenticated):
    code = "webhook.signature_invalid"


class PermissionMissing(RequestError):
    code = "auth.permission_missing"


class AddressNotAllowed(RequestError):
    code = "webhook.address_not_allowed"


class NotFound(RequestError):
    code = "resource.not_found"


class WebhookNotFound(NotFound):
    code = "webhook.not_found"


class Gone(RequestError):
    code = "resource.deleted"


class Conflict(RequestError):
    code = "resource.conflict"


class WorkflowInactive(Conflict):
    code = "workflow.inactive"


class TriggerInactive(Conflict):
    code = "trigger.inactive"


class ApprovalClosed(Conflict):
    code = "approval.closed"


class NameTaken(Conflict):
    code = "workflow.name_taken"


class IdempotencyMismatch(Conflict):
    code = "request.idempotency_mismatch"


@dataclass(eq=False)
class _Diagnosed(RequestError):
    """An error that carries every mistake at once."""

    diagnostics: Sequence[Diagnostic] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        count = len(self.diagnostics)
        super().__init__(f"{self.what} has {count} mistake{'s' if count != 1 else ''}: {self.diagnostics[0]}")

    what: ClassVar[str] = "The document"


class InvalidDefinition(_Diagnosed):
    code = "definition.invalid"
    what = "The workflow definition"


class InvalidInput(_Diagnosed):
    code = "input.invalid"
    what = "The input"


class InvalidPattern(_Diagnosed):
    code = "pattern.invalid"
    what = "The event pattern"


class InvalidParameter(RequestError):
    code = "request.parameter_invalid"


class LoopSuspected(RequestError):
    code = "event.loop"


class TaskTokenInvalid(RequestError):
    code = "task_token_invalid"


class NotImplementedYet(RequestError):
    code = "not_implemented"


class NodeError(MillraceError):
    code = "node.failed"


class DestinationUnreachable(NodeError):
    code = "destination.unreachable"
    retryable = True


class DestinationTimeout(NodeError):
    code = "destination.timeout"
    retryable = True


class DestinationRateLimited(NodeError):
    code = "destination.rate_limited"
    retryable = True


class DestinationServerError(NodeError):
    code = "destination.server_error"
    retryable = True


class DestinationRefused(NodeError):
    code = "destination.refused"


class AddressBlocked(NodeError):
    code = "destination.address_blocked"


class ResponseTooLarge(NodeError):
    code = "destination.response_too_large"


class CircuitOpen(NodeError):
    code = "destination.circuit_open"
    retryable = True


class NodeStoreUnavailable(NodeError):
    code = "node.store_unavailable"
    retryable = True


class OutputTooLarge(NodeError):
    code = "node.output_too_large"


class ConnectionUnusable(NodeError):
    code = "node.connection_unusable"


class ModelUnavailable(NodeError):
    code = "model.unavailable"
    retryable = True


class ModelRefused(NodeError):
    code = "model.refused"


class BudgetExceeded(NodeError):
    code = "model.budget_exceeded"


class ModelQuotaUsedUp(NodeError):
    code = "model.quota_used_up"


class TurnsExceeded(NodeError):
    code = "model.turns_exceeded"


class RecordingMissing(NodeError):
    code = "model.recording_missing"


class OutputInvalid(NodeError):
    code = "node.output_invalid"


class NodeConfigInvalid(NodeError):
    code = "node.config_invalid"


class NodeBug(NodeError):
    code = "node.bug"


class PlatformError(MillraceError):
    code = "platform.failed"


class StoreUnavailable(PlatformError):
    code = "platform.store_unavailable"
    retryable = True


class Throttled(StoreUnavailable):
    code = "platform.throttled"


class LeaseLost(PlatformError):
    code = "platform.lease_lost"


class ConfigInvalid(PlatformError):
    code = "platform.config_invalid"


def tree(root: type[MillraceError] = MillraceError) -> Iterator[type[MillraceError]]:
    """Every public class of the tree, parents before children."""
    if not root.__name__.startswith("_"):
        yield root
    for child in root.__subclasses__():
        yield from tree(child)


def retryable_error_names() -> tuple[str, ...]:
    """Names for the default ASL `Retry`: ours that are worth another try, then Lambda's own transient ones.

    Source: https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
    """
    ours = tuple(error.__name__ for error in tree(NodeError) if error.retryable)
    return (
        *ours,
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "States.Timeout",
    )
