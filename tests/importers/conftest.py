"""`pytest tests/importers --update-imports` writes the golden files anew; read the diff before committing."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-imports", action="store_true", help="write the importers' golden files anew")


@pytest.fixture
def update_imports(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-imports"))
