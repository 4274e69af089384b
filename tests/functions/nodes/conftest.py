"""Nodes run as the state machine calls them, against real servers on loopback. No test reaches a model by accident."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pydantic_ai.models
import pytest

from functions.nodes.http.core import HttpDeps
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.egress import EgressPolicy
from shared.workflow.node_call import NodeCall
from tests.support.hostile import Hostile, hostile_server

EXECUTION = {
    "id": "01930000-0000-7000-8000-0000000000aa",
    "project_id": "01930000-0000-7000-8000-0000000000bb",
    "workflow_id": "01930000-0000-7000-8000-0000000000cc",
    "workflow": "tested",
    "version": 1,
    "correlation_id": "corr-1",
}


@pytest.fixture(autouse=True)
def no_model_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", False)


@pytest.fixture
def node_call() -> Callable[..., NodeCall]:
    def make(
        type_: str, config: dict[str, Any], node: str = "step", attempt: int = 0, iteration: Sequence[int] = ()
    ) -> NodeCall:
        payload = {"node": node, "type": type_, "config": config, "execution": EXECUTION, "attempt": attempt}
        payload["iteration"] = list(iteration)
        return NodeCall.model_validate(payload)

    return make


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with hostile_server() as server:
        yield server


@pytest.fixture
async def http(hostile: Hostile) -> AsyncIterator[HttpDeps]:
    """Dependencies that may call the hostile server and nothing else on loopback, and wait for a second at most."""
    deps = HttpDeps(
        Requester(GuardedClient(EgressPolicy.parse(hostile.url.removeprefix("http://")))), total_seconds=1.0
    )
    yield deps
    await deps.aclose()
