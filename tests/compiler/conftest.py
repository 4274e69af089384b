"""`pytest tests/compiler --update-goldens` writes the golden files anew; read the diff before committing."""

from collections.abc import Iterator

import pytest

from tests.support.asl_validators import AslValidators, asl_validators


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the compiler's golden files anew")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture(scope="session")
def validators() -> Iterator[AslValidators]:
    """The validators of ASL that others wrote."""
    with asl_validators() as ready:
        yield ready
