"""No secret of a connection is anywhere but in its sealed row: a stage runs nodes that fail in every way that there is,
against services that say back what they were told, and then everything that the stage wrote and answers is searched.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.local.test_kill import wait_until_all_end
from tests.support import stage as stages

SECRETS = {
    "bearer": "bearer-S3cret/+val",
    "basic": "basic-S3cret/+val",
    "api-header": "header-S3cret/+val",
    "api-query": "query-S3cret/+val",
    "hmac": "hmac-S3cret/+val",
    "oauth": "oauth-S3cret/+val",
    "oauth-bad": "oauthbad-S3cret/+val",
    "mail": "smtp-S3cret/+val",
    "database": "postgres-S3cret/+val",
}
FETCHED = "fetched-S3cret/+token"


def credentials(url: str, port: int) -> dict[str, dict[str, Any]]:
    """One connection of each kind; those of mail and database lead to where nothing speaks their protocol."""
    oauth = {"kind": "oauth2_client_credentials", "client_id": "me"}
    there = {"host": "127.0.0.1", "port": port, "username": "me"}
    return {
        "bearer": {"kind": "bearer", "token": SECRETS["bearer"], "hosts": ["127.0.0.1"]},
        "basic": {"kind": "basic", "username": "me", "password": SECRETS["basic"]},
        "api-header": {"kind": "api_key", "name": "X-Key", "value": SECRETS["api-header"]},
        "api-query": {"kind": "api_key", "name": "key", "location": "query", "value": SECRETS["api-query"]},
        "hmac": {"kind": "hmac", "secret": SECRETS["hmac"]},
        "oauth": oauth | {"token_url": f"{url}/token", "client_secret": SECRETS["oauth"]},
        "oauth-bad": oauth
        | {"token_url": f"{url}/echo/400", "client_secret": SECRETS["oauth-bad"], "credentials_in": "body"},
        "mail": there | {"kind": "smtp", "security": "none", "sender": "me@example.com", "password": SECRETS["mail"]},
        "database": there
        | {"kind": "postgres", "database": "d", "sslmode": "disable", "password": SECRETS["database"]},
    }


async def echo(request: web.Request) -> web.Response:
    """Everything that came, in every form, in the body and in a header."""
    heard = [*request.headers.values(), *request.query.values(), await request.text()]
    forms = [form for text in heard for form in (text, quote(text, safe=""), b64encode(text.encode()).decode())]
    headers = {"X-Heard": request.headers.get("authorization", "") or request.headers.get("x-key", "")}
    status = int(request.match_info["status"])
    body = {"ok": False, "error": " ".join(heard), "error_description": forms, "heard": forms}
    return web.json_response(body, status=status, headers=headers)


async def refused(request: web.Request) -> web.Response:
    """As Slack says no, with what it heard."""
    return web.json_response({"ok": False, "error": request.headers.get("authorization", "")})


async def away(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": f"/echo/422?{request.query_string}"})


async def token(_: web.Request) -> web.Response:
    return web.json_response({"access_token": FETCHED, "expires_in": 3600})


def workflow(name: str, kind: str, url: str) -> dict[str, Any]:
    """All that a connection of the kind can be used for; the last node fails the execution."""
    if kind == "smtp":
        arguments: list[tuple[str, dict[str, Any]]] = [
            ("email.send", {"to": ["a@example.com"], "subject": "x", "text": "x"})
        ]
    elif kind == "postgres":
        arguments = [("postgres.query", {"sql": "SELECT 1", "timeout_seconds": 1})]
    else:
        arguments = [("http.request", {"method": "POST", "url": f"{url}/echo/{status}"}) for status in (200, 401, 500)]
        arguments += [("mcp.call", {"url": f"{url}/echo/{status}", "tool": "x"}) for status in (200, 422)]
    if kind == "bearer":
        arguments += [("slack.post_message", {"channel": "C", "text": "x", "api_url": f"{url}/slack"})]
        arguments += [("github.comment", {"repository": "a/b", "number": 1, "body": "x", "api_url": f"{url}/slack"})]
    configs = [("tool", {"tool": tool, "arguments": given}) for tool, given in arguments]
    webhooks = [
        {"url": f"{url}{path}"} for path in ("/echo/200", "/echo/422", "/echo/429", "/echo/503", "/away", "/gone")
    ]
    webhooks += [{"url": "http://169.254.169.254/"}, {"url": "http://127.0.0.1:1/"}, {"url": "http://no host/"}]
    configs += [("webhook", each | {"body": {"a": 1}, "follow_redirects": True}) for each in webhooks]
    configs.append(("webhook", {"url": f"{url}/echo/422"}))
    nodes: list[dict[str, Any]] = [
        {"id": f"n{number}", "type": type_, "config": {**config, "connection": name}, "on_error": "continue"}
        | {"retry": {"max_attempts": 1}}
        for number, (type_, config) in enumerate(configs)
    ]
    nodes[-1]["on_error"] = "fail"
    edges = [{"from": one["id"], "to": other["id"]} for one, other in pairwise(nodes)]
    return {"name": f"leak-{name}", "nodes": nodes, "edges": edges}


def forms(secret: str) -> set[bytes]:
    """How a secret would look: as it is, as JSON escapes it, encoded for URLs, as base64 alone and after `me:`."""
    pairs = [secret, f"me:{secret}"]
    encoded = {b64encode(text.encode()).decode().rstrip("=") for text in pairs}
    return {
        text.encode() for text in {secret, secret.replace("/", "\\/"), quote(secret, safe=""), quote(secret), *encoded}
    }


async def run_all(stage: stages.Stage, url: str, port: int) -> list[str]:
    """Starts everything, waits, and gives all that the API answers about it."""
    async with httpx.AsyncClient(base_url=stage.url, headers=stage.headers, timeout=30) as http:
        answers = []
        for name, given in credentials(url, port).items():
            made = await http.post("/api/connections", json={"name": name, "credentials": given})
            assert made.status_code == 201, made.text
            created = await http.post("/api/workflows", json=workflow(name, given["kind"], url))
            assert created.status_code == 201, created.text
            workflow_id = created.json()["id"]
            (await http.post(f"/api/workflows/{workflow_id}/activate")).raise_for_status()
            (await http.post(f"/api/workflows/{workflow_id}/execute", json={"input": {}})).raise_for_status()
            answers += [made.text, (await http.put(made.headers["location"], json={"name": name})).text]
        ended = await wait_until_all_end(stage.url, stage.headers)
        assert len(ended) == len(SECRETS)
        for execution_id in ended:
            for path in ("", "/logs"):
                answers.append((await http.get(f"/api/executions/{execution_id}{path}")).raise_for_status().text)
            async with http.stream("GET", f"/api/executions/{execution_id}/events") as events:
                answers.append((await events.aread()).decode())
        answers += [(await http.get(path)).text for path in ("/api/connections", "/api/executions", "/api/circuits")]
    return answers


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the stage: the database as it is on disk, logs, blobs."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes()


@pytest.mark.timeout(180)
async def test_no_secret_is_found_anywhere(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_route("*", "/echo/{status}", echo)
    app.router.add_route("*", "/slack{rest:.*}/{status:comments|chat.postMessage}", refused)
    app.router.add_route("*", "/away", away)
    app.router.add_post("/token", token)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        settings = {"MILLRACE_ALLOWED_HOSTS": "127.0.0.1", "MILLRACE_LOG_LEVEL": "debug"}
        stage = await asyncio.to_thread(stages.start, tmp_path / "data", **settings)
        try:
            answers = await run_all(stage, url, int(url.rpartition(":")[2]))
        finally:
            await asyncio.to_thread(stage.stop)
    places = [*written(tmp_path), *((f"answer {number}", text.encode()) for number, text in enumerate(answers))]
    said = b"".join(content for _, content in places)
    assert b"[redacted]" in said, "no service said anything back: the test does not test"
    assert json.dumps("ConnectionUnusable").encode() in said
    wanted = {form: name for name, secret in {**SECRETS, "token": FETCHED}.items() for form in forms(secret)}
    found = {(where, wanted[form]) for where, content in places for form in wanted if form in content}
    assert found == set()
