"""The `webhook` node against a server that behaves, and one that does not."""

import json
import tracemalloc

import pytest

from functions.nodes.http.core import http_deps, run
from shared.errors import (
    AddressBlocked,
    DestinationRateLimited,
    DestinationRefused,
    DestinationServerError,
    DestinationTimeout,
    DestinationUnreachable,
    NodeConfigInvalid,
    ResponseTooLarge,
)
from shared.version import VERSION
from tests.support.hostile import BOMB, MEBIBYTE, hostile_server


@pytest.fixture
def send(node_call, hostile, http):
    """Calls the node on a path of the hostile server."""

    async def _send(path, **config):
        return await run(node_call("webhook", {"url": hostile.url + path, **config}), http)

    return _send


async def test_a_json_request_arrives_as_written(send, hostile):
    result = await send("/echo?a=1", body={"b": [1, None, "ü"]}, query={"c": [2, 3], "d": None, "e": True})
    echoed = result.output["body"]
    assert result.output["status"] == 200
    assert echoed["method"] == "POST"
    assert echoed["path"] == "/echo?a=1&c=2&c=3&e=true"
    assert json.loads(echoed["body"]) == {"b": [1, None, "ü"]}
    assert echoed["headers"]["content-type"] == "application/json"
    assert echoed["headers"]["user-agent"] == f"Millrace/{VERSION}"
    assert echoed["headers"]["host"] == hostile.url.removeprefix("http://")
    assert result.meta["status"] == 200
    assert result.meta["host"] == "127.0.0.1"
    assert result.meta["duration_ms"] > 0


async def test_the_idempotency_key_is_the_same_for_every_attempt(node_call, hostile, http):
    for attempt in (0, 1):
        await run(node_call("webhook", {"url": hostile.url + "/echo"}, node="pay", attempt=attempt), http)
    keys = {seen.headers["idempotency-key"] for seen in hostile.seen}
    assert keys == {"01930000-0000-7000-8000-0000000000aa-pay"}


async def test_the_authors_headers_win(send, hostile):
    await send("/echo", headers={"Idempotency-Key": "mine", "USER-AGENT": "me", "X-Number": 7, "X-None": None})
    headers = hostile.seen[0].headers
    assert (headers["idempotency-key"], headers["user-agent"], headers["x-number"]) == ("mine", "me", "7")
    assert "x-none" not in headers


async def test_every_iteration_of_a_loop_has_an_idempotency_key_of_its_own(node_call, hostile, http):
    for iteration in ((), (1,), (1, 0), (11,)):
        await run(node_call("webhook", {"url": f"{hostile.url}/echo"}, iteration=iteration), http)
    assert len({seen.headers["idempotency-key"] for seen in hostile.seen}) == 4


async def test_a_get_has_no_body_and_no_idempotency_key(send, hostile):
    await send("/echo", method="GET")
    assert hostile.seen[0].body == b""
    assert "idempotency-key" not in hostile.seen[0].headers
    assert "content-type" not in hostile.seen[0].headers


@pytest.mark.parametrize(
    ("body_type", "body", "content_type", "sent"),
    [
        ("form", {"a": "x y", "b": [1, 2]}, "application/x-www-form-urlencoded", b"a=x+y&b=1&b=2"),
        ("text", "Grüße", "text/plain; charset=utf-8", "Grüße".encode()),
        ("json", False, "application/json", b"false"),
    ],
)
async def test_body_types(send, hostile, *, body_type, body, content_type, sent):
    await send("/echo", body=body, body_type=body_type)
    assert hostile.seen[0].body == sent
    assert hostile.seen[0].headers["content-type"] == content_type


@pytest.mark.parametrize(
    ("path", "body", "encoding"),
    [
        ("/gzip", {"packed": 1}, None),
        ("/members", "one two", None),
        ("/deflate", "flat", None),
        ("/problem", {"a": 1}, None),
        ("/wrong-type", "<html>", None),
        ("/latin", "Grüße", None),
        ("/empty", None, None),
        ("/png", "iVBORw0KGgr//g==", "base64"),
        ("/brotli", "iwKA//4=", "base64"),
        ("/charset", "text", None),
    ],
)
async def test_what_becomes_of_a_body(send, path, body, encoding):
    output = (await send(path)).output
    assert output["body"] == body
    assert output.get("body_encoding") == encoding


async def test_head_gives_headers_alone(send):
    output = (await send("/exact", method="HEAD", max_response_bytes=10)).output
    assert (output["body"], output["headers"]["content-length"]) == (None, "1000")


async def test_one_connection_serves_many_calls(send, hostile):
    for _ in range(5):
        await send("/echo")
    assert (len(hostile.seen), hostile.connections) == (5, 1)


async def test_cookies_are_neither_kept_nor_shown(send, hostile):
    output = (await send("/cookie")).output
    await send("/echo")
    assert "s3cret" not in str(output)
    assert "cookie" not in hostile.seen[1].headers


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("/busy", DestinationRateLimited, "429 Too Many Requests: slow down"),
        ("/broken", DestinationServerError, "503 Service Unavailable"),
        ("/refused", DestinationRefused, "422 Unprocessable Entity: .*title is missing"),
        ("/nowhere?key=s3cret", DestinationRefused, "404 Not Found"),
        ("/half-closed", DestinationUnreachable, "closed"),
        ("/dropped", DestinationUnreachable, "disconnected"),
        ("/no-http", DestinationUnreachable, "not HTTP"),
        ("/not-gzip", DestinationUnreachable, "Content-Encoding"),
    ],
)
async def test_failures_have_their_own_names(send, path, error, says):
    with pytest.raises(error, match=says) as caught:
        await send(path)
    assert "POST http://127.0.0.1:" in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_rate_limits_tell_when_to_come_back(send):
    with pytest.raises(DestinationRateLimited) as caught:
        await send("/busy")
    assert caught.value.details == {"status": 429, "host": "127.0.0.1", "retry_after": "7"}


@pytest.mark.parametrize("path", ["/silent", "/drip"])
async def test_a_slow_answer_ends_in_time(send, path, hostile):
    with pytest.raises(DestinationTimeout, match=r"after 1\.\d s"):
        await send(path)


async def test_nothing_listens(node_call):
    async with hostile_server() as gone:
        url = gone.url
    deps = http_deps("127.0.0.1")
    with pytest.raises(DestinationUnreachable, match="connection"):
        await run(node_call("webhook", {"url": url}), deps)
    await deps.aclose()


async def test_an_endless_answer_is_cut_off(send, hostile):
    with pytest.raises(ResponseTooLarge, match="larger than 200000 bytes"):
        await send("/endless", max_response_bytes=200_000)
    await hostile.closed.wait()  # the connection was closed, not left to run
    assert hostile.sent < 16 * MEBIBYTE


async def test_an_answer_of_exactly_the_limit_is_taken(send):
    assert len((await send("/exact", max_response_bytes=1000)).output["body"]) == 1000
    with pytest.raises(ResponseTooLarge):
        await send("/over", max_response_bytes=1000)


async def test_an_announced_size_is_refused_before_a_byte_is_read(send):
    with pytest.raises(ResponseTooLarge):
        await send("/announced")


async def test_a_gzip_bomb_is_refused_without_unpacking_it(send):
    assert len(BOMB) < 200_000  # small enough to pass on the wire
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge):
            await send("/bomb", max_response_bytes=200_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MEBIBYTE


async def test_binary_that_grows_over_the_limit_as_base64_is_refused(send):
    with pytest.raises(ResponseTooLarge, match="200004 bytes as base64"):
        await send("/binary-150k", max_response_bytes=200_000)


async def test_redirects_are_given_back_unless_asked_for(send, hostile):
    output = (await send("/to?/echo")).output
    assert (output["status"], output["headers"]["location"]) == (307, "/echo")
    output = (await send("/to?/echo", follow_redirects=True, body={"a": 1})).output
    assert (output["status"], output["body"]["body"]) == (200, '{"a":1}')


async def test_a_redirect_loop_ends(send, hostile):
    with pytest.raises(DestinationRefused, match="more than 5 times"):
        await send("/loop", follow_redirects=True)
    assert len(hostile.seen) == 6


async def test_the_body_of_a_redirect_is_not_read(send):
    assert (await send("/endless-redirect", follow_redirects=True)).output["body"]["path"] == "/echo"


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://2852039166/latest/",
        "http://[::ffff:169.254.169.254]/",
        "http://localhost:1/",
        "http://10.0.0.1/",
        "http://user:pass@example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "//169.254.169.254/",
    ],
)
async def test_a_redirect_to_where_no_request_may_go_is_refused(send, target):
    with pytest.raises(AddressBlocked):
        await send(f"/to?{target}", follow_redirects=True)


async def test_a_redirect_to_what_is_no_url_fails(send):
    with pytest.raises(DestinationUnreachable, match="no URL"):
        await send("/to?http://[nowhere", follow_redirects=True)


async def test_another_origin_gets_none_of_the_authors_headers(node_call, hostile):
    async with hostile_server() as other:
        deps = http_deps("127.0.0.1")
        config = {
            "url": f"{hostile.url}/to?{other.url}/echo",
            "follow_redirects": True,
            "headers": {"X-Api-Key": "s3cret", "Authorization": "Bearer s3cret", "Accept": "text/plain"},
            "body": {"a": 1},
        }
        await run(node_call("webhook", config), deps)
        await deps.aclose()
    assert hostile.seen[0].headers["x-api-key"] == "s3cret"
    assert "s3cret" not in str(other.seen[0].headers)
    assert other.seen[0].headers["accept"] == "text/plain"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"url": "nonsense"}, "no scheme"),
        ({"url": "http://example.com:port/"}, "not a URL"),
        ({"url": 7}, "url: Input should be a valid string"),
        ({"url": "http://x.example/", "headers": ["a"]}, "`headers` is a list"),
        ({"url": "http://x.example/", "headers": {"Host": "evil.example"}}, "'Host' can not be set"),
        ({"url": "http://x.example/", "headers": {"A": "b\r\nX-Injected: c"}}, "control characters"),
        ({"url": "http://x.example/", "headers": {"A b": "c"}}, "not a header name"),
        ({"url": "http://x.example/", "query": {"a": {"b": 1}}}, "`query.a` is an object"),
        ({"url": "http://x.example/", "body": {"a": 1}, "body_type": "text"}, "sends a string"),
        ({"url": "http://x.example/", "body": "a=b", "body_type": "form"}, "`body` is text"),
        ({"url": "http://x.example/", "method": "TRACE"}, "method: Input should be"),
    ],
)
async def test_a_config_that_is_no_request_is_refused(node_call, http, config, says):
    with pytest.raises(NodeConfigInvalid, match=says):
        await run(node_call("webhook", config), http)
