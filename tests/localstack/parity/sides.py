"""One side of the comparison: the workflows created, activated and started at once, then read when all have ended."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.localstack.deployment import Api, until
from tests.localstack.parity.cases import Run, Workflow

AT_ONCE = 3
"""Requests: each one more is another process of the API's function, which takes a second of a processor to start."""
SECONDS = 300
PREFIX = "parity-"
"""Of the workflows' names: other tests create the examples, too."""

Observed = dict[tuple[str, int], dict[str, Any]]
"""What the API says of an execution, by the workflow's name and the number of its run."""


async def run_all(api: Api, workflows: Sequence[Workflow], addresses: Sequence[str]) -> Observed:
    """Runs every workflow of a stage, and decides about its approvals meanwhile."""
    gate = asyncio.Semaphore(AT_ONCE)
    started: dict[str, tuple[str, int]] = {}
    decisions: dict[str, dict[str, Any]] = {}

    async def start(workflow: Workflow, address: str) -> None:
        async with gate:
            made = await _active(api, workflow, address)
            for number, run in enumerate(workflow.runs):
                execution_id = await api.start(made, run.input)
                started[execution_id] = (workflow.name, number)
                if run.decide is not None:
                    decisions[execution_id] = {"by": "ada", **run.decide}

    await asyncio.gather(*map(start, workflows, addresses))
    await _ended(api, set(started), decisions)

    async def read(execution_id: str) -> dict[str, Any]:
        async with gate:
            found: dict[str, Any] = await api.get(f"api/executions/{execution_id}")
            return found

    return dict(zip(started.values(), await asyncio.gather(*map(read, started)), strict=True))


async def _active(api: Api, workflow: Workflow, address: str) -> dict[str, Any]:
    document = workflow.at(address)
    if workflow.n8n:
        imported = await api.http.post("api/workflows/import/n8n", json=document)
        assert imported.status_code == 200, imported.text
        document = imported.json()["definition"]
    try:
        return await api.active({**document, "name": PREFIX + workflow.name})
    except AssertionError as error:
        raise AssertionError(f"{workflow.name} is refused: {error}") from None


async def _ended(api: Api, started: set[str], decisions: dict[str, dict[str, Any]]) -> None:
    async def look() -> bool:
        open_ = {each["id"] for status in ("queued", "running") for each in await _listed(api, status)} & started
        if decisions.keys() & open_:
            await _decide(api, decisions)
        return not open_

    await until(look, SECONDS)


async def _listed(api: Api, status: str) -> list[Any]:
    listed: list[Any] = (await api.get(f"api/executions?status={status}&limit=100"))["items"]
    return listed


async def _decide(api: Api, decisions: dict[str, dict[str, Any]]) -> None:
    for approval in (await api.get("api/approvals?limit=100"))["items"]:
        decision = decisions.get(approval["execution_id"])
        if decision is not None and approval["status"] == "pending":
            answer = await api.http.post(f"api/approvals/{approval['id']}/decide", json=decision)
            assert answer.status_code == 200, answer.text


def named(workflows: Sequence[Workflow]) -> list[tuple[Workflow, int, Run]]:
    """Every run of every workflow."""
    return [(workflow, number, run) for workflow in workflows for number, run in enumerate(workflow.runs)]
