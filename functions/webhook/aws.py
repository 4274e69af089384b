"""The dependencies of the webhook receiver on AWS."""

from functools import partial

from functions.webhook.deps import Deps
from functions.webhook.targets import CachedTargets
from shared.adapters.aws.blobs import S3Blobs
from shared.adapters.aws.settings import Stage, stage
from shared.adapters.aws.starts import SqsIngest
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.ends import PostgresEnds
from shared.adapters.postgres.samples import PostgresWebhookSamples
from shared.adapters.postgres.session import Session
from shared.adapters.postgres.webhook_targets import PostgresWebhookTargets
from shared.adapters.redis.client import Client, connect
from shared.adapters.redis.ingest import RedisIngest
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.adapters.telemetry.observed import Metric, measure
from shared.clock import SystemClock
from shared.errors import ConfigInvalid

WAIT_SECONDS = 24.0
"""API Gateway waits 29 s for an answer, which a cold start and taking the delivery in are part of.
Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html"""
_CACHE_SECONDS = 1.0


def wire() -> Deps:
    """Connected to nothing yet.

    Raises:
        ConfigInvalid: a setting is missing or wrong.
    """
    here = stage()
    keys = here.settings.encryption_keys
    if keys is None or here.settings.blob_url is None:
        raise ConfigInvalid(
            "The receiver needs MILLRACE_SEALING_SECRET and MILLRACE_BLOB_URL; the CDK stack sets both."
        )
    url = here.settings.require_database_url()
    database = Session(url, patience_seconds=3)
    redis, box, clock = _redis(here), FernetBox(keys.get_secret_value()), SystemClock()
    cache = RedisIngest(redis)
    return Deps(
        triggers=CachedTargets(PostgresWebhookTargets(database), cache, box, clock),
        queue=SqsIngest(cache, here.aws),
        completions=PostgresEnds(url, most_seconds=WAIT_SECONDS),
        secrets=box,
        clock=clock,
        settings=here.settings,
        limits=RedisRateLimits(redis),
        blobs=S3Blobs(here.settings.blob_url),
        samples=PostgresWebhookSamples(database),
    )


def _redis(here: Stage) -> Client:
    """A cache that is away must not hold a delivery up."""
    return connect(
        here.settings.require_redis_url(),
        clustered=here.aws.cache_clustered,
        seconds=_CACHE_SECONDS,
        unanswered=partial(measure, Metric.CACHE_UNAVAILABLE),
    )
