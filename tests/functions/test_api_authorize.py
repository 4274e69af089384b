"""Connections that a person authorises in a browser, against a real provider of OAuth 2.0."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from shared.adapters.http.client import GuardedClient
from shared.adapters.http.oauth2 import OAuth2Grants
from shared.clock import ManualClock, SystemClock
from shared.connections.resolve import Connections
from shared.egress import EgressPolicy
from shared.errors import ConnectionUnusable
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import assert_problem
from tests.support.oauth import CLIENT_ID, CLIENT_SECRET, provider

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def service():
    async with provider() as found:
        yield found


@pytest.fixture
async def created(doors, service):
    for each in await doors.stores.connections.list(DEFAULT_PROJECT_ID):
        await doors.stores.connections.delete(DEFAULT_PROJECT_ID, each.id)
    credentials = {
        "kind": "oauth2_authorization_code",
        "authorize_url": f"{service.url}/authorize",
        "token_url": f"{service.url}/token",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "read write",
        "authorize_parameters": {"access_type": "offline"},
    }
    answer = await doors.api.post("/api/connections", json={"name": "crm", "credentials": credentials})
    return answer.raise_for_status().json()


async def ask(doors, created) -> str:
    """The link for the person."""
    answer = await doors.api.post(f"/api/connections/{created['id']}/authorize")
    assert answer.status_code == 200
    return answer.json()["url"]


async def agree(doors, link: str) -> httpx.Response:
    """What a browser does: the page, its button, the service, and back."""
    assert "crm" in (await doors.api.get(link)).text
    sent_on = await doors.api.post(link, headers=SAME_ORIGIN)
    assert sent_on.status_code == 303
    async with httpx.AsyncClient() as outside:
        back = (await outside.get(sent_on.headers["location"])).headers["location"]
    return await doors.api.get(back)


def resolver(doors, clock=None):
    """As in the function of a node, and what is to be closed."""
    client, clock = GuardedClient(EgressPolicy.parse("127.0.0.1")), clock or SystemClock()
    return client, Connections(doors.stores.connections, doors.stores.secrets, OAuth2Grants(client, clock), clock)


async def token(doors, clock=None) -> str:
    client, connections = resolver(doors, clock)
    async with client:
        return (await connections.resolve(DEFAULT_PROJECT_ID, "crm")).access_token.get_secret_value()


async def test_access_that_a_person_gives_is_used(doors, service, created):
    path = f"/api/connections/{created['id']}"
    before = await doors.api.post(f"{path}/test", json={})
    assert (before.json()["ok"], before.json()["error"]) == (False, "ConnectionUnusable")

    page = await agree(doors, await ask(doors, created))

    assert (page.status_code, "has access now" in page.text) == (200, True)
    tested = (await doors.api.post(f"{path}/test", json={"url": f"{service.url}/me"})).json()
    assert tested["ok"], tested
    shown = (await doors.api.get(path)).json()["credentials"]
    assert shown["authorized_at"]
    assert shown["expires_at"]
    answers = page.text + str(shown) + str(await doors.stores.connections.find(DEFAULT_PROJECT_ID, "crm"))
    assert not [each for each in {*service.handed_out, CLIENT_SECRET} if each in answers]


async def test_what_the_person_and_the_service_see(doors, created):
    answer = (await doors.api.post(f"/api/connections/{created['id']}/authorize")).json()
    page = await doors.api.get(answer["url"])
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    sent_on = await doors.api.post(answer["url"], headers=SAME_ORIGIN)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent_on.headers["location"]).query).items()}
    assert asked["redirect_uri"] == answer["redirect_uri"]
    assert (asked["scope"], asked["access_type"]) == ("read write", "offline")
    assert re.fullmatch(r"[\w-]{43}", asked["code_challenge"])
    assert re.search(r"HttpOnly.*SameSite=lax", sent_on.headers["set-cookie"])


async def test_an_access_token_is_renewed_before_it_ends_by_one_of_many(doors, service, created):
    await agree(doors, await ask(doors, created))
    first = await token(doors)
    clock = ManualClock(SystemClock().now() + timedelta(seconds=service.lasts - 30))

    renewed = await asyncio.gather(*(token(doors, clock) for _ in range(6)))

    assert len(set(renewed)) == 1
    assert renewed[0] != first
    assert service.refreshed == 1  # a second one would have used a refresh token that is gone
    assert renewed[0] in service.access


async def test_a_token_without_an_end_stays(doors, service, created):
    service.lasts = None
    await agree(doors, await ask(doors, created))
    clock = ManualClock(SystemClock().now() + timedelta(days=1000))
    assert await token(doors, clock) == await token(doors)
    assert service.refreshed == 0


async def test_access_that_ended_for_good_says_what_to_do(doors, service, created):
    service.refreshable = False
    await agree(doors, await ask(doors, created))
    with pytest.raises(ConnectionUnusable, match="Authorise the connection again"):
        await token(doors, ManualClock(SystemClock().now() + timedelta(days=1)))


async def test_a_code_that_the_service_refuses_leaves_the_access_that_there_was(doors, service, created):
    await agree(doors, await ask(doors, created))
    had = await token(doors)
    link = await ask(doors, created)
    sent_on = await doors.api.post(link, headers=SAME_ORIGIN)
    state = parse_qs(urlsplit(sent_on.headers["location"]).query)["state"][0]
    page = await doors.api.get("/oauth/callback", params={"state": state, "code": "made-up-code"})
    assert (page.status_code, "invalid_grant" in page.text) == (502, True)
    assert "made-up-code" not in page.text
    assert await token(doors) == had


async def test_a_person_who_says_no(doors, created):
    link = await ask(doors, created)
    await doors.api.post(link, headers=SAME_ORIGIN)
    state = parse_qs(urlsplit(link).query)["state"][0]
    page = await doors.api.get("/oauth/callback", params={"state": state, "error": "<b>access_denied"})
    assert page.status_code == 403
    assert "&lt;b&gt;access_denied" in page.text


async def test_an_answer_in_another_browser_is_refused(doors, created):
    link = await ask(doors, created)
    state = parse_qs(urlsplit(link).query)["state"][0]
    answer = await doors.api.get("/oauth/callback", params={"state": state, "code": "stolen-code"})
    assert_problem(answer, 401, "auth.unauthenticated")
    assert (await doors.stores.connections.find(DEFAULT_PROJECT_ID, "crm")).grant is None


@pytest.mark.parametrize("site", [None, "cross-site", "same-site", "none"])
async def test_another_site_cannot_begin(doors, created, site):
    link = await ask(doors, created)
    answer = await doors.api.post(link, headers={"Sec-Fetch-Site": site} if site else {})
    assert_problem(answer, 401, "auth.unauthenticated")


@pytest.mark.parametrize("spoil", [lambda s: s[:-4], lambda s: "A" + s[1:], lambda _: "", lambda _: "x" * 500])
async def test_a_link_that_was_changed_is_refused(doors, created, spoil):
    state = parse_qs(urlsplit(await ask(doors, created)).query)["state"][0]
    answer = await doors.api.get("/oauth/start", params={"state": spoil(state)})
    assert_problem(answer, 401, "auth.unauthenticated")


async def test_a_link_is_good_for_ten_minutes(doors, created):
    link = await ask(doors, created)
    app = doors.api_app
    app.state.deps = replace(app.state.deps, clock=ManualClock(SystemClock().now() + timedelta(minutes=11)))
    assert_problem(await doors.api.get(link), 401, "auth.unauthenticated")


async def test_only_this_kind_is_authorised(doors, created):
    other = (
        await doors.api.post("/api/connections", json={"name": "k", "credentials": {"kind": "bearer", "token": "abcd"}})
    ).json()
    answer = await doors.api.post(f"/api/connections/{other['id']}/authorize")
    assert_problem(answer, 409, "resource.conflict")


async def test_new_credentials_end_the_access(doors, service, created):
    await agree(doors, await ask(doors, created))
    credentials = {key: value for key, value in created["credentials"].items() if value is not None}
    await doors.api.put(f"/api/connections/{created['id']}", json={"credentials": credentials})
    shown = (await doors.api.get(f"/api/connections/{created['id']}")).json()
    assert shown["credentials"]["authorized_at"] is None
