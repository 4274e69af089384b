"""What the Lambda of every node type does around its core, in this order: parse the call, look for a cached result,
redeem claim checks, resolve the connection, run, scrub secrets, hand in what is too large, keep the result for the next
time, name the failure.
"""

import hashlib
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from shared.connections.kinds import Credentials, secrets_of
from shared.connections.redaction import Redactor, redacting
from shared.connections.resolve import Connections
from shared.errors import ConnectionUnusable, NodeBug, NodeError
from shared.observability import bind
from shared.ports import BlobStore, ResultCache
from shared.workflow.claim_checks import check_in, check_out
from shared.workflow.node_call import NodeCall, NodeResult

log = logging.getLogger(__name__)


class Run(Protocol):
    """The core of a node type. `credentials` are those of the connection that the call's config names."""

    def __call__(self, call: NodeCall, *, credentials: Credentials | None = None) -> Awaitable[NodeResult]: ...


@dataclass(frozen=True, slots=True)
class NodeServices:
    """What stands around every node; without it nodes run, with less."""

    blobs: BlobStore | None = None
    cache: ResultCache | None = None
    connections: Connections | None = None


NO_SERVICES = NodeServices()


async def answer(event: dict[str, Any], run: Run, services: NodeServices = NO_SERVICES) -> dict[str, Any]:
    """A NodeResult as a dict. Step Functions reads the class name of what is raised as the error's name.

    Raises:
        NodeError: the node failed. What a core did not expect becomes NodeBug: its details go to the log, not to the
            execution's history, since they may hold anything.
    """
    try:
        call = NodeCall.model_validate(event)
    except ValidationError as error:
        raise NodeBug(f"The event is not a node call: {error.errors(include_input=False, include_url=False)}") from None
    ids = {"execution_id": call.execution.id, "correlation_id": call.execution.correlation_id, "node_id": call.node}
    redactor = Redactor()
    with bind(**ids), redacting(redactor):
        try:
            return await _cached(call, run, services, redactor)
        except NodeError as error:
            raise _scrubbed(error, redactor) from None
        except Exception as error:
            log.exception("node failed with an unexpected error")
            raise NodeBug(f"The code of node '{call.node}' failed with {type(error).__name__}; see its log.") from None


async def _cached(call: NodeCall, run: Run, services: NodeServices, redactor: Redactor) -> dict[str, Any]:
    if call.cache is None or services.cache is None:
        return await _run(call, run, services, redactor)
    key = cache_key(call)
    found = await services.cache.get(key)
    if found is not None:
        return {"output": found["output"], "meta": {**found["meta"], "cached": True}}
    result = await _run(call, run, services, redactor)
    await services.cache.put(key, result, call.cache.ttl_seconds)
    return result


async def _run(call: NodeCall, run: Run, services: NodeServices, redactor: Redactor) -> dict[str, Any]:
    project_id = call.execution.project_id
    if services.blobs is not None:
        call.config = await check_out(call.config, services.blobs, project_id)
    credentials = await _credentials(call, services.connections)
    for secret in secrets_of(credentials) if credentials is not None else ():
        redactor.add(secret)
    result = await run(call, credentials=credentials)
    output = await check_in(redactor.scrub(result.output), services.blobs, f"{project_id}/{call.execution.id}")
    return {"output": output, "meta": redactor.scrub(result.meta)}


async def _credentials(call: NodeCall, connections: Connections | None) -> Credentials | None:
    name = call.config.get("connection")
    if name is None:
        return None
    if connections is None:
        raise ConnectionUnusable(f"Node '{call.node}' names the connection '{name}', but there are none here.")
    return await connections.resolve(call.execution.project_id, str(name))


def _scrubbed(error: NodeError, redactor: Redactor) -> NodeError:
    error.message = redactor.scrub(error.message)
    error.args = (error.message,)
    error.details = redactor.scrub(error.details)
    return error


def cache_key(call: NodeCall) -> str:
    """One project's, one workflow's, one node's: a key says nothing about what others keep under the same words."""
    written = call.cache.key if call.cache is not None else ""
    digest = hashlib.sha256(written.encode()).hexdigest()
    return f"{call.execution.project_id}:{call.execution.workflow_id}:{call.node}:{digest}"
