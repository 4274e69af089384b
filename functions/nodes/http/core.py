"""The node type `webhook`: one HTTP request to an external service.

Its output is `{status, headers, body}`: the body as JSON where the service says it is, as text otherwise; binary comes
as base64, and the output then has `body_encoding: base64`. An answer of 400 and above fails the node.
"""

from dataclasses import dataclass

from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.adapters.http.exchange import MAX_REDIRECTS, TOTAL_SECONDS, Limits
from shared.adapters.http.request import compose
from shared.connections.kinds import Credentials
from shared.egress import EgressPolicy
from shared.workflow.definition import WebhookConfig
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_config import config_of

_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class HttpDeps:
    """Shared by all calls of a process, for its idle connections and its tokens."""

    requester: Requester
    total_seconds: float = TOTAL_SECONDS

    async def aclose(self) -> None:
        await self.requester.client.aclose()


def http_deps(allowed_hosts: str) -> HttpDeps:
    """For the running event loop; close it there. Raises ConfigInvalid for a bad allow-list."""
    return HttpDeps(Requester(GuardedClient(EgressPolicy.parse(allowed_hosts))))


async def run(call: NodeCall, deps: HttpDeps, *, credentials: Credentials | None = None) -> NodeResult:
    """Sends the request that the config describes. `meta`: status, duration_ms, host.

    Raises:
        NodeConfigInvalid: the evaluated config is not a request.
        ConnectionUnusable: the credentials are not for this request.
        DestinationRateLimited, DestinationServerError, DestinationRefused: the answer is 429, 5xx, other 4xx.
        AddressBlocked, DestinationTimeout, DestinationUnreachable, ResponseTooLarge: see `exchange`.
    """
    config = config_of(call, WebhookConfig)
    request = compose(
        config.method,
        config.url,
        query=config.query,
        headers=config.headers,
        body=config.body,
        body_type=config.body_type,
        idempotency_key=None if config.method in _SAFE_METHODS else call.idempotency_key,
    )
    redirects = MAX_REDIRECTS if config.follow_redirects else 0
    limits = Limits(config.max_response_bytes, deps.total_seconds, redirects)
    answer = await deps.requester.send(request, limits, credentials)
    answer.raise_for_status()
    meta = {"status": answer.status, "duration_ms": answer.duration_ms, "host": answer.host}
    return NodeResult(output=answer.as_output(config.max_response_bytes), meta=meta)
