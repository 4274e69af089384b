"""The Lambdas of the nodes: what Step Functions sends them, and what it gets back."""

import asyncio
import importlib
import logging
import threading
from collections.abc import Iterator

import pytest

from shared.errors import AddressBlocked, DestinationRefused, NodeBug, NodeConfigInvalid, NodeError
from tests.functions.nodes.conftest import EXECUTION
from tests.support.hostile import Hostile, hostile_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    """A server in a thread of its own: a handler runs its own event loop, and blocks the thread it is called in."""
    ready, over = threading.Event(), asyncio.Event()
    kept: list[tuple[Hostile, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with hostile_server() as hostile:
            kept.append((hostile, asyncio.get_running_loop()))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(5)
    hostile, loop = kept[0]
    monkeypatch.setenv("MILLRACE_ALLOWED_HOSTS", hostile.url.removeprefix("http://"))
    yield hostile
    loop.call_soon_threadsafe(over.set)
    thread.join(5)


def invoke(kind: str, config: dict, **changes: object) -> dict:
    """Calls the handler of `functions.nodes.<kind>` as Lambda does, in a thread without an event loop."""
    handler = importlib.import_module(f"functions.nodes.{kind}.handler").handler
    event = {"node": "n", "type": kind, "config": config, "execution": EXECUTION, "attempt": 0, **changes}
    outcome: list = []

    def call() -> None:
        try:
            outcome.append(handler(event, object()))
        except BaseException as error:  # noqa: BLE001 - handed over to the test's thread
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(30)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def test_http(server):
    for _ in range(2):  # a warm Lambda is called again, on another event loop
        result = invoke("http", {"url": f"{server.url}/gzip"})
        assert result["output"]["body"] == {"packed": 1}
        assert result["meta"]["status"] == 200


def test_tool():
    result = invoke("tool", {"tool": "csv.parse", "arguments": {"text": "a\n1"}})
    assert result["output"] == [{"a": "1"}]


def test_agent(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    result = invoke("agent", {"model": "demo:triage", "prompt": "Crash"})
    assert result["meta"]["stand_in"] is True


@pytest.mark.parametrize(
    ("kind", "config", "error"),
    [
        ("http", {"url": "http://169.254.169.254/"}, AddressBlocked),
        ("http", {}, NodeConfigInvalid),
        ("tool", {"tool": "nope"}, NodeConfigInvalid),
        ("agent", {"prompt": ""}, NodeConfigInvalid),
    ],
)
def test_a_node_error_passes_under_its_own_name(kind, config, error):
    with pytest.raises(NodeError) as caught:
        invoke(kind, config)
    assert type(caught.value) is error


def test_a_failure_at_the_destination_passes_too(server):
    with pytest.raises(DestinationRefused):
        invoke("http", {"url": f"{server.url}/refused"})


@pytest.mark.parametrize("kind", ["http", "tool", "agent"])
def test_what_is_no_node_call_is_a_bug_without_its_values(kind):
    with pytest.raises(NodeBug) as caught:
        invoke(kind, {}, execution={"id": "s3cret"}, surplus="s3cret")
    assert "surplus" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_an_unexpected_exception_is_a_bug_whose_details_stay_in_the_log(monkeypatch, caplog):
    async def broken(*_, **__):
        raise KeyError("s3cret")

    monkeypatch.setattr("functions.nodes.tool.handler.run", broken)
    with caplog.at_level(logging.ERROR), pytest.raises(NodeBug, match="failed with KeyError") as caught:
        invoke("tool", {"tool": "csv.parse"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "s3cret" in caplog.text
