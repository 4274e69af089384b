"""Connections: named credentials for other services, which nodes name and never see."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from functions.api.access import requires
from functions.api.connection_test import tried
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.connections import (
    AuthorizeConnection,
    ConnectionOut,
    ConnectionTested,
    CreateConnection,
    TestConnection,
    UpdateConnection,
)
from functions.api.pages.authorising import LASTS, ask, state_of
from functions.api.requests import Id, JsonRoute, checked_id
from shared.connections.kinds import credentials_of
from shared.connections.records import Connection
from shared.connections.sealing import sealed
from shared.errors import NotFound
from shared.ids import new_id

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
        **sealed(deps.secrets, credentials_of(body.credentials)),
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
    changes: dict[str, Any] = {"updated_at": deps.clock.now()}
    if body.name is not None:
        changes["name"] = body.name
    if body.credentials is not None:
        changes |= {**sealed(deps.secrets, credentials_of(body.credentials)), "grant": None}

    async def change(connection: Connection) -> Connection:
        return replace(connection, **changes)

    return ConnectionOut.of(await deps.connections.update(deps.project_id, had.id, change) or had)


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
    return await tried(deps.runner, await _found(deps, connection_id), body.model_dump())


@router.post("/{connection_id}/authorize", dependencies=[requires("connections:write")], responses=documented(404, 409))
async def authorize_connection(connection_id: Id, request: Request, deps: Wired) -> AuthorizeConnection:
    """A link for the person whose access an `oauth2_authorization_code` connection is to have; good for 10 minutes.

    Register `redirect_uri` with the service first.
    """
    base = str(request.base_url).rstrip("/")
    asked = ask(await _found(deps, connection_id), base, deps.clock.now())
    link = f"{base}/oauth/start?{urlencode({'state': state_of(deps.secrets, asked)})}"
    return AuthorizeConnection(url=link, redirect_uri=asked.redirect_uri, expires_in=int(LASTS.total_seconds()))


async def _found(deps: Deps, connection_id: str) -> Connection:
    connection = await deps.connections.get(deps.project_id, checked_id("connection", connection_id))
    if connection is None:
        raise NotFound(f"There is no connection '{connection_id}'. GET /api/connections lists those that are.")
    return connection
