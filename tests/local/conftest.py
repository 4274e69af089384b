"""A local stage in its own process, one a session."""

from collections.abc import AsyncIterator, Iterator

import pytest

from local.web import bind, serving, url_of
from tests.support import stage as stages
from tests.support.calls import Switch


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """A running stage on a data folder of its own."""
    with stages.running(tmp_path_factory.mktemp("stage") / "data") as running:
        yield running


@pytest.fixture
async def service() -> AsyncIterator[tuple[Switch, str]]:
    """A service for workflows to call, and its address."""
    receiver, listener = Switch(), bind("127.0.0.1", 0)
    async with serving(receiver, listener):
        yield receiver, url_of(listener)
