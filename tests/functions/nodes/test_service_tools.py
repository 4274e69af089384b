"""Tools of Slack and GitHub against a server on loopback that answers as they do."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from functions.nodes.tool.core import ToolDeps, run
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.connections.kinds import Basic, Bearer
from shared.egress import EgressPolicy
from shared.errors import (
    ConnectionUnusable,
    DestinationRateLimited,
    DestinationRefused,
    DestinationServerError,
    NodeConfigInvalid,
)

TOKEN = Bearer(token=SecretStr("xoxb-s3cret"), hosts=["127.0.0.1"])
ISSUE = {"id": 1, "number": 7, "html_url": "https://github.example/7", "user": {"login": "x"}}


class Service:
    """`answers` are given in their order; `seen` is what came."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.seen: list[tuple[str, dict, dict]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append(
            (request.path, {name.lower(): value for name, value in request.headers.items()}, await request.json())
        )
        return self.answers.pop(0)


@pytest.fixture
async def service():
    service, app = Service(), web.Application()
    app.router.add_post("/{path:.*}", service.handle)
    async with TestServer(app) as server:
        service.url = str(server.make_url("/api"))
        yield service


@pytest.fixture
def use(node_call, service):
    async def _use(tool, credentials=TOKEN, **arguments):
        async with GuardedClient(EgressPolicy.parse("127.0.0.1")) as client:
            config = {"tool": tool, "arguments": {"api_url": service.url, **arguments}}
            called = await run(node_call("tool", config), ToolDeps(Requester(client)), credentials=credentials)
            return called.output

    return _use


async def test_a_message_is_posted_to_slack(use, service):
    service.answers = [web.json_response({"ok": True, "channel": "C1", "ts": "1.2", "message": {}})]
    assert await use("slack.post_message", channel="#ops", text="Hi <b>", thread_ts="1.1") == {
        "channel": "C1",
        "ts": "1.2",
    }
    [(path, headers, body)] = service.seen
    assert path == "/api/chat.postMessage"
    assert headers["authorization"] == "Bearer xoxb-s3cret"
    assert body == {"channel": "#ops", "text": "Hi <b>", "thread_ts": "1.1"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"ok": False, "error": "channel_not_found"}, DestinationRefused),
        ({"ok": False, "error": "ratelimited"}, DestinationRateLimited),
        ({"ok": False, "error": "internal_error"}, DestinationServerError),
        (["?"], DestinationRefused),
    ],
)
async def test_slack_says_200_where_it_fails(use, service, answer, error):
    service.answers = [web.json_response(answer)]
    with pytest.raises(error):
        await use("slack.post_message", channel="C1", text="x")


@pytest.mark.parametrize(
    ("credentials", "arguments", "error"),
    [
        (None, {"text": "x"}, ConnectionUnusable),
        (Basic(username="u", password=SecretStr("p")), {"text": "x"}, ConnectionUnusable),
        (TOKEN, {}, NodeConfigInvalid),
        (TOKEN, {"text": "x" * 40_001}, NodeConfigInvalid),
    ],
)
async def test_what_cannot_be_posted(use, service, credentials, arguments, error):
    with pytest.raises(error):
        await use("slack.post_message", credentials, channel="C1", **arguments)
    assert service.seen == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("slack.post_message", {"channel": "C1", "text": "x"}),
        ("github.comment", {"repository": "a/b", "number": 1, "body": "x"}),
    ],
)
async def test_whoever_chooses_the_address_does_not_get_the_token(use, service, tool, arguments):
    with pytest.raises(ConnectionUnusable, match="hosts"):
        await use(tool, Bearer(token=SecretStr("xoxb-s3cret")), **arguments)
    assert service.seen == []


async def test_an_issue_is_opened(use, service):
    service.answers = [web.json_response(ISSUE, status=201)]
    made = await use("github.create_issue", repository="octo/hello", title="T", body="*b*", labels=["bug"])
    assert made == {"id": 1, "number": 7, "html_url": "https://github.example/7"}
    [(path, headers, body)] = service.seen
    assert path == "/api/repos/octo/hello/issues"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert body == {"title": "T", "body": "*b*", "labels": ["bug"], "assignees": []}


async def test_a_comment_is_left(use, service):
    service.answers = [web.json_response({"id": 3, "html_url": "h"}, status=201)]
    assert await use("github.comment", repository="octo/hello", number=7, body="done") == {"id": 3, "html_url": "h"}
    assert service.seen[0][0] == "/api/repos/octo/hello/issues/7/comments"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.json_response({"message": "Not Found"}, status=404), DestinationRefused),
        (lambda: web.json_response({"message": "no"}, status=403), DestinationRefused),
        (lambda: web.json_response({}, status=403, headers={"x-ratelimit-remaining": "0"}), DestinationRateLimited),
        (lambda: web.json_response({}, status=403, headers={"retry-after": "60"}), DestinationRateLimited),
        (lambda: web.json_response({}, status=502), DestinationServerError),
        (lambda: web.json_response([], status=201), DestinationRefused),
    ],
)
async def test_github_refuses(use, service, answer, error):
    service.answers = [answer()]
    with pytest.raises(error) as caught:
        await use("github.create_issue", repository="octo/hello", title="T")
    assert "s3cret" not in json.dumps([caught.value.message, caught.value.details])


@pytest.mark.parametrize("repository", ["octo", "octo/hello/../../user", "octo/he llo", "../x/y"])
async def test_a_repository_is_a_name(use, service, repository):
    with pytest.raises(NodeConfigInvalid):
        await use("github.create_issue", repository=repository, title="T")
    assert service.seen == []
