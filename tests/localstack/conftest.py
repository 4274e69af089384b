"""One emulator of AWS a session, and one deployment of the product on it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiohttp import web

from shared.adapters.local.embedded_postgres import DATABASE
from tests.localstack import emulator
from tests.localstack.deployment import Api, Deployment, deploy
from tests.localstack.door import Door, in_front_of
from tests.localstack.emulator import Emulator
from tests.localstack.parity.services import scripted
from tests.support.openai_server import OpenAIServer, openai_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is of this tier, and has time for the start of LocalStack; permissions are looked at
    when all others have used them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.localstack)
            item.add_marker(pytest.mark.timeout(500))
    items.sort(key=lambda item: item.path.name == "test_permissions.py")


@pytest.fixture(scope="session")
def localstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator of `LOCALSTACK_ENDPOINT`, or one that is started here."""
    if found := emulator.given():
        yield found
        return
    with emulator.started(tmp_path_factory.mktemp("localstack")) as running:
        yield running


@pytest.fixture(scope="session")
def aws(localstack: Emulator) -> Callable[[str], Any]:
    """Gives the boto3 client of a service."""
    return localstack.client


@pytest.fixture(scope="session")
def empty_database(_postgres_server: str) -> str:
    """The URL of a database that only the deployment's own migrations fill."""
    with psycopg.connect(_postgres_server.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE deployed TEMPLATE template0")
    return _postgres_server.replace(f"/{DATABASE}?", "/deployed?")


@pytest.fixture(scope="session")
def door(empty_database: str) -> Iterator[tuple[Door, str]]:
    """What stands between the deployment and its database, and the URL that goes through it."""
    with in_front_of(empty_database) as made:
        yield made


@pytest.fixture(scope="session")
async def models() -> AsyncIterator[OpenAIServer]:
    """The model server that the agents of the deployment ask; prompts may say what it answers."""
    async with openai_server() as server:
        server.otherwise = scripted
        yield server


@pytest.fixture(scope="session")
async def echo() -> AsyncIterator[str]:
    """The address of a service on loopback that answers with what it gets, as `body`."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"body": await request.json()})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="session")
def deployment(
    localstack: Emulator,
    door: tuple[Door, str],
    redis_url: str,
    models: OpenAIServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Deployment:
    """Every stack, deployed once a session."""
    context = {
        "database_url": door[1],
        "redis_url": redis_url,
        "allowed_hosts": "127.0.0.1",
        "openai_base_url": models.url,
        "default_model": "demo:triage",
    }
    return deploy(localstack, tmp_path_factory.mktemp("deployment"), context)


@pytest.fixture
async def api(deployment: Deployment) -> AsyncIterator[Api]:
    """The deployed REST API, called by the owner."""
    headers = {"Authorization": f"Bearer {deployment.key}"}
    async with httpx.AsyncClient(base_url=deployment.url, headers=headers, timeout=60) as client:
        yield Api(client)
