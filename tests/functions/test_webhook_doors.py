"""What stands before a delivery's proof: allow-list, size limit, CORS, handshakes."""

import hashlib
import hmac
import time
from dataclasses import replace

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from functions.webhook.app import create_app
from shared.adapters.redis.rate_limits import RedisRateLimits
from shared.settings import Settings
from tests.functions.conftest import BASE_URL, assert_problem

JSON = {"Content-Type": "application/json"}
PAGE = {"Origin": "https://shop.example"}


@pytest.fixture
async def workflow(doors):
    return await doors.workflow()


@pytest.fixture
def deliver_from(doors):
    """Sends a delivery from an address, as a server behind the given proxies sees it."""

    async def send(peer, forwarded_for=(), *, trusted=""):
        deps = replace(doors.webhook_app.state.deps, settings=Settings(trusted_proxies=trusted))
        transport = httpx.ASGITransport(create_app(deps), client=(peer, 1))
        headers = [*JSON.items(), *(("X-Forwarded-For", value) for value in forwarded_for)]
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            return await client.post("/webhooks/x", content=b"{}", headers=headers)

    return send


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "trusted", "status"),
    [
        ("192.0.2.7", [], "", 202),
        ("2001:db8::1", [], "", 202),
        ("::ffff:192.0.2.7", [], "", 202),
        ("198.51.100.1", [], "", 403),
        ("198.51.100.1", ["192.0.2.7"], "", 403),
        ("10.0.0.1", ["192.0.2.7"], "10.0.0.0/8", 202),
        ("10.0.0.1", ["192.0.2.7, 10.0.0.2"], "10.0.0.0/8", 202),
        ("10.0.0.1", ["192.0.2.7", "10.0.0.2"], "10.0.0.0/8", 202),
        ("10.0.0.1", ["192.0.2.7, 198.51.100.1"], "10.0.0.0/8", 403),
        ("10.0.0.1", ["192.0.2.7, nonsense"], "10.0.0.0/8", 403),
        ("10.0.0.1", [], "10.0.0.0/8", 403),
        ("unix", [], "", 403),
    ],
)
async def test_the_allow_list(*, doors, workflow, deliver_from, peer, forwarded_for, trusted, status):
    await doors.trigger(workflow["id"], config={"path": "x", "allowed_ips": ["192.0.2.0/24", "2001:db8::1"]})

    answer = await deliver_from(peer, forwarded_for, trusted=trusted)

    if status == 403:
        assert_problem(answer, 403, "webhook.address_not_allowed")
    assert answer.status_code == status
    assert len(await doors.executions(workflow["id"])) == (status == 202)


@pytest.mark.parametrize("known", [True, False])
async def test_a_webhooks_own_limit(doors, workflow, known):
    await doors.trigger(workflow["id"], config={"path": "x", "max_body_bytes": 10})

    async def chunks():
        yield b'{"a": "bcdef"}'

    refused = await doors.webhook.post("/webhooks/x", content=b'{"a": "bcdef"}' if known else chunks(), headers=JSON)
    taken = await doors.webhook.post("/webhooks/x", content=b'{"a": 123}', headers=JSON)

    assert_problem(refused, 413, "request.too_large")
    assert taken.status_code == 202


async def test_pages_of_named_origins_may_deliver_and_read(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "x", "cors_origins": ["https://shop.example"]})
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    before = await doors.webhook.options("/webhooks/x", headers=PAGE | asks)
    taken = await doors.webhook.post("/webhooks/x", content=b"{}", headers=JSON | PAGE)
    refused = await doors.webhook.post("/webhooks/x", content=b"{", headers=JSON | PAGE)
    other = await doors.webhook.options("/webhooks/x", headers=asks | {"Origin": "https://evil.example"})

    assert (before.status_code, before.headers["access-control-allow-methods"]) == (204, "POST")
    assert before.headers["access-control-allow-headers"] == "content-type"
    for answer in (before, taken, refused):
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert answer.headers["vary"] == "Origin"
    assert_problem(refused, 400, "request.malformed")
    assert "access-control-allow-origin" not in other.headers


async def test_without_origins_there_is_no_cors(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "x"})

    answer = await doors.webhook.options("/webhooks/x", headers=PAGE)

    assert_problem(answer, 405, "request.method_not_allowed")
    assert "access-control-allow-origin" not in answer.headers


async def test_slack_asks_whether_the_url_is_ours(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "x", "verification": {"scheme": "slack"}}, secret="s")
    body = orjson.dumps({"type": "url_verification", "challenge": "3eZbrw1aB1", "token": "t"})
    stamp = str(int(time.time()))
    proof = "v0=" + hmac.digest(b"s", f"v0:{stamp}:".encode() + body, "sha256").hex()
    signed = JSON | {"X-Slack-Signature": proof, "X-Slack-Request-Timestamp": stamp}

    answer = await doors.webhook.post("/webhooks/x", content=body, headers=signed)
    stranger = await doors.webhook.post("/webhooks/x", content=body, headers=JSON)

    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1aB1"})
    assert_problem(stranger, 401, "webhook.signature_invalid")
    assert await doors.executions(workflow["id"]) == []


@pytest.mark.parametrize(
    ("token", "mode", "status"), [("right", "subscribe", 200), ("wrong", "subscribe", 403), ("right", "x", 403)]
)
async def test_meta_asks_whether_the_url_is_ours(doors, workflow, token, mode, status):
    digest = hashlib.sha256(b"right").hexdigest()
    challenge = {"type": "meta", "verify_token_sha256": digest}
    config = {"path": "x", "verification": {"scheme": "github"}, "challenge": challenge}
    await doors.trigger(workflow["id"], config=config, secret="s")
    query = {"hub.mode": mode, "hub.verify_token": token, "hub.challenge": "1158201444"}

    answer = await doors.webhook.get("/webhooks/x", params=query)

    assert answer.status_code == status
    assert (answer.text == "1158201444") == (status == 200)
    assert_problem(await doors.webhook.get("/webhooks/x"), 405, "request.method_not_allowed")


async def test_microsoft_graph_and_senders_that_knock(doors, workflow):
    await doors.trigger(workflow["id"], config={"path": "graph", "challenge": {"type": "microsoft_graph"}})
    await doors.trigger(workflow["id"], config={"path": "head", "challenge": {"type": "head"}})

    answer = await doors.webhook.post("/webhooks/graph", params={"validationToken": "<b>1 & 2</b>"})
    knock = await doors.webhook.head("/webhooks/head")

    assert (answer.status_code, answer.text) == (200, "<b>1 & 2</b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (knock.status_code, knock.content) == (200, b"")
    assert await doors.executions(workflow["id"]) == []


async def test_so_many_deliveries_and_no_more(doors, workflow):
    config = {"path": "x", "verification": {"scheme": "bearer"}, "rate_limit": {"limit": 2, "period_seconds": 60}}
    await doors.trigger(workflow["id"], config=config, secret="s3cret")
    proven = {**JSON, "Authorization": "Bearer s3cret"}

    unproven = [await doors.webhook.post("/webhooks/x", content=b"{}", headers=JSON) for _ in range(3)]
    answers = [await doors.webhook.post("/webhooks/x", content=b"{}", headers=proven) for _ in range(3)]

    assert [each.status_code for each in unproven] == [401, 401, 401]
    assert [each.status_code for each in answers] == [202, 202, 429], "only what was proven counts"
    assert "within 60 s" in assert_problem(answers[2], 429, "request.too_many")["detail"]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert len(await doors.executions(workflow["id"])) == 2


async def test_so_many_deliveries_from_one_address(doors, workflow, deliver_from):
    rate = {"limit": 1, "period_seconds": 60}
    await doors.trigger(workflow["id"], config={"path": "x", "rate_limit_per_ip": rate})

    first = [(await deliver_from(peer)).status_code for peer in ("192.0.2.7", "192.0.2.8", "2001:db8::1")]
    again = [(await deliver_from(peer)).status_code for peer in ("192.0.2.7", "2001:db8::2", "2001:db8:0:1::1")]
    behind = [
        (await deliver_from("10.0.0.1", [each], trusted="10.0.0.0/8")).status_code
        for each in ("198.51.100.1", "198.51.100.1", "198.51.100.2")
    ]

    assert first == [202, 202, 202]
    assert again == [429, 429, 202], "one /64 of IPv6 is one sender"
    assert behind == [202, 429, 202]


async def test_without_the_cache_deliveries_are_taken(doors, workflow):
    rate = {"limit": 1, "period_seconds": 60}
    await doors.trigger(workflow["id"], config={"path": "x", "rate_limit": rate})
    down = Redis.from_url("redis://127.0.0.1:1", retry=None)
    deps = replace(doors.webhook_app.state.deps, limits=RedisRateLimits(down))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(deps)), base_url=BASE_URL) as client:
        answers = [await client.post("/webhooks/x", content=b"{}", headers=JSON) for _ in range(3)]
    await down.aclose()

    assert [each.status_code for each in answers] == [202, 202, 202]
