"""What the Lambdas of all node types have in common on AWS: one event loop, and the services around every node.

Drivers are loaded by `preload`, or with the first event. What is made here lives as long as the Lambda's environment.
"""

import asyncio
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from shared.adapters.aws import loop
from shared.adapters.telemetry.observed import Metric, measure
from shared.errors import NodeError
from shared.settings import Settings, load
from shared.workflow.node_lambda import NO_SERVICES, NodeServices, Run, answer

_SEND_SECONDS = 2.0
"""How long a node waits at most for what Langfuse is told; the rest goes with the next invocation, if there is one."""

if TYPE_CHECKING:
    from shared.adapters.postgres.session import Database
    from shared.adapters.redis.client import Client
    from shared.connections.resolve import Connections
    from shared.ports import BlobStore, Circuits, SecretBox, Tracing

SECRETS = ("shared.adapters.aws.settings", "shared.adapters.aws.blobs", "shared.adapters.local.secret_box")
"""What every node takes, to preload. `http` and `tool` preload no more: their 450 ms have no room for the drivers of
PostgreSQL and the cache, which take 120."""
STORES = (*SECRETS, "shared.adapters.postgres.session")
SERVICES = (
    *STORES,
    "shared.adapters.http.oauth2",
    "shared.adapters.postgres.connections",
    "shared.adapters.redis.circuits",
    "shared.adapters.redis.result_cache",
    "shared.connections.resolve",
)
"""What nodes take that name connections and are cached."""


def deployed() -> bool:
    """Whether a stage of AWS is set, and with it stores."""
    return load().stage != "local"


def invoke(event: dict[str, Any], run: Run, *, only_blobs: bool = False) -> dict[str, Any]:
    """The answer of a node Lambda; `only_blobs` where nodes name no connection and are not cached. Raises NodeError."""
    return loop.run(_answer(event, run, only_blobs=only_blobs))


async def _answer(event: dict[str, Any], run: Run, *, only_blobs: bool) -> dict[str, Any]:
    try:
        result = await answer(event, run, NodeServices(blobs=blobs()) if only_blobs else services())
    except NodeError:
        measure(Metric.NODE_ERRORS)
        raise
    finally:
        await _send_traces()
    _measure_model(result["meta"])
    return result


async def _send_traces() -> None:
    """A Lambda stands still between invocations, and with it the threads that send."""
    if not tracing.cache_info().currsize or (monitor := tracing()) is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_SEND_SECONDS):
            await asyncio.to_thread(monitor.flush)


def _measure_model(meta: dict[str, Any]) -> None:
    """What the call of a model took; a result of the cache took nothing."""
    if "usage" in meta and not meta.get("cached"):
        usage = meta["usage"]
        measure(Metric.TOKENS, usage.get("input_tokens", 0) + usage.get("output_tokens", 0))
        if meta.get("cost_usd") is not None:
            measure(Metric.DOLLARS, float(meta["cost_usd"]))


@cache
def services() -> NodeServices:
    """Blobs, cache and connections; nothing where no stage of AWS is set. Raises ConfigInvalid."""
    if not deployed():
        return NO_SERVICES
    from shared.adapters.redis.result_cache import RedisResultCache  # noqa: PLC0415 - see above

    return NodeServices(blobs=blobs(), cache=RedisResultCache(_redis()), connections=connections())


@cache
def database() -> "Database":
    """The one connection to the database, of this process and its loop. Raises ConfigInvalid."""
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - see above
    from shared.adapters.postgres.session import Session  # noqa: PLC0415

    return Session(stage().settings.require_database_url(), patience_seconds=3)


@cache
def blobs() -> "BlobStore | None":
    """Where large payloads are kept."""
    from shared.adapters.aws.blobs import S3Blobs  # noqa: PLC0415 - see above

    url = load().blob_url
    return S3Blobs(url) if url else None


@cache
def secrets() -> "SecretBox":
    """Seals and opens. Raises ConfigInvalid."""
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - see above
    from shared.adapters.local.secret_box import FernetBox  # noqa: PLC0415

    return FernetBox(stage().settings.require_encryption_keys())


@cache
def connections() -> "Connections":
    """Resolves the connections that nodes name. Raises ConfigInvalid."""
    from shared.adapters.http.client import GuardedClient  # noqa: PLC0415 - see above
    from shared.adapters.http.oauth2 import OAuth2Grants  # noqa: PLC0415
    from shared.adapters.postgres.connections import PostgresConnections  # noqa: PLC0415
    from shared.clock import SystemClock  # noqa: PLC0415
    from shared.connections.resolve import Connections  # noqa: PLC0415
    from shared.egress import EgressPolicy  # noqa: PLC0415

    client = GuardedClient(EgressPolicy.parse(load().allowed_hosts))
    return Connections(PostgresConnections(database()), secrets(), OAuth2Grants(client, SystemClock()))


@cache
def circuits() -> "Circuits | None":
    """Breakers of all destinations, shared by all environments of the Lambda; none without a stage."""
    if not deployed():
        return None
    from shared.adapters.redis.circuits import RedisCircuits  # noqa: PLC0415 - see above

    return RedisCircuits(_redis())


@cache
def tracing() -> "Tracing | None":
    """Where calls of models are told to Langfuse; None without its keys."""
    settings = _settings()
    if settings.langfuse_public_key is None:
        return None
    from shared.adapters.langfuse import tracing as of  # noqa: PLC0415 - takes half a second, which few need

    return of(settings)


def _settings() -> Settings:
    """With what secrets hold, where a stage of AWS is set."""
    if not deployed():
        return load()
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - see above

    return stage().settings


@cache
def _redis() -> "Client":
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - see above
    from shared.adapters.redis.client import connect  # noqa: PLC0415

    here = stage()
    return connect(
        here.settings.require_redis_url(),
        clustered=here.aws.cache_clustered,
        unanswered=partial(measure, Metric.CACHE_UNAVAILABLE),
    )
