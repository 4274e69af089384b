"""The API client: what it sends, how answers and failures come back, and that a watch survives broken connections."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest

from local.cli import client as module
from local.cli.client import MillraceClient, Refused, ServerUnreachable

Handler = Callable[[httpx.Request], httpx.Response]


def connected(handler: Handler) -> MillraceClient:
    return MillraceClient("http://millrace.test", transport=httpx.MockTransport(handler))


class Stream(httpx.AsyncByteStream):
    """A response body that breaks off where it is told to."""

    def __init__(self, text: str, *, breaks: bool = False) -> None:
        self._text, self._breaks = text, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for index in range(0, len(self._text), 7):  # pieces that do not end where lines do
            yield self._text[index : index + 7].encode()
        if self._breaks:
            raise httpx.ReadError("connection reset")


def sse(number: int, kind: str, **data: Any) -> str:
    return f"id: {number}\nevent: {kind}\ndata: {orjson.dumps(data).decode()}\n\n"


def streaming(text: str, *, breaks: bool = False) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Stream(text, breaks=breaks))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits between reconnects are recorded, not spent."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    return waits


async def test_a_problem_document_becomes_refused_with_its_diagnostics():
    diagnostic = {"code": "node.unknown", "path": "edges[0].to", "message": "No node is called 'b'."}
    problem = {"title": "Invalid", "detail": "One mistake.", "code": "definition.invalid", "diagnostics": [diagnostic]}
    client = connected(lambda _: httpx.Response(422, json=problem))

    with pytest.raises(Refused) as caught:
        await client.create_workflow({"name": "x"})

    assert (caught.value.status, caught.value.code, str(caught.value)) == (422, "definition.invalid", "One mistake.")
    assert caught.value.diagnostics == [diagnostic]


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "[1]", ""])
async def test_an_answer_that_is_no_problem_document_is_still_told(body: str):
    client = connected(lambda _: httpx.Response(502, text=body))

    with pytest.raises(Refused, match="answered 502 Bad Gateway"):
        await client.execution("e1")


async def test_no_answer_is_unreachable():
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    with pytest.raises(ServerUnreachable, match=r"No Millrace server answers at http://millrace\.test"):
        await connected(refuse).execution("e1")


async def test_find_by_name_walks_every_page():
    pages = {None: ([{"name": "a"}], "c1"), "c1": ([{"name": "b", "id": "2"}], None)}
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("cursor"))
        items, cursor = pages[asked[-1]]
        return httpx.Response(200, json={"items": items, "next_cursor": cursor})

    client = connected(handler)

    found = await client.find_by_name("b")
    assert found is not None
    assert found["id"] == "2"
    assert asked == [None, "c1"]
    assert await client.find_by_name("none") is None


async def test_execute_sends_input_and_key():
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(202, json={"execution_id": "e1", "status": "queued", "duplicate": False})

    client = connected(handler)
    await client.execute("w1", {"n": 1}, idempotency_key="k")
    await client.execute("w1", None)

    assert sent[0].url.path == "/api/workflows/w1/execute"
    assert orjson.loads(sent[0].content) == {"input": {"n": 1}}
    assert sent[0].headers["idempotency-key"] == "k"
    assert "idempotency-key" not in sent[1].headers


async def test_filters_that_are_not_given_are_not_sent():
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"items": [], "next_cursor": None})

    await connected(handler).executions(status="failed", limit=5)

    assert dict(sent[0].url.params) == {"status": "failed", "limit": "5"}


async def test_logs_follow_the_cursor():
    def handler(request: httpx.Request) -> httpx.Response:
        first = "cursor" not in request.url.params
        return httpx.Response(
            200, json={"items": [{"id": "1" if first else "2"}], "next_cursor": "c" if first else None}
        )

    assert [line["id"] async for line in connected(handler).logs("e1")] == ["1", "2"]


async def test_watch_ends_with_the_terminal_change():
    body = (
        ": heartbeat\n\n"
        + sse(3, "node", node="a", status="running")
        + sse(4, "comment", anything=1)
        + sse(5, "node", node="ä", status="succeeded")
        + sse(6, "execution", status="running")
        + sse(9, "execution", status="succeeded")
        + sse(10, "node", node="late", status="running")
    )
    changes = [change async for change in connected(lambda _: streaming(body)).watch("e1")]

    assert [(c.id, c.kind, c.data["status"], c.final) for c in changes] == [
        ("3", "node", "running", False),
        ("5", "node", "succeeded", False),
        ("6", "execution", "running", False),
        ("9", "execution", "succeeded", True),
    ]


async def test_a_broken_watch_takes_up_where_it_broke():
    bodies: Iterator[httpx.Response] = iter(
        [
            streaming(sse(3, "node", node="a", status="running"), breaks=True),
            streaming(sse(7, "node", node="a", status="succeeded")),  # closed before the end, as a restart does
            streaming(sse(9, "execution", status="failed")),
        ]
    )
    asked: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        return next(bodies)

    changes = [change async for change in connected(handler).watch("e1")]

    assert [change.id for change in changes] == ["3", "7", "9"]
    assert asked == [None, "3", "7"]


async def test_a_watch_comes_back_as_often_as_the_server_says_when(no_waiting: list[float]):
    times = 3 * module.RECONNECTS
    quiet = [streaming("retry: 1500\n\n") for _ in range(times)]
    bodies = iter([*quiet, streaming(sse(9, "execution", status="succeeded"))])

    changes = [change async for change in connected(lambda _: next(bodies)).watch("e1")]

    assert [change.final for change in changes] == [True]
    assert no_waiting == [0] + [1.5] * times


async def test_a_watch_gives_up_on_a_server_that_is_gone(no_waiting: list[float]):
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    with pytest.raises(ServerUnreachable, match="Connection refused"):
        [change async for change in connected(refuse).watch("e1")]

    assert len(no_waiting) == module.RECONNECTS + 1
    assert 10 < sum(no_waiting) < 30


async def test_a_watch_of_an_unknown_execution_is_refused_at_once(no_waiting: list[float]):
    client = connected(
        lambda _: httpx.Response(404, json={"detail": "No such execution.", "code": "resource.not_found"})
    )

    with pytest.raises(Refused, match="No such execution"):
        [change async for change in client.watch("e1")]

    assert no_waiting == [0]


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://localhost", True),
        ("http://example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_a_proxy_of_the_environment_is_not_used_for_loopback(url: str, loopback: bool):
    assert module.is_loopback(url) is loopback
