"""Every store of one database, and records to put in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from local.access import access_of
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
from shared.adapters.postgres.events import PostgresEvents, PostgresEventTriggers
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.express import PostgresExpressHistories
from shared.adapters.postgres.journal import PostgresJournal
from shared.adapters.postgres.lifecycle import PostgresLifecycle
from shared.adapters.postgres.progress import PostgresProgress
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.schedules import PostgresPollSources, PostgresTriggerRuns, PostgresTriggerStates
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.values import PostgresKeyValues
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.live_feed import RedisLiveFeed
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.errors import StoreUnavailable
from shared.executions.records import StartRequest, Watch
from shared.identity.signing_in import Access
from shared.ids import new_id
from shared.ports import Wakes
from shared.ports.events import EventBus
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.records import Event, Published
from shared.workflow.records import Workflow, WorkflowStatus, WorkflowVersion


@dataclass
class Woken(Wakes):
    """Keeps when somebody is to look."""

    times: list[datetime | None] = field(default_factory=list)

    schedules: list[tuple[str, datetime | None, datetime | None]] = field(default_factory=list)

    async def look(self, at: datetime | None = None) -> None:
        self.times.append(at)

    async def look_at_schedule(
        self, project_id: str, trigger_id: str, fire_time: datetime | None = None, at: datetime | None = None
    ) -> None:
        self.schedules.append((trigger_id, fire_time, at))


@dataclass
class KeptWatches:
    """Keeps what is to be looked at later."""

    asked: list[Watch] = field(default_factory=list)

    async def later(self, watch: Watch) -> None:
        self.asked.append(watch)


@dataclass
class KeptBus(EventBus):
    """Keeps what is published, unless it is `away`."""

    published: list[Event] = field(default_factory=list)
    away: bool = False

    async def publish(self, event: Event) -> Published:
        if self.away:
            raise StoreUnavailable("away")
        self.published.append(event)
        return Published(event.id)


@dataclass(frozen=True)
class Stores:
    """The adapters, composed as the local stage does it: a commit of the journal is published on the feed."""

    engine: AsyncEngine
    workflows: PostgresWorkflows
    triggers: PostgresTriggers
    executions: PostgresExecutions
    queue: PostgresQueue
    backlog: PostgresBacklog
    admission: PostgresAdmission
    completions: PostgresTaskCompletions
    journal: PostgresJournal
    feed: RedisLiveFeed
    secrets: FernetBox
    blobs: ObjectBlobs
    approvals: PostgresApprovals
    audit: PostgresAudit
    connections: PostgresConnections
    turns: PostgresAgentTurns
    memory: PostgresAgentMemory
    access: Access
    trigger_states: PostgresTriggerStates
    bulk_runs: PostgresBulkRuns
    trigger_runs: PostgresTriggerRuns
    poll_sources: PostgresPollSources
    events: PostgresEvents
    archive: PostgresEventArchive
    replays: PostgresEventReplays
    dead_letters: PostgresDeadLetters
    event_triggers: PostgresEventTriggers
    lifecycle: PostgresLifecycle
    progress: PostgresProgress
    express: PostgresExpressHistories
    redis: Redis
    circuits: RedisCircuits
    limits: RedisRateLimits
    values: PostgresKeyValues

    async def close(self) -> None:
        await self.queue.close()
        await self.journal.close()
        await self.completions.close()
        await self.events.close()
        await self.lifecycle.close()
        await self.progress.close()
        await self.express.close()
        await self.feed.close()
        await self.redis.aclose()
        await self.engine.dispose()


def open_stores(postgres_url: str, redis_url: str, encryption_keys: str, blob_folder: Path) -> Stores:
    engine = create_engine(postgres_url)
    secrets = FernetBox(encryption_keys)
    feed, redis = RedisLiveFeed(redis_url), Redis.from_url(redis_url)
    return Stores(
        engine=engine,
        workflows=PostgresWorkflows(engine),
        triggers=PostgresTriggers(engine),
        executions=PostgresExecutions(engine),
        queue=PostgresQueue(postgres_url),
        backlog=PostgresBacklog(engine),
        admission=PostgresAdmission(engine),
        completions=PostgresTaskCompletions(postgres_url),
        journal=PostgresJournal(postgres_url, on_commit=feed.publish),
        feed=feed,
        secrets=secrets,
        blobs=ObjectBlobs(blob_folder.as_uri()),
        approvals=PostgresApprovals(engine),
        audit=PostgresAudit(engine),
        connections=PostgresConnections(Pooled(engine)),
        turns=PostgresAgentTurns(Pooled(engine)),
        memory=PostgresAgentMemory(Pooled(engine)),
        access=access_of(engine, secrets),
        trigger_states=PostgresTriggerStates(engine),
        bulk_runs=PostgresBulkRuns(engine),
        trigger_runs=PostgresTriggerRuns(engine),
        poll_sources=PostgresPollSources(engine),
        events=PostgresEvents(postgres_url, engine),
        archive=PostgresEventArchive(engine),
        replays=PostgresEventReplays(engine),
        dead_letters=PostgresDeadLetters(engine),
        event_triggers=PostgresEventTriggers(engine),
        lifecycle=PostgresLifecycle(postgres_url),
        progress=PostgresProgress(postgres_url),
        express=PostgresExpressHistories(postgres_url),
        redis=redis,
        circuits=RedisCircuits(redis),
        limits=RedisRateLimits(redis),
        values=PostgresKeyValues(Pooled(engine)),
    )


def now() -> datetime:
    """The time as a store keeps it: PostgreSQL counts microseconds."""
    return datetime.now(UTC)


def new_workflow(**fields: Any) -> tuple[Workflow, WorkflowVersion]:
    """An active workflow with its version 1; `fields` replace those of the workflow."""
    at = now()
    name = f"w-{new_id()}"
    definition = {"name": name, "nodes": [{"id": "shape", "type": "transform", "config": {"output": 1}}], "edges": []}
    base: dict[str, Any] = {
        "id": new_id(),
        "project_id": DEFAULT_PROJECT_ID,
        "name": name,
        "description": "",
        "status": WorkflowStatus.ACTIVE,
        "definition": definition,
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }
    workflow = Workflow(**{**base, **fields})
    return workflow, new_version(workflow)


def new_version(workflow: Workflow) -> WorkflowVersion:
    """The compiled version that belongs to `workflow`; its ASL passes the input on."""
    return WorkflowVersion(
        workflow_id=workflow.id,
        project_id=workflow.project_id,
        version=workflow.version,
        definition=workflow.definition,
        asl={"QueryLanguage": "JSONata", "StartAt": "shape", "States": {"shape": {"Type": "Pass", "End": True}}},
        source_map={"states": {}, "nodes": {}},
        digest="0" * 64,
        created_at=workflow.updated_at,
    )


def new_request(workflow: Workflow, **fields: Any) -> StartRequest:
    """A request to start `workflow`; `fields` replace those of the request."""
    base: dict[str, Any] = {
        "execution_id": new_id(),
        "project_id": workflow.project_id,
        "workflow_id": workflow.id,
        "version": workflow.version,
        "input": {"hello": "world"},
        "context": {"trigger": {"type": "manual"}, "correlation_id": "c-1"},
        "created_at": now(),
    }
    return StartRequest(**{**base, **fields})
