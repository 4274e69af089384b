"""The two HTTP functions over real stores, called in this process; and a definition to play with."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from functions.api.app import create_app as create_api
from functions.api.deps import Deps as ApiDeps
from functions.nodes.tool import core as tool
from functions.webhook.app import create_app as create_webhook
from functions.webhook.deps import Deps as WebhookDeps
from local.access import owner_key
from local.tasks import LocalTasks
from shared.adapters.http.oauth2 import OAuth2Grants
from shared.adapters.http.oidc import HttpOidcProviders
from shared.adapters.postgres.engine import Pooled
from shared.adapters.postgres.samples import PostgresWebhookSamples
from shared.approvals.links import ApprovalLinks
from shared.clock import SystemClock
from shared.connections.resolve import Connections
from shared.executions.records import StatusChange
from shared.executions.task_tokens import TaskTokens
from shared.ports import Completions
from shared.settings import Settings
from shared.workflow.node_lambda import NodeServices
from tests.support.stores import Stores

BASE_URL = "http://127.0.0.1:8000"
UNKNOWN_ID = "01a20aa4-93d3-70c1-9a97-cb0fcef4a4be"
"""An id of nothing. Not made anew: processes that share the tests have to give them the same names."""

SCHEMA = {"type": "object", "required": ["body"], "properties": {"body": {"type": "object", "required": ["who"]}}}


class Scripted(Completions):
    """Executions end as `change` says, at once; with None, not in time: nothing runs in this process."""

    def __init__(self) -> None:
        self.change: StatusChange | None = None
        self.asked: list[tuple[str, float]] = []

    async def wait(self, execution_id: str, seconds: float) -> StatusChange | None:
        self.asked.append((execution_id, seconds))
        return self.change


@dataclass
class Doors:
    """Both functions, and what they stand on."""

    api: httpx.AsyncClient
    webhook: httpx.AsyncClient
    api_app: Any
    webhook_app: Any
    stores: Stores
    completions: Scripted

    async def workflow(self, *, active: bool = True, **fields: Any) -> dict[str, Any]:
        """A stored workflow, as the API shows it."""
        created = (await self.api.post("/api/workflows", json=definition(**fields))).raise_for_status().json()
        if active:
            (await self.api.post(f"/api/workflows/{created['id']}/activate")).raise_for_status()
        return created

    async def trigger(self, workflow_id: str, **body: Any) -> dict[str, Any]:
        """A stored webhook trigger, as the API shows it."""
        answer = await self.api.post(f"/api/workflows/{workflow_id}/triggers", json={"type": "webhook", **body})
        return answer.raise_for_status().json()

    async def executions(self, workflow_id: str) -> list[dict[str, Any]]:
        """What was started of the workflow."""
        answer = await self.api.get("/api/executions", params={"workflow_id": workflow_id})
        return answer.raise_for_status().json()["items"]


@pytest.fixture
async def doors(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    """Both functions over empty stores; the API's client signs in as the owner of the default project."""
    async with stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE workflows, execution_events CASCADE"))
    settings, clock = Settings(), SystemClock()
    tools = tool.tool_deps("127.0.0.1")
    grants = OAuth2Grants(tools.requester.client, clock)
    services = NodeServices(connections=Connections(stores.connections, stores.secrets, grants))
    runner = LocalTasks({"${ToolFunctionArn}": partial(tool.run, deps=tools)}, services)
    api_app = create_api(
        ApiDeps(
            stores.workflows,
            stores.triggers,
            stores.executions,
            stores.queue,
            stores.feed,
            stores.secrets,
            clock,
            settings,
            stores.blobs,
            stores.connections,
            stores.completions,
            TaskTokens(stores.secrets.derive("task tokens")),
            stores.approvals,
            ApprovalLinks(stores.secrets.derive("approval links")),
            stores.trigger_states,
            PostgresWebhookSamples(Pooled(stores.engine)),
            stores.events,
            stores.archive,
            stores.replays,
            stores.dead_letters,
            stores.circuits,
            stores.bulk_runs,
            stores.access,
            stores.audit,
            stores.limits,
            HttpOidcProviders(tools.requester.client, {}),
            runner,
        )
    )
    completions = Scripted()
    webhook_app = create_webhook(
        WebhookDeps(
            stores.triggers,
            stores.queue,
            completions,
            stores.secrets,
            clock,
            settings,
            stores.limits,
            stores.blobs,
            PostgresWebhookSamples(Pooled(stores.engine)),
        )
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(tools.aclose)
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL))
            for app in (api_app, webhook_app)
        ]
        key = await owner_key(stores.access, tmp_path_factory.mktemp("owner") / "owner.key")
        clients[0].headers["Authorization"] = f"Bearer {key}"
        yield Doors(*clients, api_app, webhook_app, stores, completions)


def definition(name: str = "greet", **fields: Any) -> dict[str, Any]:
    """A valid definition of one node."""
    node = {"id": "hello", "type": "transform", "config": {"output": "{% $input.body %}"}}
    return {"name": name, "settings": {"optimize": False}, "nodes": [node], "output": "{% $hello %}", **fields}


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal that has this status and code."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"https://millrace.dev/errors/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["correlation_id"] == response.headers["x-correlation-id"]
    assert "Traceback" not in response.text
    return problem
