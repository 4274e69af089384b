"""What the Lambdas of all node types have in common on AWS: one event loop, and the services around every node.

Cold path: drivers are loaded with the first event.
"""

import asyncio
from functools import cache
from typing import Any

from shared.settings import load
from shared.workflow.node_lambda import NO_SERVICES, NodeServices, Run, answer


@cache
def _runner() -> asyncio.Runner:
    """One loop for the life of the Lambda's environment, since connections belong to a loop."""
    return asyncio.Runner()


def invoke(event: dict[str, Any], run: Run) -> dict[str, Any]:
    """The answer of a node Lambda. Raises NodeError."""
    return _runner().run(answer(event, run, services()))


@cache
def services() -> NodeServices:
    """Blobs, cache and connections; nothing where no stage of AWS is set. Raises ConfigInvalid."""
    if load().stage == "local":
        return NO_SERVICES
    from redis.asyncio import Redis  # noqa: PLC0415 - see above

    from shared.adapters.aws.settings import stage  # noqa: PLC0415
    from shared.adapters.blobs import ObjectBlobs  # noqa: PLC0415
    from shared.adapters.local.secret_box import FernetBox  # noqa: PLC0415
    from shared.adapters.postgres.connections import PostgresConnections  # noqa: PLC0415
    from shared.adapters.redis import RedisResultCache  # noqa: PLC0415
    from shared.connections.resolve import Connections  # noqa: PLC0415

    settings = stage().settings
    keys = settings.encryption_keys
    return NodeServices(
        blobs=ObjectBlobs(settings.blob_url) if settings.blob_url else None,
        cache=RedisResultCache(Redis.from_url(settings.require_redis_url())),
        connections=Connections(PostgresConnections(engine()), FernetBox(keys.get_secret_value())) if keys else None,
    )


@cache
def engine() -> Any:
    """The database's engine, of this process and its loop. Raises ConfigInvalid."""
    from shared.adapters.aws.settings import stage  # noqa: PLC0415 - see above
    from shared.adapters.postgres.engine import create_engine  # noqa: PLC0415

    return create_engine(stage().settings.require_database_url(), pool_size=2)
