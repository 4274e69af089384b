"""`kill -9` between the turns of an agent: no finished call of a model is made again, and the answer is the same; a
replay of the execution makes none at all.

The model server and the tool's server run here and count. One execution is killed at every point in turn: while each
model call is under way and while each tool call is. A call that was under way was never answered, so that it has to be
made again; every call that was answered must have been answered once.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.local.test_kill import wait_until_all_end
from tests.support import stage as stages
from tests.support.openai_server import calls, filled_in

TURNS, TOOLS = 6, 4
POINTS = [point for n in range(TURNS) for point in (f"model {n}", f"tool {n}") if point not in ("tool 4", "tool 5")]
SCHEMA = {"type": "object", "required": ["seen"], "properties": {"seen": {"type": "array"}}}


class World:
    """Model and tool, by turn: four turns call the tool, the fifth answers wrongly, the sixth rightly."""

    def __init__(self) -> None:
        self.url = ""
        self.answered: Counter[str] = Counter()
        self.held: set[str] = set()
        self.reached: asyncio.Queue[str] = asyncio.Queue()

    async def model(self, request: web.Request) -> web.StreamResponse:
        messages = (await request.json())["messages"]
        turn = sum(each["role"] == "assistant" for each in messages)
        told = [each["content"] for each in messages if each["role"] == "tool"]
        if turn < TOOLS:
            answer = calls(("http_request", {"method": "POST", "url": f"{self.url}/tool/{turn}"}))
        else:
            seen = [json.loads(text)["body"]["answer"] for text in told[:TOOLS]]
            answer = filled_in({"seen": len(seen)} if turn == TOOLS else {"seen": seen})
        return await self._give(f"model {turn}", answer)

    async def tool(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["number"]
        return await self._give(f"tool {number}", web.json_response({"answer": int(number)}))

    async def _give(self, point: str, answer: web.Response) -> web.Response:
        """The first time that a point comes, it is told and never answered."""
        if point in POINTS and point not in self.held:
            self.held.add(point)
            self.reached.put_nowait(point)
            await asyncio.Event().wait()
        self.answered[point] += 1
        return answer


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    app, made = web.Application(), World()
    app.router.add_post("/v1/chat/completions", made.model)
    app.router.add_post("/tool/{number}", made.tool)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made


async def start(stage: stages.Stage) -> None:
    config: dict[str, Any] = {
        "model": "openai:tested",
        "prompt": "Go.",
        "tools": ["http.request"],
        "output_schema": SCHEMA,
        "max_turns": 10,
    }
    node = {"id": "help", "type": "agent", "config": config}
    async with httpx.AsyncClient(base_url=stage.url, headers=stage.headers) as http:
        made = await http.post("/api/workflows", json={"name": "agent-kill", "nodes": [node], "output": "{% $help %}"})
        assert made.status_code == 201, made.text
        workflow_id = made.json()["id"]
        (await http.post(f"/api/workflows/{workflow_id}/activate")).raise_for_status()
        (await http.post(f"/api/workflows/{workflow_id}/execute", json={"input": {}})).raise_for_status()


@pytest.mark.timeout(240)
async def test_an_agent_that_is_killed_at_every_point(tmp_path: Path) -> None:
    async with world() as there:
        settings = {
            "OPENAI_BASE_URL": f"{there.url}/v1",
            "OPENAI_API_KEY": "k",
            "MILLRACE_ALLOWED_HOSTS": there.url.removeprefix("http://"),
        }
        killed = []
        for number in range(len(POINTS)):
            stage = await asyncio.to_thread(stages.start, tmp_path / "data", **settings)
            try:
                if number == 0:
                    await start(stage)
                async with asyncio.timeout(30):
                    killed.append(await there.reached.get())
            finally:
                await asyncio.to_thread(stage.kill)
        with stages.running(tmp_path / "data", **settings) as stage:
            ((execution_id, ended),) = (await wait_until_all_end(stage.url, stage.headers)).items()
            async with httpx.AsyncClient(base_url=stage.url, headers=stage.headers) as http:
                shown = (await http.get(f"/api/executions/{execution_id}")).json()
                path = f"/api/workflows/{shown['workflow_id']}/execute"
                again = (await http.post(path, json={"replay": execution_id})).raise_for_status().json()["execution_id"]
                await wait_until_all_end(stage.url, stage.headers)
                replayed = (await http.get(f"/api/executions/{again}")).json()
    assert killed == POINTS
    assert ended["status"] == "succeeded", shown
    assert there.answered == {f"model {n}": 1 for n in range(TURNS)} | {f"tool {n}": 1 for n in range(TOOLS)}
    assert shown["output"] == {"seen": [0, 1, 2, 3]}
    assert (replayed["status"], replayed["output"]) == ("succeeded", shown["output"])
