"""A client of a running stage with the few calls that tests make, and a service for workflows to call."""

import asyncio
import os
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx

from local.receiver import Receiver


class Switch(Receiver):
    """Answers `/flaky` with 500 until it is switched on, and `/slow` only after that."""

    def __init__(self) -> None:
        super().__init__(keep=10_000)
        self.on = asyncio.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def spoiled(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and not self.on.is_set():
                message = {**message, "status": 500}
            await send(message)

        async def later(message: dict[str, Any]) -> None:
            await self.on.wait()
            await send(message)

        sends = {"/flaky": spoiled, "/slow": later}
        await super().__call__(scope, receive, sends.get(scope.get("path", ""), send))

    def calls(self) -> Counter[str]:
        return Counter(each["path"] for each in self.received)


def call(node: str, url: str, **fields: Any) -> dict[str, Any]:
    return {"id": node, "type": "webhook", "config": {"method": "POST", "url": url, "body": {"n": 1}}, **fields}


def signed_in() -> dict[str, str]:
    """Headers with the key of the stage that runs; see tests/support/stage.py."""
    return {"Authorization": f"Bearer {os.environ['MILLRACE_API_KEY']}"}


class Api:
    """The few calls that these tests make."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=30, headers=signed_in())

    async def publish(self, name: str, nodes: list[Any], **fields: Any) -> str:
        ids = [node["id"] for node in nodes]
        edges = [{"from": before, "to": after} for before, after in pairwise(ids)]
        body = {"name": name, "nodes": nodes, "edges": edges, **fields}
        answer = await self.http.post("/api/workflows", json=body)
        assert answer.status_code == 201, answer.text
        workflow_id = str(answer.json()["id"])
        (await self.http.post(f"/api/workflows/{workflow_id}/activate")).raise_for_status()
        return workflow_id

    async def run(self, workflow_id: str, data: Any = None) -> str:
        answer = await self.http.post(f"/api/workflows/{workflow_id}/execute", json={"input": data or {}})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["execution_id"])

    async def get(self, execution_id: str) -> dict[str, Any]:
        return (await self.http.get(f"/api/executions/{execution_id}")).raise_for_status().json()

    async def until(self, execution_id: str, *statuses: str) -> dict[str, Any]:
        async with asyncio.timeout(40):
            while True:
                execution = await self.get(execution_id)
                if execution["status"] in (statuses or ("succeeded", "failed", "timed_out", "cancelled")):
                    return execution
                await asyncio.sleep(0.05)

    async def listed(self, **query: Any) -> list[dict[str, Any]]:
        return (await self.http.get("/api/executions", params=query)).raise_for_status().json()["items"]
