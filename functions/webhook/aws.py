"""The dependencies of the webhook receiver on AWS."""

from redis.asyncio import Redis

from functions.webhook.deps import Deps
from shared.adapters.aws.executions import NoCompletions
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.blobs import ObjectBlobs
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.samples import PostgresWebhookSamples
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.clock import SystemClock
from shared.errors import ConfigInvalid


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
    engine = create_engine(url, pool_size=2)
    return Deps(
        triggers=PostgresTriggers(engine),
        queue=SqsStartQueue(PostgresQueue(url), here.aws),
        completions=NoCompletions(),
        secrets=FernetBox(keys.get_secret_value()),
        clock=SystemClock(),
        settings=here.settings,
        limits=RedisRateLimits(Redis.from_url(here.settings.require_redis_url())),
        blobs=ObjectBlobs(here.settings.blob_url),
        samples=PostgresWebhookSamples(engine),
    )
