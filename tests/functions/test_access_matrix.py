"""Every operation of the OpenAPI document, as each role, as nobody, and from another project.

A new route is in the document, and so in here: it needs nothing but a line below for a body that its model takes, and
one for a path parameter of a new name.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.approvals.records import Approval
from shared.identity.api_keys import digest_of, new_key
from shared.identity.permissions import PERMISSIONS, Role, permissions_of
from shared.identity.records import DEFAULT_ORGANISATION_ID, ApiKey, Project
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.triggers.events.delivery import undelivered
from shared.triggers.events.records import event_of
from shared.triggers.events.replays import Replay, ReplayStatus
from tests.functions.conftest import BASE_URL, Doors, assert_problem, definition
from tests.functions.test_doors import app_over
from tests.support.stores import Stores, now

DOCUMENT = app_over().openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
GUARDED = sorted(name for name, each in OPERATIONS.items() if each["x-permission"])
SIGNED_IN = ["GET /api/me", "PUT /api/me/password", "GET /api/projects"]
PUBLIC = [
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/logout",
    "POST /api/auth/token",
    "GET /api/auth/providers",
    "POST /api/auth/oidc",
    "GET /.well-known/jwks.json",
    "GET /healthz",
    "GET /readyz",
]
BODIES: dict[str, Any] = {
    "POST /api/workflows": definition("another"),
    "POST /api/workflows/validate": definition(),
    "PUT /api/workflows/{workflow_id}": definition(),
    "POST /api/workflows/{workflow_id}/execute": {"input": {}},
    "POST /api/workflows/import/n8n": {"nodes": [], "connections": {}},
    "POST /api/workflows/{workflow_id}/triggers": {"type": "webhook", "config": {"verification": {"scheme": "none"}}},
    "PUT /api/triggers/{trigger_id}": {"is_active": False},
    "POST /api/connections": {"name": "c", "credentials": {"kind": "bearer", "token": "t", "hosts": ["example.org"]}},
    "PUT /api/connections/{connection_id}": {"name": "d"},
    "POST /api/connections/{connection_id}/test": {},
    "POST /api/connections/{connection_id}/authorize": {},
    "POST /api/members": {"email": "new@example.org", "role": "viewer", "name": "N", "password": "long enough 12"},
    "PUT /api/members/{user_id}": {"role": "viewer"},
    "POST /api/roles": {"name": "auditor", "permissions": ["workflows:read"]},
    "POST /api/keys": {"name": "k", "scopes": ["workflows:read"]},
    "POST /api/projects": {"name": "p"},
    "PUT /api/projects/{project_id}": {"name": "p"},
    "POST /api/triggers/preview": {"type": "schedule", "config": {"cron": "0 9 * * *"}},
    "POST /api/workflows/{workflow_id}/bulk": [{}],
    "POST /api/workflows/{workflow_id}/bulk/check": [{}],
    "POST /api/tasks/success": {"task_token": "t"},
    "POST /api/tasks/failure": {"task_token": "t"},
    "POST /api/tasks/heartbeat": {"task_token": "t"},
    "POST /api/approvals/{approval_id}/decide": {"approved": True},
    "POST /api/events": {"source": "shop", "detail-type": "sold"},
    "POST /api/events/test-pattern": {"pattern": {"source": ["shop"]}, "event": {}},
    "POST /api/events/replays": {
        "name": "r",
        "starts_at": "2026-01-01T00:00:00Z",
        "ends_at": "2026-01-02T00:00:00Z",
        "trigger_ids": [new_id()],
    },
    "POST /api/workflows/{workflow_id}/flow-control/simulate": {"arrivals": [{"at": "2026-01-01T00:00:00Z"}]},
    "POST /api/dead-letters/redrive": {"ids": [new_id()]},
    "POST /api/dead-letters/discard": {"ids": [new_id()]},
}
STREAMS = {"GET /api/executions/{execution_id}/events"}
"""They last as long as the execution, so that they are not read where they are allowed."""


@dataclass
class World:
    """An API with one of everything in the default project, and a key of each role in it and in another one."""

    client: httpx.AsyncClient
    keys: dict[Role, str]
    foreign: str
    ids: dict[str, str]

    async def call(self, name: str, key: str | None) -> httpx.Response:
        method, path = name.split(" ")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self.client.request(method, path.format(**self.ids), json=BODIES.get(name), headers=headers)


@pytest.fixture
async def world(doors: Doors) -> AsyncIterator[World]:
    workflow = await doors.workflow()
    trigger = await doors.trigger(workflow["id"], config={"verification": {"scheme": "none"}})
    started = await doors.api.post(f"/api/workflows/{workflow['id']}/execute", json={"input": {}})
    made = {
        name: (await doors.api.post(f"/api/{name}", json={**BODIES[f"POST /api/{name}"], **fields})).json()
        for name, fields in {
            "connections": {"name": f"c-{new_id()}"},
            "roles": {"name": f"r-{new_id()}"},
            "keys": {},
            "members": {"email": f"{new_id()}@example.org"},
        }.items()
    }
    bulk = await doors.api.post(f"/api/workflows/{workflow['id']}/bulk", json=[{}])
    other = new_id()
    await doors.stores.access.members.create_project(Project(other, DEFAULT_ORGANISATION_ID, "other", now()), None)
    transport = httpx.ASGITransport(doors.api_app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield World(
            client,
            {role: await key_of(doors.stores, DEFAULT_PROJECT_ID, role) for role in Role},
            await key_of(doors.stores, other, Role.OWNER),
            {
                "workflow_id": workflow["id"],
                "version": "1",
                "trigger_id": trigger["id"],
                "execution_id": started.json()["execution_id"],
                "sha256": "f" * 64,
                "connection_id": made["connections"]["id"],
                "role_id": made["roles"]["id"],
                "key_id": made["keys"]["id"],
                "user_id": made["members"]["user_id"],
                "project_id": DEFAULT_PROJECT_ID,
                "approval_id": (await asked(doors.stores)).id,
                "bulk_id": bulk.json()["id"],
                "destination": "api.example.com:443",
                "letter_id": await failed(doors.stores),
                "replay_id": await replayed(doors.stores),
            },
        )


async def asked(stores: Stores) -> Approval:
    ids = {name: new_id() for name in ("id", "execution_id", "workflow_id")}
    approval = Approval(
        **ids,
        project_id=DEFAULT_PROJECT_ID,
        workflow="w",
        node="n",
        title="t",
        description="",
        form_schema=None,
        approvers=["ada@example.org"],
        sealed_token=stores.secrets.encrypt("token"),
        token_digest="d",
        created_at=now(),
    )
    await stores.approvals.ask(approval)
    return approval


async def failed(stores: Stores) -> str:
    """The id of a dead letter."""
    event = event_of({"source": "s", "detail-type": "t"}, project_id=DEFAULT_PROJECT_ID, now=now())
    await stores.events.finish([], [undelivered(event.id, event, None, code="internal", reason="It failed.")], now())
    return (await stores.dead_letters.list(DEFAULT_PROJECT_ID, limit=1)).items[0].id


async def replayed(stores: Stores) -> str:
    """The id of a replay."""
    at, id_ = now(), new_id()
    replay = Replay(id_, DEFAULT_PROJECT_ID, id_, None, [new_id()], at, at, ReplayStatus.RUNNING, at)
    return (await stores.replays.create(replay)).id


async def key_of(stores: Stores, project_id: str, role: Role) -> str:
    text, prefix = new_key()
    scopes = sorted(permissions_of(role))
    key = ApiKey(new_id(), project_id, role, prefix, digest_of(text), scopes, None, now())
    await stores.access.keys.create(key)
    return text


def test_every_operation_declares_what_it_asks_for():
    open_ = [name for name, each in OPERATIONS.items() if not each["x-permission"]]

    assert sorted(open_) == sorted(SIGNED_IN + PUBLIC)
    assert {each["x-permission"] for each in OPERATIONS.values()} - {None} <= PERMISSIONS.keys()
    for name in GUARDED + SIGNED_IN:
        assert "401" in OPERATIONS[name]["responses"], name
        assert OPERATIONS[name]["security"] == [{"bearer": []}], name
    assert all("403" in OPERATIONS[name]["responses"] for name in GUARDED)
    assert [name for name in PUBLIC if "security" in OPERATIONS[name]] == []


@pytest.mark.parametrize("name", GUARDED + SIGNED_IN)
async def test_nobody_is_refused(world: World, name: str):
    answer = await world.call(name, None)

    assert_problem(answer, 401, "auth.unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="millrace"'


@pytest.mark.parametrize("name", GUARDED)
async def test_each_role_does_what_the_table_says_and_no_more(world: World, name: str):
    operation = OPERATIONS[name]
    permission = operation["x-permission"]
    for role in Role:
        if permission not in permissions_of(role):
            problem = assert_problem(await world.call(name, world.keys[role]), 403, "auth.permission_missing")
            assert problem["details"] == {"permission": permission}
        elif name not in STREAMS:
            answer = await world.call(name, world.keys[role])
            assert str(answer.status_code) in operation["responses"], answer.text
            assert answer.status_code not in (401, 403, 500), (role, answer.text)


@pytest.mark.parametrize("name", [name for name in GUARDED if "{" in name])
async def test_what_belongs_to_another_project_is_not_there(world: World, name: str):
    answer = await world.call(name, world.foreign)

    assert_problem(answer, 404, "resource.not_found")


@pytest.mark.parametrize("name", [n for n in GUARDED if n.startswith("GET") and "{" not in n])
async def test_lists_hold_nothing_of_another_project(world: World, name: str):
    answer = await world.call(name, world.foreign)

    own = set(world.ids.values()) - {"1"}
    assert answer.status_code == 200
    assert [each for each in own if each in answer.text] == []


async def test_a_project_takes_a_limit_and_keeps_its_name(world: World):
    headers = {"Authorization": f"Bearer {world.keys[Role.ADMIN]}"}
    target = f"/api/projects/{DEFAULT_PROJECT_ID}"
    had = (await world.client.put(target, json={}, headers=headers)).json()

    bounds = {"max_concurrency": 7, "max_tokens_per_day": 10**9, "max_dollars_per_day": 2.5}
    limited = await world.client.put(target, json=bounds, headers=headers)
    renamed = await world.client.put(target, json={"name": "n"}, headers=headers)
    none = dict.fromkeys(bounds)
    unlimited = await world.client.put(target, json={**none, "name": had["name"]}, headers=headers)

    assert limited.json() == {**had, **bounds}
    assert (renamed.json()["max_concurrency"], renamed.json()["name"]) == (7, "n")
    assert unlimited.json() == {**had, **none}
