"""`make chaos`: rounds of a mixed load, in each of which something is killed at a random moment; then the check.

python -m tests.chaos --rounds 50 --seed 7
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

import httpx
from rich.console import Console

from local.web import bind, serving, url_of
from shared.adapters.postgres.engine import create_engine
from shared.adapters.postgres.executions import PostgresExecutions
from tests.chaos.checks import violations
from tests.chaos.jobs import Job, jobs
from tests.chaos.service import Service
from tests.chaos.world import HURTS, World

PER_ROUND = 60
_SETTLE_SECONDS = 180


async def run(rounds: int, seed: int, console: Console, *, per_round: int = PER_ROUND) -> list[str]:
    """What broke a promise, in words; nothing where all was kept."""
    chance = random.Random(seed)
    service, listener = Service(seed), bind("127.0.0.1", 0)
    with tempfile.TemporaryDirectory(prefix="chaos-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        world = World(Path(folder))
        async with serving(service, listener):
            await world.start()
            try:
                await asyncio.to_thread(world.start_stage)
                load = Load(world, jobs(url_of(listener)), random.Random(seed))
                await load.publish()
                approving = asyncio.create_task(load.approve())
                await _rounds(load, chance, [per_round] * rounds, console)
                await load.settle()
                approving.cancel()
                return await _checked(load, service, console)
            finally:
                await world.stop()


async def _rounds(load: "Load", chance: random.Random, counts: list[int], console: Console) -> None:
    for number, count in enumerate(counts, 1):
        how = chance.choice(HURTS)
        sending = asyncio.create_task(load.send(count))
        await asyncio.sleep(chance.uniform(0.02, 2.5))
        await load.world.hurt(how)
        await sending
        console.print(f"round {number}/{len(counts)}: {how}; {len(load.accepted)} executions accepted so far")


async def _checked(load: "Load", service: Service, console: Console) -> list[str]:
    engine = create_engine(load.world.postgres.url)
    try:
        found = await violations(PostgresExecutions(engine), load.accepted, load.jobs, service)
    finally:
        await engine.dispose()
    calls, places = sum(map(len, service.calls.values())), len(service.calls)
    console.print(f"{len(load.accepted)} executions, {calls} calls of {places} places: {len(found)} promises broken")
    return found


class Load:
    """Starts executions over the API, again and again until each is accepted, whatever is down."""

    def __init__(self, world: World, jobs: dict[str, Job], chance: random.Random) -> None:
        self.jobs = jobs
        self.accepted: dict[str, tuple[str, int]] = {}
        self.world = world
        self._chance = chance
        self._ids: dict[str, str] = {}
        self._next = 0

    async def publish(self) -> None:
        assert self.world.stage is not None
        async with httpx.AsyncClient(
            base_url=self.world.stage.url, headers=self.world.stage.headers, timeout=30
        ) as http:
            for name, job in self.jobs.items():
                answer = await http.post("/api/workflows", json=job.definition)
                assert answer.status_code == 201, answer.text
                self._ids[name] = answer.json()["id"]
                (await http.post(f"/api/workflows/{self._ids[name]}/activate")).raise_for_status()

    async def send(self, count: int) -> None:
        names = [name for name, job in self.jobs.items() if not job.nested]
        numbers = range(self._next, self._next + count)
        self._next += count
        lanes = [[(number, self._chance.choice(names)) for number in numbers[lane::6]] for lane in range(6)]
        await asyncio.gather(*(self._lane(lane) for lane in lanes))

    async def _lane(self, lane: list[tuple[int, str]]) -> None:
        for number, name in lane:
            await self._start(number, name)
            await asyncio.sleep(self._chance.uniform(0, 0.2))

    async def _start(self, number: int, name: str) -> None:
        """With an idempotency key, so that one that was accepted unheard is not started twice."""
        headers = {"Idempotency-Key": f"chaos-{number}"}
        async with asyncio.timeout(_SETTLE_SECONDS):
            while True:
                assert self.world.stage is not None
                url = f"{self.world.stage.url}/api/workflows/{self._ids[name]}/execute"
                try:
                    async with httpx.AsyncClient(timeout=10, headers=self.world.stage.headers) as http:
                        answer = await http.post(url, json={"input": {"n": number}}, headers=headers)
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code == 202:
                    self.accepted[answer.json()["execution_id"]] = (name, number)
                    return
                assert answer is None or answer.status_code in (429, 503), answer.text
                await asyncio.sleep(0.1)

    async def approve(self) -> None:
        """Approves whatever is asked, until cancelled."""
        while True:
            assert self.world.stage is not None
            try:
                async with httpx.AsyncClient(
                    base_url=self.world.stage.url, headers=self.world.stage.headers, timeout=10
                ) as http:
                    asked = await http.get("/api/approvals", params={"status": "pending", "limit": 50})
                    for approval in asked.json()["items"] if asked.status_code == 200 else ():
                        body = {"approved": True, "by": "chaos"}
                        await http.post(f"/api/approvals/{approval['id']}/decide", json=body)
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)

    async def settle(self) -> None:
        """Waits until every execution has ended."""
        assert self.world.stage is not None
        async with httpx.AsyncClient(
            base_url=self.world.stage.url, headers=self.world.stage.headers, timeout=30
        ) as http:
            async with asyncio.timeout(_SETTLE_SECONDS):
                while await self._unfinished(http):
                    await asyncio.sleep(0.3)

    async def _unfinished(self, http: httpx.AsyncClient) -> bool:
        for status in ("queued", "running"):
            answer = await http.get("/api/executions", params={"status": status, "limit": 1})
            if answer.status_code != 200 or answer.json()["items"]:
                return True
        return False


def main() -> None:
    """Exits with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    given = parser.parse_args()
    console = Console()
    console.print(f"seed {given.seed}")
    found = asyncio.run(run(given.rounds, given.seed, console))
    for words in found[:50]:
        console.print(words, style="red", markup=False)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
