"""Nodes that name a connection: its credentials reach the service, and nothing else."""

import base64
import hashlib
import hmac
import json
import logging
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet

from functions.nodes.http.core import http_deps, run
from shared.adapters.local.secret_box import FernetBox
from shared.connections.kinds import credentials_of
from shared.connections.redaction import REDACTED
from shared.connections.resolve import Connections
from shared.errors import ConnectionUnusable, DestinationRefused, NodeError
from shared.workflow.node_lambda import NodeServices, answer
from tests.functions.nodes.conftest import EXECUTION
from tests.support.connections import OneConnection

SECRET = "s3cret/+value"


class Service:
    """An API that echoes what it was sent, and a token endpoint."""

    def __init__(self) -> None:
        self.tokens = 0
        self.valid: str | None = None
        self.expires_in: object = 3600
        self.asked: list[tuple[str, str]] = []
        self.token_status = 200

    async def echo(self, request: web.Request) -> web.Response:
        told = {"headers": dict(request.headers), "query": dict(request.query), "body": (await request.text())}
        status = int(request.query.get("status", 200))
        if self.valid is not None and request.headers.get("authorization") != f"Bearer {self.valid}":
            status = 401
        return web.json_response(told, status=status)

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers.get("authorization", ""), await request.text()))
        if self.token_status != 200:
            return web.json_response({"error": "invalid_client"}, status=self.token_status)
        self.tokens += 1
        self.valid = f"fetched-token-{self.tokens}"
        return web.json_response({"access_token": self.valid, "expires_in": self.expires_in})


@asynccontextmanager
async def calling(credentials: dict):
    """(service, url, call): `call` runs a webhook node with the connection `crm`."""
    service, app = Service(), web.Application()
    app.router.add_route("*", "/echo", service.echo)
    app.router.add_post("/token", service.token)
    async with TestServer(app, host="127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.port}"
        deps = http_deps(f"127.0.0.1:{server.port}")
        box = FernetBox(Fernet.generate_key().decode())
        given = json.loads(json.dumps(credentials).replace("URL", url))
        services = NodeServices(connections=Connections(OneConnection(box, given), box))

        async def core(call, *, credentials=None):
            return await run(call, deps, credentials=credentials)

        async def call(path="/echo", **config):
            config = {"url": url + path, "connection": "crm", "body": {"a": 1}, **config}
            event = {"node": "step", "type": "webhook", "config": config, "execution": EXECUTION}
            return await answer(event, core, services)

        yield service, url, call
        await deps.aclose()


def seen(result):
    """What the service was sent, as it told; secrets are scrubbed in it."""
    return result["output"]["body"]


HTTP = [
    {"kind": "bearer", "token": SECRET},
    {"kind": "basic", "username": "ada", "password": SECRET},
    {"kind": "api_key", "value": SECRET},
    {"kind": "api_key", "value": SECRET, "location": "query", "name": "key"},
    {"kind": "oauth2_client_credentials", "token_url": "URL/token", "client_id": "id", "client_secret": SECRET},
]


@pytest.mark.parametrize(
    ("credentials", "where"),
    [
        (HTTP[0], ("headers", "Authorization", f"Bearer {REDACTED}")),
        (HTTP[1], ("headers", "Authorization", f"Basic {REDACTED}")),
        (HTTP[2], ("headers", "x-api-key", REDACTED)),
        (HTTP[3], ("query", "key", REDACTED)),
        (HTTP[4], ("headers", "Authorization", f"Bearer {REDACTED}")),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
async def test_credentials_are_sent_and_scrubbed_from_the_echo(credentials, where):
    part, name, expected = where
    async with calling(credentials) as (_, _, call):
        found = {key.lower(): value for key, value in seen(await call())[part].items()}
    assert found[name.lower()] == expected


async def test_basic_is_that_of_the_rfc(hostile, http, node_call):
    credentials = credentials_of({"kind": "basic", "username": "Aladdin", "password": "open sesame"})
    await run(node_call("webhook", {"url": f"{hostile.url}/echo"}), http, credentials=credentials)
    assert hostile.seen[0].headers["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize("encoding", ["hex", "base64"])
async def test_a_signature_is_over_the_body_as_it_is_sent(hostile, http, node_call, encoding):
    credentials = credentials_of({"kind": "hmac", "secret": SECRET, "encoding": encoding})
    await run(node_call("webhook", {"url": f"{hostile.url}/echo", "body": {"a": 1}}), http, credentials=credentials)
    sent = hostile.seen[0]
    digest = hmac.new(SECRET.encode(), sent.body, hashlib.sha256).digest()
    expected = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert sent.headers["x-signature-256"] == f"sha256={expected}"


async def test_a_token_is_fetched_once_and_anew_where_it_is_refused():
    async with calling(HTTP[4]) as (service, _, call):
        await call()
        await call()
        assert service.tokens == 1
        service.valid = "revoked"
        assert (await call())["output"]["status"] == 200
        assert service.tokens == 2


async def test_a_token_that_ends_soon_is_fetched_for_every_call():
    async with calling(HTTP[4]) as (service, _, call):
        service.expires_in = 10
        await call()
        await call()
        assert service.tokens == 2


@pytest.mark.parametrize("place", ["header", "body"])
async def test_the_client_proves_itself_in_the_header_or_in_the_body(place):
    async with calling(HTTP[4] | {"credentials_in": place, "scope": "a b"}) as (service, _, call):
        await call()
    header, body = service.asked[0]
    basic = "Basic " + base64.b64encode(b"id:s3cret%2F%2Bvalue").decode()
    assert header == (basic if place == "header" else "")
    assert ("client_secret=s3cret%2F%2Bvalue" in body) is (place == "body")
    assert "grant_type=client_credentials&scope=a+b" in body


async def test_a_token_endpoint_that_refuses_is_named_with_what_to_check():
    async with calling(HTTP[4]) as (service, _, call):
        service.token_status = 401
        with pytest.raises(ConnectionUnusable, match=r"401 \(invalid_client\).*client_id") as caught:
            await call()
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("hosts", "goes"), [([], True), (["127.0.0.1"], True), (["api.example.com"], False), (["*.0.0.1"], True)]
)
async def test_credentials_go_only_to_the_hosts_of_the_connection(hosts, goes):
    async with calling(HTTP[0] | {"hosts": hosts}) as (_, _, call):
        if goes:
            await call()
        else:
            with pytest.raises(ConnectionUnusable, match=r"is for api\.example\.com, not for 127\.0\.0\.1"):
                await call()


async def test_credentials_are_not_sent_in_the_clear_to_who_is_not_listed():
    async with calling(HTTP[0]) as (_, _, call):
        with pytest.raises(ConnectionUnusable, match="use https"):
            await call(url="http://api.example.com/")


@pytest.mark.parametrize("name", ["other", "CRM", ""])
async def test_a_connection_that_there_is_not(name):
    async with calling(HTTP[0]) as (_, _, call):
        with pytest.raises(ConnectionUnusable, match="has no connection"):
            await call(connection=name)


async def test_a_connection_of_another_kind():
    smtp = {"kind": "smtp", "host": "mail.example.com", "sender": "a@example.com"}
    async with calling(smtp) as (_, _, call):
        with pytest.raises(ConnectionUnusable, match="'smtp' does not authorise HTTP"):
            await call()


@pytest.mark.parametrize("credentials", HTTP, ids=lambda value: value["kind"])
async def test_an_error_that_echoes_the_credentials_is_scrubbed(credentials, caplog):
    async with calling(credentials) as (_, _, call):
        with caplog.at_level(logging.DEBUG), pytest.raises(NodeError) as caught:
            await call("/echo?status=422")
    assert isinstance(caught.value, DestinationRefused)
    told = f"{caught.value.message} {caught.value.details} {caught.value.args} {caplog.text}"
    pair = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    for secret in (SECRET, "s3cret%2F%2Bvalue", pair, "fetched-token"):
        assert secret not in told
    assert REDACTED in caught.value.message
