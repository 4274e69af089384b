"""The dependencies of the REST API on AWS."""

from functools import partial

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from functions.api.deps import Deps
from shared.adapters.aws.completions import StepFunctionsCompletions
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.blobs import ObjectBlobs
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.approvals import PostgresApprovals
from shared.adapters.postgres.connections import PostgresConnections
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.adapters.redis import RedisLiveFeed
from shared.approvals.links import ApprovalLinks
from shared.clock import SystemClock
from shared.errors import ConfigInvalid
from shared.executions.task_tokens import TaskTokens
from shared.settings import DEFAULT_PROJECT_ID


def wire() -> Deps:
    """Connected to nothing yet.

    Raises:
        ConfigInvalid: a setting is missing or wrong.
    """
    here = stage()
    settings, keys = here.settings, here.settings.encryption_keys
    if keys is None or settings.blob_url is None:
        raise ConfigInvalid("The API needs MILLRACE_SEALING_SECRET and MILLRACE_BLOB_URL; the CDK stack sets both.")
    engine, redis = create_engine(settings.require_database_url(), pool_size=2), settings.require_redis_url()
    secrets, machines = FernetBox(keys.get_secret_value()), Machines(here.aws)
    return Deps(
        workflows=PostgresWorkflows(engine),
        triggers=PostgresTriggers(engine),
        executions=AwsExecutions(PostgresExecutions(engine), machines, DEFAULT_PROJECT_ID),
        queue=SqsStartQueue(PostgresQueue(settings.require_database_url()), here.aws),
        feed=RedisLiveFeed(redis),
        secrets=secrets,
        clock=SystemClock(),
        settings=settings,
        blobs=ObjectBlobs(settings.blob_url),
        connections=PostgresConnections(engine),
        completions=StepFunctionsCompletions(),
        tokens=TaskTokens(secrets.derive("task tokens")),
        approvals=PostgresApprovals(engine),
        approval_links=ApprovalLinks(secrets.derive("approval links")),
        probes={"database": partial(_ask, engine), "cache": Redis.from_url(redis).ping},
        publisher=machines,
    )


async def _ask(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))
