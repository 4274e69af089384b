"""Connections through the API: secrets go in, and never come out."""

import pytest

from local.receiver import Receiver
from local.web import bind, serving, url_of
from shared.connections.resolve import Connections
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import assert_problem

SECRET = "xoxb-s3cret-token"
BEARER = {"kind": "bearer", "token": SECRET, "hosts": ["slack.com"]}


@pytest.fixture
async def api(doors):
    for each in await doors.stores.connections.list(DEFAULT_PROJECT_ID):
        await doors.stores.connections.delete(DEFAULT_PROJECT_ID, each.id)
    return doors.api


async def test_a_connection_is_kept_without_showing_its_secret(api, doors):
    created = await api.post("/api/connections", json={"name": "ops-slack", "credentials": BEARER})
    assert created.status_code == 201
    shown = created.json()
    assert shown["credentials"] == {"kind": "bearer", "hosts": ["slack.com"]}
    answers = [created, await api.get(created.headers["location"]), await api.get("/api/connections")]
    assert all(SECRET not in each.text for each in answers)
    assert answers[2].json()["items"] == [answers[1].json()] == [shown]
    stored = await doors.stores.connections.find(DEFAULT_PROJECT_ID, "ops-slack")
    assert SECRET not in str(stored)
    resolved = await Connections(doors.stores.connections, doors.stores.secrets).resolve(
        DEFAULT_PROJECT_ID, "ops-slack"
    )
    assert resolved.token.get_secret_value() == SECRET


async def test_rotating_a_secret(api, doors):
    created = (await api.post("/api/connections", json={"name": "crm", "credentials": BEARER})).json()
    changed = await api.put(
        f"/api/connections/{created['id']}", json={"credentials": {"kind": "api_key", "value": "n3w-secret"}}
    )
    assert (changed.json()["kind"], changed.json()["name"]) == ("api_key", "crm")
    assert "n3w-secret" not in changed.text
    resolved = await Connections(doors.stores.connections, doors.stores.secrets).resolve(DEFAULT_PROJECT_ID, "crm")
    assert resolved.value.get_secret_value() == "n3w-secret"


async def test_renaming_keeps_the_secret(api, doors):
    created = (await api.post("/api/connections", json={"name": "old", "credentials": BEARER})).json()
    assert (await api.put(f"/api/connections/{created['id']}", json={"name": "new"})).json()["name"] == "new"
    resolved = await Connections(doors.stores.connections, doors.stores.secrets).resolve(DEFAULT_PROJECT_ID, "new")
    assert resolved.token.get_secret_value() == SECRET


async def test_deleting(api):
    created = (await api.post("/api/connections", json={"name": "gone", "credentials": BEARER})).json()
    assert (await api.delete(f"/api/connections/{created['id']}")).status_code == 204
    assert_problem(await api.get(f"/api/connections/{created['id']}"), 404, "resource.not_found")


async def test_a_name_is_taken_once(api):
    await api.post("/api/connections", json={"name": "crm", "credentials": BEARER})
    again = await api.post("/api/connections", json={"name": "crm", "credentials": BEARER})
    assert_problem(again, 409, "resource.conflict")


@pytest.mark.parametrize(
    ("credentials", "says"),
    [
        ({}, "kind"),
        ({"kind": "carrier-pigeon", "token": SECRET}, "kind"),
        ({"kind": "bearer"}, "bearer.token: Field required"),
        ({"kind": "bearer", "token": ""}, "bearer.token"),
        ({"kind": "bearer", "token": {"deep": SECRET}}, "bearer.token"),
        ({"kind": "bearer", "token": "x", "hosts": ["https://slack.com"]}, "bearer.hosts.0"),
        ({"kind": "api_key", "value": SECRET, "name": "X\r\nEvil"}, "api_key.name"),
        ({"kind": "basic", "username": "a", "password": SECRET, "extra": SECRET}, "basic.extra"),
        ({"kind": "hmac", "secret": SECRET, "algorithm": "md5"}, "hmac.algorithm"),
    ],
)
async def test_credentials_that_are_none_are_refused_without_repeating_them(api, credentials, says):
    answer = await api.post("/api/connections", json={"name": "crm", "credentials": credentials})
    problem = assert_problem(answer, 422, "request.parameter_invalid")
    assert says in problem["detail"]
    assert SECRET not in answer.text


@pytest.mark.parametrize("name", ["", "Ops", "a b", "x" * 65, "../x"])
async def test_bad_names_are_refused(api, name):
    assert (await api.post("/api/connections", json={"name": name, "credentials": BEARER})).status_code == 422


async def test_the_tools_are_listed_with_their_schemas(api):
    items = (await api.get("/api/tools")).json()["items"]
    assert {each["name"] for each in items} >= {"csv.parse", "http.request"}
    assert all(each["arguments"]["properties"] for each in items)


@pytest.fixture
async def service():
    receiver = Guarded()
    async with serving(receiver, listener := bind("127.0.0.1", 0)):
        yield url_of(listener)


class Guarded(Receiver):
    """Takes one bearer token, at /me."""

    async def __call__(self, scope, receive, send):
        given = dict(scope.get("headers", ())).get(b"authorization")
        status = 200 if given == f"Bearer {SECRET}".encode() else 401

        async def answered(message):
            await send({**message, "status": status} if message["type"] == "http.response.start" else message)

        await super().__call__(scope, receive, answered)


async def test_testing_what_works_and_what_does_not(api, service):
    good = await api.post("/api/connections", json={"name": "good", "credentials": {"kind": "bearer", "token": SECRET}})
    bad = await api.post("/api/connections", json={"name": "bad", "credentials": {"kind": "bearer", "token": "n0pe-x"}})

    works = await api.post(f"/api/connections/{good.json()['id']}/test", json={"url": f"{service}/me"})
    fails = await api.post(f"/api/connections/{bad.json()['id']}/test", json={"url": f"{service}/me"})

    host = service.removeprefix("http://").partition(":")[0]
    assert (works.status_code, works.json()["ok"], works.json()["checked"]) == (200, True, f"{host} answered 200")
    assert (fails.status_code, fails.json()["ok"], fails.json()["error"]) == (200, False, "DestinationRefused")
    assert "401" in fails.json()["message"]
    assert SECRET not in works.text
    assert "n0pe-x" not in fails.text


async def test_a_test_that_needs_an_address_says_so(api):
    created = await api.post("/api/connections", json={"name": "slack", "credentials": BEARER})

    answer = await api.post(f"/api/connections/{created.json()['id']}/test", json={})

    assert answer.json()["ok"] is False
    assert "give the `url`" in answer.json()["message"]


async def test_a_mail_server_that_nobody_runs(api):
    smtp = {"kind": "smtp", "host": "127.0.0.1", "port": 1, "sender": "a@example.com", "security": "none"}
    created = await api.post("/api/connections", json={"name": "mail", "credentials": smtp})

    answer = await api.post(f"/api/connections/{created.json()['id']}/test", json={})

    assert answer.json()["error"] == "DestinationUnreachable"
