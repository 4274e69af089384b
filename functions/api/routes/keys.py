"""API keys of the project, and the caller's projects."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from functions.api.access import Caller, identified, requires, signed_in
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.identity import ChangedProject, CreateKey, KeyOut, NamedProject, NewKeyOut, ProjectOut
from functions.api.requests import Id, JsonRoute
from shared.errors import InvalidParameter, NotFound
from shared.identity.api_keys import digest_of, new_key
from shared.identity.permissions import Role, unknown
from shared.identity.principal import Principal, across_projects
from shared.identity.records import ApiKey, Membership, Project
from shared.identity.signing_in import Identity
from shared.ids import new_id

router = APIRouter(prefix="/api", tags=["access"], route_class=JsonRoute)


@router.get("/keys", dependencies=[requires("keys:read")], responses=documented())
async def list_keys(deps: Wired) -> Listed[KeyOut]:
    """The project's keys, newest first, revoked ones included; never the keys themselves."""
    found = await deps.access.keys.list(deps.project_id)
    return Listed(items=[KeyOut.of(each) for each in found], next_cursor=None)


@router.post("/keys", status_code=201, dependencies=[requires("keys:write")], responses=documented(400, 413))
async def create_key(body: CreateKey, response: Response, caller: Caller, deps: Wired) -> NewKeyOut:
    """Makes a key with permissions that the caller has. The answer is the only place that ever holds it."""
    text, prefix = new_key()
    key = ApiKey(
        id=new_id(),
        project_id=deps.project_id,
        name=body.name,
        prefix=prefix,
        digest=digest_of(text),
        scopes=_scopes(body, caller),
        created_by=caller.id,
        created_at=deps.clock.now(),
        expires_at=body.expires_at,
    )
    await deps.access.keys.create(key)
    response.headers.update({"Location": f"/api/keys/{key.id}", "Cache-Control": "no-store"})
    return NewKeyOut(**KeyOut.of(key).model_dump(), key=text)


@router.delete("/keys/{key_id}", status_code=204, dependencies=[requires("keys:write")], responses=documented(404))
async def revoke_key(key_id: Id, deps: Wired) -> None:
    """Lets the key in no more, nor the tokens that were made with it."""
    if not await deps.access.keys.revoke(deps.project_id, key_id, deps.clock.now()):
        raise NotFound(f"There is no key '{key_id[:64]}'. GET /api/keys lists those that are.")


@router.get("/projects", dependencies=[signed_in()], responses=documented())
async def list_projects(deps: Wired, identity: Annotated[Identity, Depends(identified)]) -> Listed[ProjectOut]:
    """The caller's projects, oldest first."""
    found = await deps.access.members.projects(sorted(identity.grants))
    return Listed(items=[ProjectOut.of(each) for each in found], next_cursor=None)


@router.post("/projects", status_code=201, dependencies=[requires("projects:create")], responses=documented(400, 413))
async def create_project(body: NamedProject, caller: Caller, deps: Wired) -> ProjectOut:
    """Makes a project of the same organisation. The caller, or who made the caller's key, is its owner."""
    (current,) = await deps.access.members.projects([deps.project_id])
    now = deps.clock.now()
    project = Project(new_id(), current.organisation_id, body.name, now)
    owner = await _user_behind(deps, caller)
    with across_projects():
        await deps.access.members.create_project(project, Membership(project.id, owner, Role.OWNER, now))
    return ProjectOut.of(project)


@router.put("/projects/{project_id}", dependencies=[requires("project:write")], responses=documented(400, 404, 413))
async def change_project(project_id: Id, body: ChangedProject, deps: Wired) -> ProjectOut:
    """Renames the project of this request, or bounds what it may do at once and in a day (null: no limit)."""
    if project_id != deps.project_id:
        raise NotFound(f"There is no project '{project_id[:64]}' here. This request is for {deps.project_id}.")
    (project,) = await deps.access.members.projects([project_id])
    given = body.model_dump(exclude_unset=True)
    project = replace(project, **given | {"name": body.name or project.name})
    await deps.access.members.change_project(project)
    return ProjectOut.of(project)


def _scopes(body: CreateKey, caller: Principal) -> list[str]:
    if body.scopes is None:
        return sorted(caller.permissions)
    if strange := unknown(body.scopes):
        raise InvalidParameter(f"There is no permission '{strange[0][:64]}'. GET /api/roles lists those that are.")
    caller.check_grant(frozenset(body.scopes))
    return sorted(set(body.scopes))


async def _user_behind(deps: Deps, caller: Principal) -> str:
    """The user who calls, or who made the key that calls."""
    if caller.kind == "user":
        return caller.id
    keys = {each.id: each for each in await deps.access.keys.list(deps.project_id)}
    creator = keys[caller.id].created_by
    user = await deps.access.members.user(creator) if creator else None
    if user is None:
        raise InvalidParameter("Nobody is behind this key who could own the project. Sign in as a user.")
    return user.id
