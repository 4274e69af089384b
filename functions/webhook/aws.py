"""The dependencies of the webhook receiver on AWS."""

from functions.webhook.deps import Deps
from shared.adapters.aws.executions import NoCompletions
from shared.adapters.aws.settings import stage
from shared.adapters.aws.starts import SqsStartQueue
from shared.adapters.local.secret_box import FernetBox
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.queue import PostgresQueue
from shared.adapters.postgres.triggers import PostgresTriggers
from shared.clock import SystemClock
from shared.errors import ConfigInvalid


def wire() -> Deps:
    """Connected to nothing yet.

    Raises:
        ConfigInvalid: a setting is missing or wrong.
    """
    here = stage()
    keys = here.settings.encryption_keys
    if keys is None:
        raise ConfigInvalid("The receiver needs MILLRACE_SEALING_SECRET; the CDK stack sets it.")
    url = here.settings.require_database_url()
    return Deps(
        triggers=PostgresTriggers(create_engine(url, pool_size=2)),
        queue=SqsStartQueue(PostgresQueue(url), here.aws),
        completions=NoCompletions(),
        secrets=FernetBox(keys.get_secret_value()),
        clock=SystemClock(),
        settings=here.settings,
    )
