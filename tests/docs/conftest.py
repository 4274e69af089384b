"""A live local stage for the commands of the documentation, and a folder to run them in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cli.app import run
from tests.docs.extract import ROOT
from tests.support import stage as stages


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """A running stage on which hello has run once, as for a reader who comes from README.md."""
    with stages.running(tmp_path_factory.mktemp("docs-stage") / "data") as running:
        hello = str(ROOT / "examples" / "hello" / "workflow.yaml")
        assert run(["deploy", hello, "--url", running.url]) == 0
        assert run(["run", "hello", "--input", '{"name": "Ada"}', "--follow", "--url", running.url]) == 0
        yield running


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone holds besides code, so that the commands find the examples and leave nothing behind."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("examples", "events", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    return folder
