"""Members, roles and keys: nobody gives away, or takes, what they do not have."""

from collections.abc import AsyncIterator

import httpx
import pytest

from shared.identity.permissions import Role, permissions_of
from shared.identity.records import Membership, User
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import BASE_URL, Doors, assert_problem
from tests.functions.test_access_matrix import key_of
from tests.support.stores import now

MISSING = "auth.permission_missing"


@pytest.fixture
async def admin(doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    """A client with what an admin may do."""
    key = await key_of(doors.stores, DEFAULT_PROJECT_ID, Role.ADMIN)
    transport = httpx.ASGITransport(doors.api_app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as client:
        yield client


async def member(doors: Doors, role: str) -> str:
    user = User(new_id(), f"{new_id()}@example.org", "M", None, now())
    await doors.stores.access.members.create_user(user)
    await doors.stores.access.members.put_membership(Membership(DEFAULT_PROJECT_ID, user.id, role, now()))
    return user.id


async def test_nobody_gives_more_than_they_have(doors: Doors, admin: httpx.AsyncClient):
    new = {"email": f"{new_id()}@example.org", "name": "N", "password": "long enough 12"}
    viewer = await member(doors, Role.VIEWER)

    for answer in (
        await admin.post("/api/members", json={**new, "role": "owner"}),
        await admin.put(f"/api/members/{viewer}", json={"role": "owner"}),
        await admin.post("/api/roles", json={"name": f"r-{new_id()}", "permissions": ["projects:create"]}),
        await admin.post("/api/keys", json={"name": "k", "scopes": ["projects:create"]}),
    ):
        assert_problem(answer, 403, MISSING)

    assert (await admin.post("/api/members", json={**new, "role": "admin"})).status_code == 201
    own = (await admin.post("/api/keys", json={"name": "k"})).json()
    assert set(own["scopes"]) == permissions_of(Role.ADMIN)


async def test_nobody_touches_who_has_more(doors: Doors, admin: httpx.AsyncClient):
    owner = await member(doors, Role.OWNER)

    assert_problem(await admin.put(f"/api/members/{owner}", json={"role": "viewer"}), 403, MISSING)
    assert_problem(await admin.delete(f"/api/members/{owner}"), 403, MISSING)
    assert (await doors.api.delete(f"/api/members/{owner}")).status_code == 204


async def test_the_last_owner_stays(doors: Doors):
    members = (await doors.api.get("/api/members")).json()["items"]
    owners = [each["user_id"] for each in members if each["role"] == "owner"]
    for user_id in owners[1:]:
        await doors.api.delete(f"/api/members/{user_id}")

    assert_problem(await doors.api.delete(f"/api/members/{owners[0]}"), 409, "resource.conflict")
    assert_problem(await doors.api.put(f"/api/members/{owners[0]}", json={"role": "admin"}), 409, "resource.conflict")


async def test_who_loses_a_role_loses_the_keys_that_were_made_with_it(doors: Doors):
    editor = await member(doors, Role.EDITOR)
    token = await doors.stores.access.tokens.sign({"sub": editor, "kind": "user"})
    headers = {"Authorization": f"Bearer {token}"}
    assert (await doors.api.get("/api/workflows", headers=headers)).status_code == 200

    assert (await doors.api.put(f"/api/members/{editor}", json={"role": "viewer"})).status_code == 200

    answer = await doors.api.post("/api/connections", json={}, headers=headers)
    assert_problem(answer, 403, MISSING)
