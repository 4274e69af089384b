"""Connections: named credentials for other services, which nodes name and never see."""

import time
from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter, Response

from functions.api.access import requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.connections import (
    ConnectionOut,
    ConnectionTested,
    CreateConnection,
    TestConnection,
    UpdateConnection,
)
from functions.api.requests import Id, JsonRoute, checked_id
from shared.connections.kinds import credentials_of, public, revealed
from shared.connections.records import Connection
from shared.errors import NotFound
from shared.ids import new_id
from shared.ports import TaskCall, TaskFailed

router = APIRouter(prefix="/api/connections", tags=["connections"], route_class=JsonRoute)


@router.get("", dependencies=[requires("connections:read")], responses=documented())
async def list_connections(deps: Wired) -> Listed[ConnectionOut]:
    """The project's connections by name, without their secrets."""
    found = await deps.connections.list(deps.project_id)
    return Listed(items=[ConnectionOut.of(each) for each in found], next_cursor=None)


@router.post("", status_code=201, dependencies=[requires("connections:write")], responses=documented(400, 409, 413))
async def create_connection(body: CreateConnection, response: Response, deps: Wired) -> ConnectionOut:
    """Keeps credentials under a name, encrypted. Nodes use them by `connection: <name>`."""
    now = deps.clock.now()
    connection = Connection(
        id=new_id(),
        project_id=deps.project_id,
        name=body.name,
        **_sealed(deps, body.credentials),
        created_at=now,
        updated_at=now,
    )
    await deps.connections.create(connection)
    response.headers["Location"] = f"/api/connections/{connection.id}"
    return ConnectionOut.of(connection)


@router.get("/{connection_id}", dependencies=[requires("connections:read")], responses=documented(404))
async def get_connection(connection_id: Id, deps: Wired) -> ConnectionOut:
    """One connection, without its secrets."""
    return ConnectionOut.of(await _found(deps, connection_id))


@router.put("/{connection_id}", dependencies=[requires("connections:write")], responses=documented(400, 404, 409, 413))
async def update_connection(connection_id: Id, body: UpdateConnection, deps: Wired) -> ConnectionOut:
    """Changes what is given; the next call of every node that names it uses the new credentials."""
    had = await _found(deps, connection_id)
    changes = {} if body.credentials is None else _sealed(deps, body.credentials)
    changed = replace(had, name=body.name or had.name, **changes, updated_at=deps.clock.now())
    await deps.connections.update(changed)
    return ConnectionOut.of(changed)


@router.delete(
    "/{connection_id}", status_code=204, dependencies=[requires("connections:write")], responses=documented(404)
)
async def delete_connection(connection_id: Id, deps: Wired) -> None:
    """Removes it; nodes that name it fail with `ConnectionUnusable` from then on."""
    found = await _found(deps, connection_id)
    await deps.connections.delete(deps.project_id, found.id)


@router.post("/{connection_id}/test", dependencies=[requires("connections:write")], responses=documented(400, 404, 413))
async def test_connection(connection_id: Id, body: TestConnection, deps: Wired) -> ConnectionTested:
    """Asks the service whether it takes the credentials. That it does not is an answer too: `ok` is false then."""
    connection = await _found(deps, connection_id)
    began = time.perf_counter()
    try:
        found = await deps.runner.run(_test_call(connection, body))
        outcome: dict[str, Any] = {"ok": True, "checked": found["Payload"]["output"]["checked"]}
    except TaskFailed as failure:
        outcome = {"ok": False, "error": failure.error, "message": _message(failure.cause)}
    return ConnectionTested(**outcome, duration_ms=round((time.perf_counter() - began) * 1000, 1))


def _test_call(connection: Connection, body: TestConnection) -> TaskCall:
    """Credentials are resolved in the function of tools, not here."""
    execution = {
        "id": connection.id,
        "project_id": connection.project_id,
        "workflow_id": connection.id,
        "workflow": "",
        "version": 0,
        "correlation_id": f"connection:{connection.id}",
    }
    config = {"tool": "connection.test", "connection": connection.name, "arguments": body.model_dump()}
    payload = {"node": "test", "type": "tool", "config": config, "execution": execution}
    arguments = {"FunctionName": "${ToolFunctionArn}", "Payload": payload}
    resource = "arn:aws:states:::lambda:invoke"
    return TaskCall(connection.id, connection.project_id, "test", resource, arguments, 0)


def _message(cause: str) -> str:
    try:
        return str(orjson.loads(cause)["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "The test could not be made."


async def _found(deps: Deps, connection_id: str) -> Connection:
    connection = await deps.connections.get(deps.project_id, checked_id("connection", connection_id))
    if connection is None:
        raise NotFound(f"There is no connection '{connection_id}'. GET /api/connections lists those that are.")
    return connection


def _sealed(deps: Deps, given: dict[str, Any]) -> dict[str, Any]:
    credentials = credentials_of(given)
    sealed = deps.secrets.encrypt(orjson.dumps(revealed(credentials)).decode())
    return {"kind": credentials.kind, "public": public(credentials), "sealed": sealed}
