"""One emulator of AWS a session, and one deployment of the product on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest

from shared.adapters.local.embedded_postgres import DATABASE
from tests.localstack import emulator
from tests.localstack.deployment import Deployment, deploy
from tests.localstack.emulator import REGION, Emulator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is of this tier, and has time for the start of LocalStack."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.localstack)
            item.add_marker(pytest.mark.timeout(500))


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
    session = boto3.Session("test", "test", region_name=REGION)
    return lambda service: session.client(service, endpoint_url=localstack.endpoint)


@pytest.fixture(scope="session")
def empty_database(_postgres_server: str) -> str:
    """The URL of a database that only the deployment's own migrations fill."""
    with psycopg.connect(_postgres_server.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE deployed TEMPLATE template0")
    return _postgres_server.replace(f"/{DATABASE}?", "/deployed?")


@pytest.fixture(scope="session")
def deployment(
    localstack: Emulator, empty_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """Every stack, deployed once a session."""
    folder = tmp_path_factory.mktemp("deployment")
    return deploy(localstack, folder, database_url=empty_database, redis_url=redis_url, hosts="127.0.0.1")


@pytest.fixture(scope="session")
def api(deployment: Deployment) -> Iterator[httpx.Client]:
    """The deployed REST API, called by the owner."""
    headers = {"Authorization": f"Bearer {deployment.key}"}
    with httpx.Client(base_url=deployment.url, headers=headers, timeout=60) as client:
        yield client
