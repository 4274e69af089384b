"""What the local stage is made of: which adapter stands behind each port, and in which order they start and stop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.api.app import create_app as create_api
from functions.api.deps import Deps as ApiDeps
from functions.webhook.app import create_app as create_receiver
from functions.webhook.deps import Deps as ReceiverDeps
from local.access import access_of, owner_key, sign_in_providers
from local.cli.credentials import KEY_FILE
from local.running import Running, start
from local.stores import Stores, open_stores
from shared.adapters.asgi.overload import InFlightLimit
from shared.adapters.postgres.engine import Pooled
from shared.adapters.postgres.samples import PostgresWebhookSamples
from shared.approvals.links import ApprovalLinks
from shared.bulk.records import MAX_BYTES
from shared.clock import SystemClock
from shared.ports.oidc import OidcProviders
from shared.settings import Settings


@asynccontextmanager
async def stage(settings: Settings, worker: str) -> AsyncIterator[ASGIApp]:
    """The ASGI app of the whole stage, with its worker running; what started last stops first.

    `settings` name the stores; see servers.py. `worker` is the worker's name, the same after a restart.

    Raises:
        ConfigInvalid: a setting is wrong.
        StoreUnavailable: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        stores = open_stores(stack, settings)
        await owner_key(access_of(stores.engine, stores.secrets), settings.data / KEY_FILE)
        oidc = sign_in_providers(stack, settings)
        yield _app(settings, stores, start(stack, settings, stores, worker), oidc)


def _app(settings: Settings, stores: Stores, running: Running, oidc: OidcProviders) -> ASGIApp:
    """The receiver behind `/webhooks`, the API behind everything else."""
    clock, samples = SystemClock(), PostgresWebhookSamples(Pooled(stores.engine))
    receiver = create_receiver(
        ReceiverDeps(
            stores.triggers,
            running.queue,
            running.worker,
            stores.secrets,
            clock,
            settings,
            stores.limits,
            stores.blobs,
            samples,
        )
    )
    api = create_api(
        ApiDeps(
            workflows=stores.workflows,
            triggers=stores.triggers,
            executions=stores.executions,
            queue=running.queue,
            completions=running.completions,
            tokens=running.tokens,
            approvals=stores.approvals,
            approval_links=ApprovalLinks(stores.secrets.derive("approval links")),
            feed=stores.feed,
            blobs=stores.blobs,
            secrets=stores.secrets,
            connections=stores.connections,
            access=access_of(stores.engine, stores.secrets),
            audit=stores.audit,
            limits=stores.limits,
            oidc=oidc,
            trigger_states=stores.trigger_states,
            samples=samples,
            events=running.events,
            archive=stores.archive,
            replays=stores.replays,
            dead_letters=stores.dead_letters,
            circuits=stores.circuits,
            runner=running.runner,
            bulk_runs=stores.bulk_runs,
            clock=clock,
            settings=settings,
            probes={"database": partial(_ask_database, stores.engine), "cache": stores.redis.ping},
        )
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        webhook = scope["type"] == "http" and scope["path"].startswith("/webhooks/")
        await (receiver if webhook else api)(scope, receive, send)

    return InFlightLimit(app, body_limit=settings.max_body_bytes, largest_body=MAX_BYTES)


async def _ask_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("select 1"))
