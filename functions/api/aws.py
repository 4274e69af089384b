"""The dependencies of the REST API on AWS."""

from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from functions.api.deps import Deps
from shared.adapters.aws.approvals import RemindedApprovals
from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.bulk import AwsBulkRuns
from shared.adapters.aws.completions import StepFunctionsCompletions
from shared.adapters.aws.events import AwsReplays, EventBridgeBus
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.lambdas import LambdaTasks
from shared.adapters.aws.live import Glances
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.publishing import StepFunctionsPublisher
from shared.adapters.aws.repeating import Repeating
from shared.adapters.aws.schedules import Schedules
from shared.adapters.aws.settings import AwsSettings, Stage, stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.aws.triggers import AwsTriggers
from shared.adapters.aws.wakes import SqsWakes
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.passwords import Argon2Passwords
from shared.adapters.postgres.approvals import PostgresApprovals
from shared.adapters.postgres.audit import PostgresAudit
from shared.adapters.postgres.bulk import PostgresBulkRuns
from shared.adapters.postgres.connections import PostgresConnections
from shared.adapters.postgres.dead_letters import PostgresDeadLetters
from shared.adapters.postgres.engine import Pooled, create_engine
from shared.adapters.postgres.event_archive import PostgresEventArchive, PostgresEventReplays
from shared.adapters.postgres.executions import PostgresExecutions
from shared.adapters.postgres.identity import PostgresKeys, PostgresMembers, PostgresSessions
from shared.adapters.postgres.progress import PostgresProgress
from shared.adapters.postgres.samples import PostgresWebhookSamples
from shared.adapters.postgres.schedules import PostgresTriggerStates
from shared.adapters.postgres.starts import PostgresStarts
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.postgres.workflows import PostgresWorkflows
from shared.adapters.redis.circuits import RedisCircuits
from shared.adapters.redis.client import Client, connect
from shared.adapters.redis.publish_queue import RedisPublishQueue
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.adapters.telemetry.observed import Metric, measure
from shared.adapters.tokens import JwtTokens
from shared.approvals.links import ApprovalLinks
from shared.clock import SystemClock
from shared.egress import EgressPolicy
from shared.errors import ConfigInvalid
from shared.executions.task_tokens import TaskTokens
from shared.identity.oidc import providers
from shared.identity.signing_in import Access
from shared.ports import SecretBox
from shared.ports.oidc import NoProviders, OidcProviders
from shared.settings import Settings


def wire() -> Deps:
    """Connected to nothing yet.

    Raises:
        ConfigInvalid: a setting is missing or wrong.
    """
    here = stage()
    keys = here.settings.encryption_keys
    if keys is None or here.settings.blob_url is None:
        raise ConfigInvalid("The API needs MILLRACE_SEALING_SECRET and MILLRACE_BLOB_URL; the CDK stack sets both.")
    return _wired(here, FernetBox(keys.get_secret_value()), here.settings.blob_url)


def _wired(here: Stage, secrets: FernetBox, blob_url: str) -> Deps:
    url, redis_url = here.settings.require_database_url(), here.settings.require_redis_url()
    engine, machines = create_engine(url, pool_size=2), Machines(here.aws)
    redis = connect(
        redis_url, clustered=here.aws.cache_clustered, unanswered=partial(measure, Metric.CACHE_UNAVAILABLE)
    )
    bus = EventBridgeBus(here.aws.event_bus)
    # What a request may have written itself, and what must not be yesterday's, is never read from the copy.
    reader = create_engine(here.reader_url.get_secret_value(), pool_size=2) if here.reader_url else engine
    executions = PostgresExecutions(engine, reader)
    return Deps(
        workflows=PostgresWorkflows(engine),
        triggers=AwsTriggers(PostgresTriggers(engine), Schedules(here.aws)),
        trigger_states=PostgresTriggerStates(engine),
        executions=AwsExecutions(executions, machines, PostgresProgress(url), bus, SqsWakes(here.aws)),
        queue=SqsStartQueue(PostgresStarts(url, engine, SystemClock(), max_queued=here.settings.max_queued), here.aws),
        feed=Glances(),
        secrets=secrets,
        clock=SystemClock(),
        settings=here.settings,
        blobs=S3Blobs(blob_url),
        connections=PostgresConnections(Pooled(engine)),
        completions=StepFunctionsCompletions(),
        tokens=TaskTokens(secrets.derive("task tokens")),
        approvals=RemindedApprovals(PostgresApprovals(engine), here.aws.queue_housekeeping),
        approval_links=ApprovalLinks(secrets.derive("approval links")),
        samples=PostgresWebhookSamples(Pooled(engine)),
        circuits=RedisCircuits(redis),
        events=bus,
        archive=PostgresEventArchive(engine, reader),
        replays=AwsReplays(PostgresEventReplays(engine, reader), Repeating(here.aws.replay_machine_arn)),
        dead_letters=PostgresDeadLetters(engine, reader),
        bulk_runs=AwsBulkRuns(PostgresBulkRuns(engine, reader), Repeating(here.aws.bulk_machine_arn)),
        access=_access(engine, secrets),
        audit=PostgresAudit(engine, reader),
        limits=RedisRateLimits(redis),
        oidc=_sign_in_providers(here.settings),
        runner=LambdaTasks(here.aws),
        probes={"database": partial(_ask, engine), "cache": redis.ping},
        publisher=StepFunctionsPublisher(machines, here.aws, _publications(redis, here.aws)),
    )


def _publications(redis: Client, aws: AwsSettings) -> RedisPublishQueue:
    return RedisPublishQueue(redis, bucket=aws.publish_burst, per_second=aws.publish_per_second)


def _access(engine: AsyncEngine, secrets: SecretBox) -> Access:
    sessions, clock = PostgresSessions(engine), SystemClock()
    return Access(
        keys=PostgresKeys(engine),
        members=PostgresMembers(engine),
        sessions=sessions,
        tokens=JwtTokens(sessions, secrets, clock),
        passwords=Argon2Passwords(),
        clock=clock,
    )


def _sign_in_providers(settings: Settings) -> OidcProviders:
    if settings.oidc is None:
        return NoProviders()
    from shared.adapters.http.client import GuardedClient  # noqa: PLC0415 - aiohttp, a tenth of the start
    from shared.adapters.http.oidc import HttpOidcProviders  # noqa: PLC0415 - as above

    return HttpOidcProviders(GuardedClient(EgressPolicy.parse(settings.allowed_hosts)), providers(settings.oidc))


async def _ask(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))
