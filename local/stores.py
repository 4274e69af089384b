"""The stores of the local stage: one adapter for each port."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.adapters.blobs import ObjectBlobs
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.admission import PostgresAdmission
from shared.adapters.postgres.agents import PostgresAgentMemory, PostgresAgentTurns
from shared.adapters.postgres.approvals import PostgresApprovals
from shared.adapters.postgres.audit import PostgresAudit
from shared.adapters.postgres.backlog import PostgresBacklog
from shared.adapters.postgres.bulk import PostgresBulkRuns
from shared.adapters.postgres.completions import PostgresTaskCompletions
from shared.adapters.postgres.connections import PostgresConnections
from shared.adapters.postgres.dead_letters import PostgresDeadLetters
from shared.adapters.postgres.engine import Pooled, create_engine
from shared.adapters.postgres.event_archive import PostgresEventArchive, PostgresEventReplays
from shared.adapters.postgres.events import PostgresEvents
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.journal import PostgresJournal
from shared.adapters.postgres.lifecycle import PostgresLifecycle
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.schedules import PostgresTriggerStates
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.values import PostgresKeyValues
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.live_feed import RedisLiveFeed
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.errors import ConfigInvalid
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Every adapter on the stage's database, cache and blobs."""

    engine: AsyncEngine
    workflows: PostgresWorkflows
    triggers: PostgresTriggers
    trigger_states: PostgresTriggerStates
    bulk_runs: PostgresBulkRuns
    executions: PostgresExecutions
    admission: PostgresAdmission
    backlog: PostgresBacklog
    completions: PostgresTaskCompletions
    queue: PostgresQueue
    journal: PostgresJournal
    events: PostgresEvents
    archive: PostgresEventArchive
    replays: PostgresEventReplays
    dead_letters: PostgresDeadLetters
    lifecycle: PostgresLifecycle
    feed: RedisLiveFeed
    redis: Redis
    circuits: RedisCircuits
    limits: RedisRateLimits
    values: PostgresKeyValues
    blobs: ObjectBlobs
    approvals: PostgresApprovals
    audit: PostgresAudit
    connections: PostgresConnections
    turns: PostgresAgentTurns
    memory: PostgresAgentMemory
    secrets: FernetBox


def open_stores(stack: AsyncExitStack, settings: Settings) -> Stores:
    """The stores that the settings name; they are closed with `stack`. Raises ConfigInvalid."""
    if settings.database_url is None or settings.redis_url is None:
        raise ConfigInvalid("The stage needs a database and a cache: DATABASE_URL and REDIS_URL.")
    database_url, redis_url = settings.database_url.get_secret_value(), settings.redis_url.get_secret_value()
    engine = create_engine(database_url)
    keys = settings.encryption_keys
    feed, redis = RedisLiveFeed(redis_url), Redis.from_url(redis_url)
    stores = Stores(
        engine=engine,
        workflows=PostgresWorkflows(engine),
        triggers=PostgresTriggers(engine),
        trigger_states=PostgresTriggerStates(engine),
        bulk_runs=PostgresBulkRuns(engine),
        executions=PostgresExecutions(engine),
        admission=PostgresAdmission(engine),
        backlog=PostgresBacklog(engine),
        completions=PostgresTaskCompletions(database_url),
        queue=PostgresQueue(database_url, max_queued=settings.max_queued),
        journal=PostgresJournal(database_url, on_commit=feed.publish),
        events=PostgresEvents(database_url, engine),
        archive=PostgresEventArchive(engine),
        replays=PostgresEventReplays(engine),
        dead_letters=PostgresDeadLetters(engine),
        lifecycle=PostgresLifecycle(database_url),
        feed=feed,
        redis=redis,
        circuits=RedisCircuits(redis),
        limits=RedisRateLimits(redis),
        values=PostgresKeyValues(Pooled(engine)),
        blobs=ObjectBlobs(settings.blob_url or (settings.data / "blobs").resolve().as_uri()),
        approvals=PostgresApprovals(engine),
        audit=PostgresAudit(engine),
        connections=PostgresConnections(Pooled(engine)),
        turns=PostgresAgentTurns(Pooled(engine)),
        memory=PostgresAgentMemory(Pooled(engine)),
        secrets=FernetBox(keys.get_secret_value()) if keys else FernetBox.of_folder(settings.data),
    )
    writers = (stores.journal.close, stores.queue.close, stores.completions.close)
    readers = (stores.events.close, stores.lifecycle.close)
    closing = (engine.dispose, stores.redis.aclose, feed.close, *readers, *writers)
    for close in closing:
        stack.push_async_callback(close)
    return stores
