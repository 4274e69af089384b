"""One emulator of AWS a session."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.localstack import emulator
from tests.localstack.emulator import REGION, Emulator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder is of this tier, and has time for the start of LocalStack."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.localstack)
            item.add_marker(pytest.mark.timeout(300))


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
