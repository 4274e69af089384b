"""A local stage in its own process, one a session."""

from collections.abc import Iterator

import pytest

from tests.support import stage as stages


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """A running stage on a data folder of its own."""
    with stages.running(tmp_path_factory.mktemp("stage") / "data") as running:
        yield running
