"""Signing in and staying signed in: passwords, refresh tokens that rotate, machines, and who guesses."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from shared.identity.api_keys import digest_of
from shared.identity.login import FREE_FAILURES, REFRESH_LIFETIME, WRONG, log_in, refresh
from shared.identity.permissions import Role
from shared.identity.principal import acting_project
from shared.identity.records import Membership, User
from shared.identity.signing_in import REFUSED
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import Doors, assert_problem
from tests.support.stores import now

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """Somebody with a password."""

    doors: Doors
    user: User

    async def post(self, what: str, **body: str):
        return await self.doors.api.post(f"/api/auth/{what}", json=body, headers={"Authorization": ""})

    async def log_in(self, password: str = PASSWORD):
        return await self.post("login", email=self.user.email, password=password)

    async def tokens(self) -> tuple[str, str]:
        found = (await self.log_in()).raise_for_status().json()
        return found["access_token"], found["refresh_token"]

    async def may(self, token: str) -> int:
        return (await self.doors.api.get("/api/workflows", headers={"Authorization": f"Bearer {token}"})).status_code


@pytest.fixture
async def ada(doors: Doors) -> Person:
    access = doors.stores.access
    user = User(new_id(), f"{new_id()}@example.org", "Ada", await access.passwords.hash(PASSWORD), now())
    await access.members.create_user(user)
    await access.members.put_membership(Membership(DEFAULT_PROJECT_ID, user.id, Role.VIEWER, now()))
    return Person(doors, user)


async def test_a_password_gives_tokens_that_let_in(ada: Person):
    access, renewed = await ada.tokens()

    answer = await ada.post("refresh", refresh_token=renewed)

    assert await ada.may(access) == 200
    assert answer.headers["cache-control"] == "no-store"
    assert await ada.may(answer.json()["access_token"]) == 200
    assert acting_project.get() is None


async def test_a_refresh_token_that_comes_twice_ends_its_family_and_no_other(ada: Person):
    _, first = await ada.tokens()
    _, elsewhere = await ada.tokens()
    second = (await ada.post("refresh", refresh_token=first)).json()["refresh_token"]

    again = await ada.post("refresh", refresh_token=first)

    assert assert_problem(again, 401, "auth.unauthenticated")["detail"] == REFUSED
    assert_problem(await ada.post("refresh", refresh_token=second), 401, "auth.unauthenticated")
    assert (await ada.post("refresh", refresh_token=elsewhere)).status_code == 200


async def test_of_many_uses_at_once_one_is_the_first_and_the_family_ends(ada: Person):
    _, token = await ada.tokens()

    answers = await asyncio.gather(*(ada.post("refresh", refresh_token=token) for _ in range(8)))

    won = [each.json()["refresh_token"] for each in answers if each.status_code == 200]
    assert len(won) <= 1  # none where the family ended before the next token was made
    for each in won:
        assert_problem(await ada.post("refresh", refresh_token=each), 401, "auth.unauthenticated")


@pytest.mark.parametrize("revoked_first", [True, False])
async def test_a_family_that_ends_while_its_next_token_is_made_has_no_next_token(stores, ada: Person, revoked_first):
    _, token = await ada.tokens()
    used, _ = await stores.access.sessions.use(digest_of(token), now())
    following = replace(used, id=new_id(), digest=new_id(), used_at=None)
    steps = [
        lambda: stores.access.sessions.use(digest_of(token), now()),
        lambda: stores.access.sessions.keep(following),
    ]

    for step in steps if revoked_first else reversed(steps):
        await step()

    found, _ = await stores.access.sessions.use(following.digest, now())
    assert found is None if revoked_first else found.revoked_at is not None


async def test_signing_out_ends_the_family(ada: Person):
    _, token = await ada.tokens()

    assert (await ada.post("logout", refresh_token=token)).status_code == 204

    assert_problem(await ada.post("refresh", refresh_token=token), 401, "auth.unauthenticated")
    assert (await ada.post("logout", refresh_token="unknown")).status_code == 204


class Later:
    """A clock that is ahead."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self):
        return now() + self.by


async def test_a_refresh_token_ends_after_thirty_days(ada: Person):
    _, token = await ada.tokens()
    later = replace(ada.doors.stores.access, clock=Later(REFRESH_LIFETIME))

    with pytest.raises(Exception, match="not valid"):
        await refresh(later, token)


async def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(ada: Person):
    wrong = await ada.log_in("wrong")
    unknown = await ada.post("login", email=f"{new_id()}@example.org", password="wrong")

    assert [assert_problem(each, 401, "auth.unauthenticated")["detail"] for each in (wrong, unknown)] == [WRONG, WRONG]


async def test_guessing_is_slowed_down_with_an_account_or_without(ada: Person):
    for email in (ada.user.email, f"{new_id()}@example.org"):
        for _ in range(FREE_FAILURES):
            assert (await ada.post("login", email=email, password="wrong")).status_code == 401

        slowed = await ada.post("login", email=email, password=PASSWORD)

        assert_problem(slowed, 429, "request.too_many")
        assert int(slowed.headers["retry-after"]) >= 1


async def test_after_the_wait_the_right_password_lets_in_again(ada: Person):
    for _ in range(FREE_FAILURES):
        await ada.log_in("wrong")

    assert await log_in(replace(ada.doors.stores.access, clock=Later(timedelta(minutes=1))), ada.user.email, PASSWORD)


async def test_who_is_no_member_any_more_is_out_at_once(ada: Person):
    access, _ = await ada.tokens()

    await ada.doors.stores.access.members.remove_membership(DEFAULT_PROJECT_ID, ada.user.id)

    assert await ada.may(access) == 403


async def test_a_key_gives_a_machine_a_token_of_no_more_than_its_scopes(ada: Person):
    key = (await ada.doors.api.post("/api/keys", json={"name": "ci", "scopes": ["workflows:read"]})).json()
    _, prefix, secret = key["key"].split("_", 2)
    form = {"grant_type": "client_credentials", "client_id": prefix, "client_secret": secret}

    token = (await ada.doors.api.post("/api/auth/token", data=form, headers={"Authorization": ""})).json()
    more = await ada.doors.api.post(
        "/api/auth/token", data={**form, "scope": "keys:write"}, headers={"Authorization": ""}
    )

    assert (await ada.may(token["access_token"]), token["scope"]) == (200, "workflows:read")
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert_problem(await ada.doors.api.get("/api/keys", headers=headers), 403, "auth.permission_missing")
    assert (more.status_code, more.json()["error"]) == (400, "invalid_scope")
    await ada.doors.api.delete(f"/api/keys/{key['id']}")
    assert await ada.may(token["access_token"]) == 401
