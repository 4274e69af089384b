"""DESIGN §1: a workflow that runs locally gives the same result on LocalStack. Every example and every feature of the
compiler runs on a local stage and on the deployment, and the two are held to each other and to what is written."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.localstack.deployment import Api, Deployment
from tests.localstack.parity.cases import UNKNOWN, Run, Workflow, examples, features
from tests.localstack.parity.departures import told
from tests.localstack.parity.services import serving
from tests.localstack.parity.sides import Observed, named, run_all
from tests.support import stage as stages
from tests.support.openai_server import OpenAIServer

WORKFLOWS = [*examples(), *features()]
RUNS = [pytest.param(*each, id=f"{each[0].name}-{each[1]}") for each in named(WORKFLOWS)]


@pytest.fixture(scope="session")
async def sides(
    deployment: Deployment, models: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Observed, Observed]:
    """What the local stage says, and what the deployment says."""
    local = {
        "MILLRACE_ALLOWED_HOSTS": "127.0.0.1",
        "MILLRACE_DEFAULT_MODEL": "demo:triage",
        "OPENAI_BASE_URL": models.url,
    }
    running = stages.running(tmp_path_factory.mktemp("parity") / "data", **local)
    stage = await asyncio.to_thread(running.__enter__)
    try:
        async with serving(len(WORKFLOWS)) as services:
            return (
                await _observed(stage.url, stage.key, services.addresses),
                await _observed(deployment.url, deployment.key, services.addresses),
            )
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def _observed(url: str, key: str, addresses: list[str]) -> Observed:
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        return await run_all(Api(client), WORKFLOWS, addresses)


def test_there_are_enough_of_them():
    assert len(examples()) >= 4
    assert len(features()) >= 60


@pytest.mark.parametrize(("workflow", "number", "run"), RUNS)
def test_it_ends_in_the_same_way_on_both_sides(
    sides: tuple[Observed, Observed], workflow: Workflow, number: int, run: Run
):
    local, deployed = (side[(workflow.name, number)] for side in sides)

    assert local["status"] == run.status, local["error"]
    assert run.output is UNKNOWN or told_alike(run.output, local["output"])
    assert told(deployed) == told(local)
    assert told_alike(told(deployed), told(local))


def told_alike(one: Any, other: Any) -> bool:
    """The same JSON: Python takes 1 and true for equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
