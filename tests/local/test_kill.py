"""`kill -9` at any moment: what was accepted reaches a terminal state after a restart."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from local.receiver import Receiver
from local.web import bind, serving, url_of
from tests.support import stage as stages

DELIVERIES = 200
WORKFLOW: dict[str, Any] = {
    "name": "kill-me",
    "nodes": [
        {"id": "prepare", "type": "transform", "config": {"output": {"n": "{% $input.body.n %}"}}},
        {"id": "call", "type": "webhook", "config": {"url": "RECEIVER/first", "body": "{% $prepare %}"}},
        {"id": "again", "type": "webhook", "config": {"url": "RECEIVER/second", "body": "{% $prepare %}"}},
    ],
    "edges": [{"from": "prepare", "to": "call"}, {"from": "call", "to": "again"}],
    "output": {"n": "{% $prepare.n %}", "status": "{% $again.status %}"},
}


class Gate(Receiver):
    """Takes calls in, and holds the answers of `/second` back until it is opened: so the kill meets work in flight."""

    def __init__(self) -> None:
        super().__init__(keep=10_000)
        self.open = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def send_later(message: dict[str, Any]) -> None:
            await self.open.wait()
            await send(message)

        await super().__call__(scope, receive, send_later if scope.get("path") == "/second" else send)

    def calls(self) -> Counter[tuple[str, int]]:
        return Counter((each["path"], each["body"]["n"]) for each in self.received)


async def test_no_accepted_webhook_is_lost(tmp_path: Path) -> None:
    receiver, listener = Gate(), bind("127.0.0.1", 0)
    async with serving(receiver, listener):
        allowed = {"MILLRACE_ALLOWED_HOSTS": url_of(listener).removeprefix("http://")}
        with stages.running(tmp_path / "data", **allowed) as stage:
            url = await deploy(stage.url, url_of(listener), stage.headers)
            accepted = await deliver_and_kill(stage, url)
        before = receiver.calls()
        receiver.open.set()
        with stages.running(tmp_path / "data", **allowed) as stage:
            ended = await wait_until_all_end(stage.url, stage.headers)
    assert len(accepted) == DELIVERIES
    assert set(accepted) <= set(ended), "an accepted execution is gone"
    assert Counter(ended[each]["status"] for each in accepted) == {"succeeded": DELIVERIES}
    after = receiver.calls()
    assert all(after["/second", n] for n in range(DELIVERIES))
    assert max(after.values()) <= 2, "only a call that was in flight at the kill may come again"
    in_second = [n for n in range(DELIVERIES) if before["/second", n]]
    assert in_second, "the kill met no execution after its first task"
    assert all(after["/first", n] == 1 for n in in_second), "a finished task was run again"


async def deploy(base_url: str, receiver_url: str, headers: dict[str, str]) -> str:
    async with httpx.AsyncClient(base_url=base_url, headers=headers) as http:
        definition = {**WORKFLOW, "nodes": [replaced(node, receiver_url) for node in WORKFLOW["nodes"]]}
        answer = await http.post("/api/workflows", json=definition)
        assert answer.status_code == 201, answer.text
        workflow_id = answer.json()["id"]
        assert (await http.post(f"/api/workflows/{workflow_id}/activate")).status_code == 200
        trigger = {"type": "webhook", "config": {"verification": {"scheme": "none"}}}
        answer = await http.post(f"/api/workflows/{workflow_id}/triggers", json=trigger)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["webhook"]["url"])


def replaced(node: dict[str, Any], receiver_url: str) -> dict[str, Any]:
    config = node["config"]
    if "url" in config:
        config = {**config, "url": config["url"].replace("RECEIVER", receiver_url)}
    return {**node, "config": config}


async def deliver_and_kill(stage: stages.Stage, url: str) -> list[str]:
    """Delivers 200 webhooks, 20 at a time, and kills the process the moment that the last is accepted."""
    numbers, accepted = iter(range(DELIVERIES)), []

    async def sender(http: httpx.AsyncClient) -> None:
        for n in numbers:
            answer = await http.post(url, json={"n": n})
            assert answer.status_code == 202, answer.text
            accepted.append(answer.json()["execution_id"])

    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=20)) as http:
        await asyncio.gather(*(sender(http) for _ in range(20)))
    stage.kill()
    return accepted


async def wait_until_all_end(base_url: str, headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    """All executions by id, once none of them is unfinished."""
    async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=30) as http, asyncio.timeout(60):
        while True:
            executions: dict[str, dict[str, Any]] = {}
            query: dict[str, Any] = {"limit": 200}
            while True:
                page = (await http.get("/api/executions", params=query)).json()
                executions |= {each["id"]: each for each in page["items"]}
                if not page["next_cursor"]:
                    break
                query["cursor"] = page["next_cursor"]
            if all(each["status"] not in ("queued", "running") for each in executions.values()):
                return executions
            await asyncio.sleep(0.1)
