"""The node type `webhook`: one HTTP request to an external service.

Its output is `{status, headers, body}`: the body as JSON where the service says it is, as text otherwise; binary comes
as base64, and the output then has `body_encoding: base64`. An answer of 400 and above fails the node. With `paginate`
the body is the list of all items, see `paging`.

A service that answers 429 or 503 and asks to be called again soon is called again by this call itself: the waits of
ASL's Retry are fixed when the workflow is published. Longer waits are left to Retry, since a Lambda that waits is paid.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from functions.nodes.http.paging import gather
from shared.adapters.http.answer import Answer
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient, Request
from shared.adapters.http.exchange import MAX_REDIRECTS, TOTAL_SECONDS, Limits
from shared.adapters.http.request import compose
from shared.connections.kinds import Credentials
from shared.egress import EgressPolicy
from shared.ports import Circuits
from shared.workflow.definition import WebhookConfig
from shared.workflow.node_call import NodeCall, NodeResult
from shared.workflow.node_config import config_of

MAX_WAIT_SECONDS = 20.0
"""In all, for what Retry-After asks."""

_SHORTEST_WAIT_SECONDS = 0.1
"""A service that asks for no wait at all would be asked without end."""

_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class HttpDeps:
    """Shared by all calls of a process, for its idle connections and its tokens."""

    requester: Requester
    total_seconds: float = TOTAL_SECONDS

    async def aclose(self) -> None:
        await self.requester.client.aclose()


def http_deps(allowed_hosts: str, circuits: Circuits | None = None) -> HttpDeps:
    """For the running event loop; close it there. Raises ConfigInvalid for a bad allow-list."""
    return HttpDeps(Requester(GuardedClient(EgressPolicy.parse(allowed_hosts)), circuits))


async def run(call: NodeCall, deps: HttpDeps, *, credentials: Credentials | None = None) -> NodeResult:
    """Sends the request that the config describes. `meta`: status, duration_ms, host, and where there are such,
    waited_seconds and pages.

    Raises:
        NodeConfigInvalid: the evaluated config is not a request.
        ConnectionUnusable: the credentials are not for this request.
        CircuitOpen: the destination failed many times in a row, and is left alone for now.
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
    patient = _Patient(deps.requester.of(call.execution.project_id), limits, credentials, deps.total_seconds)
    if config.paginate is not None:
        found = await gather(request, config.paginate, config.max_response_bytes, patient.send)
        return NodeResult(output=found.as_output(), meta=patient.meta() | {"pages": found.pages})
    answer = await patient.send(request)
    return NodeResult(output=answer.as_output(config.max_response_bytes), meta=patient.meta())


class _Patient:
    """Sends requests of one call, and waits where it is asked to, MAX_WAIT_SECONDS in all."""

    def __init__(
        self, requester: Requester, limits: Limits, credentials: Credentials | None, most_seconds: float
    ) -> None:
        self._requester = requester
        self._limits = limits
        self._credentials = credentials
        self._left = min(MAX_WAIT_SECONDS, most_seconds)
        self._waited = 0.0
        self._duration_ms = 0.0
        self._last: Answer | None = None

    async def send(self, request: Request) -> Answer:
        """An answer of a status below 400; raises what `Answer.raise_for_status` and `Requester.send` raise."""
        while True:
            answer = self._last = await self._requester.send(request, self._limits, self._credentials)
            self._duration_ms += answer.duration_ms
            asked = answer.retry_after(datetime.now(UTC)) if answer.status in _BUSY else None
            asked = None if asked is None else max(asked, _SHORTEST_WAIT_SECONDS)
            if asked is None or asked > self._left:
                answer.raise_for_status()
                return answer
            self._left -= asked
            self._waited += asked
            await asyncio.sleep(asked)

    def meta(self) -> dict[str, Any]:
        """Of all that was sent."""
        assert self._last is not None  # noqa: S101 - asked for after an answer
        told = {"status": self._last.status, "duration_ms": round(self._duration_ms, 2), "host": self._last.host}
        return told | ({"waited_seconds": round(self._waited, 1)} if self._waited else {})
