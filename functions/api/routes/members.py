"""Who works in the project, as what; and the project's own roles.

Nobody gives away what they do not have: neither by a role, nor by changing somebody who has more.
"""

from fastapi import APIRouter, Response

from functions.api.access import Caller, requires
from functions.api.deps import Deps, Wired
from functions.api.errors import documented
from functions.api.models.common import Listed
from functions.api.models.identity import AddMember, ChangeMember, CreateRole, MemberOut, RoleOut
from functions.api.requests import Id, JsonRoute
from shared.errors import Conflict, InvalidParameter, NotFound
from shared.identity.permissions import Role, granted, permissions_of, unknown
from shared.identity.principal import across_projects
from shared.identity.records import CustomRole, Membership, User
from shared.ids import new_id

router = APIRouter(prefix="/api", tags=["access"], route_class=JsonRoute)


@router.get("/members", dependencies=[requires("members:read")], responses=documented())
async def list_members(deps: Wired) -> Listed[MemberOut]:
    """Everybody in the project, oldest first."""
    found = await deps.access.members.members(deps.project_id)
    return Listed(items=[MemberOut.of(*each) for each in found], next_cursor=None)


@router.post("/members", status_code=201, dependencies=[requires("members:write")], responses=documented(400, 409, 413))
async def add_member(body: AddMember, response: Response, caller: Caller, deps: Wired) -> MemberOut:
    """Adds somebody by e-mail address. Who has no account yet gets one, with `name` and `password`."""
    caller.check_grant(await _permissions(deps, body.role))
    with across_projects():  # the account may be one that only other projects see
        user = await deps.access.members.user_by_email(body.email)
        user = user or await _new_user(deps, body)
    if any(each.user_id == user.id for each, _ in await deps.access.members.members(deps.project_id)):
        raise Conflict(f"'{body.email}' is a member already. Change the role with PUT /api/members/{user.id}.")
    membership = Membership(deps.project_id, user.id, body.role, deps.clock.now())
    await deps.access.members.put_membership(membership)
    response.headers["Location"] = f"/api/members/{user.id}"
    return MemberOut.of(membership, user)


@router.put(
    "/members/{user_id}", dependencies=[requires("members:write")], responses=documented(400, 403, 404, 409, 413)
)
async def change_member(user_id: Id, body: ChangeMember, caller: Caller, deps: Wired) -> MemberOut:
    """Gives a member another role. Keys that they made and that could do more are revoked."""
    membership, user = await _found(deps, user_id)
    had, gets = await _permissions(deps, membership.role), await _permissions(deps, body.role)
    caller.check_grant(had | gets)
    await _keep_an_owner(deps, membership, body.role)
    changed = Membership(deps.project_id, user.id, body.role, membership.created_at)
    await deps.access.members.put_membership(changed)
    if had - gets:
        await deps.access.keys.revoke_of(deps.project_id, user.id, deps.clock.now())
    return MemberOut.of(changed, user)


@router.delete(
    "/members/{user_id}",
    status_code=204,
    dependencies=[requires("members:write")],
    responses=documented(403, 404, 409),
)
async def remove_member(user_id: Id, caller: Caller, deps: Wired) -> None:
    """Ends a membership and revokes the keys that the member made in this project; the account stays."""
    membership, user = await _found(deps, user_id)
    caller.check_grant(await _permissions(deps, membership.role))
    await _keep_an_owner(deps, membership, None)
    await deps.access.members.remove_membership(deps.project_id, user.id)
    await deps.access.keys.revoke_of(deps.project_id, user.id, deps.clock.now())


@router.delete(
    "/members/{user_id}/identities",
    status_code=204,
    dependencies=[requires("members:write", audited="member.identities_forgotten")],
    responses=documented(403, 404),
)
async def forget_identities(user_id: Id, caller: Caller, deps: Wired) -> None:
    """Forgets who the member is at the providers that they signed in through. At the next sign-in their verified
    address counts again: for somebody who has a new account there."""
    membership, user = await _found(deps, user_id)
    caller.check_grant(await _permissions(deps, membership.role))
    with across_projects():
        await deps.access.members.unbind(user.id)


@router.get("/roles", dependencies=[requires("roles:read")], responses=documented())
async def list_roles(deps: Wired) -> Listed[RoleOut]:
    """The built-in roles, then the project's own, each with its permissions."""
    built_in = [RoleOut(id=None, name=r, permissions=sorted(permissions_of(r)), created_at=None) for r in Role]
    own = [RoleOut.of(each) for each in await deps.access.members.roles(deps.project_id)]
    return Listed(items=built_in + own, next_cursor=None)


@router.post("/roles", status_code=201, dependencies=[requires("roles:write")], responses=documented(400, 409, 413))
async def create_role(body: CreateRole, caller: Caller, deps: Wired) -> RoleOut:
    """Makes a role of the project's own, of permissions that the caller has."""
    if body.name in [*Role]:
        raise Conflict(f"'{body.name}' is a built-in role. Choose another name.")
    if strange := unknown(body.permissions):
        raise InvalidParameter(f"There is no permission '{strange[0][:64]}'. GET /api/roles lists those that are.")
    caller.check_grant(frozenset(body.permissions))
    permissions = sorted(set(body.permissions))
    role = CustomRole(new_id(), deps.project_id, body.name, permissions, deps.clock.now())
    await deps.access.members.create_role(role)
    return RoleOut.of(role)


@router.delete(
    "/roles/{role_id}", status_code=204, dependencies=[requires("roles:write")], responses=documented(404, 409)
)
async def delete_role(role_id: Id, deps: Wired) -> None:
    """Removes a role of the project's own that no member has."""
    if not await deps.access.members.delete_role(deps.project_id, role_id):
        raise NotFound(f"There is no role '{role_id[:64]}' of the project's own. GET /api/roles lists those that are.")


async def _permissions(deps: Deps, role: str) -> frozenset[str]:
    """What a role may do. Raises InvalidParameter where there is none of this name."""
    if role in [*Role]:
        return permissions_of(Role(role))
    own = {each.name: each for each in await deps.access.members.roles(deps.project_id)}
    if role not in own:
        allowed = ", ".join([*Role, *own])
        raise InvalidParameter(f"There is no role '{role}'. Allowed: {allowed}.")
    return granted(own[role].permissions)


async def _new_user(deps: Deps, body: AddMember) -> User:
    if body.name is None or body.password is None:
        raise InvalidParameter(
            f"'{body.email}' has no account yet. Send `name` and `password` too; the password can be changed by "
            "PUT /api/me/password."
        )
    password_hash = await deps.access.passwords.hash(body.password.get_secret_value())
    user = User(new_id(), body.email.lower(), body.name, password_hash, deps.clock.now())
    await deps.access.members.create_user(user)
    return user


async def _found(deps: Deps, user_id: str) -> tuple[Membership, User]:
    for membership, user in await deps.access.members.members(deps.project_id):
        if user.id == user_id:
            return membership, user
    raise NotFound(f"There is no member '{user_id[:64]}'. GET /api/members lists those that are.")


async def _keep_an_owner(deps: Deps, membership: Membership, role: str | None) -> None:
    """Raises Conflict where the project's last owner would be none any more."""
    if membership.role != Role.OWNER or role == Role.OWNER:
        return
    owners = [each for each, _ in await deps.access.members.members(deps.project_id) if each.role == Role.OWNER]
    if len(owners) == 1:
        raise Conflict("This is the project's last owner. Make somebody else an owner first.")
