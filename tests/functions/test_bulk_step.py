"""Bulk runs on AWS: asked for through the API, done step by step by their machine, over the real database. Step
Functions is played by our own interpreter, and executions end as the tests say."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from functions.bulk import core
from functions.bulk import handler as module
from functions.bulk.core import BulkStep, Deps
from shared import repeating
from shared.adapters.aws import machines as aws_machines
from shared.adapters.aws import repeating as aws_repeating
from shared.adapters.aws.bulk import AwsBulkRuns
from shared.adapters.aws.executions import AwsExecutions
from shared.adapters.aws.machines import Machines
from shared.adapters.aws.repeating import Repeating
from shared.adapters.aws.settings import AwsSettings
from shared.bulk.feeding import Feeding
from shared.bulk.records import BulkRun
from shared.clock import SystemClock
from shared.executions.records import ExecutionStatus, StatusChange
from shared.settings import DEFAULT_PROJECT_ID
from tests.functions.conftest import Doors, assert_problem
from tests.support.repeating import StepFunctions
from tests.support.stores import KeptBus, Woken

SAMPLE = orjson.loads((Path(__file__).parents[2] / "events" / "bulk-step.json").read_bytes())
ROLE = "arn:aws:iam::123456789012:role/machines"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> StepFunctions:
    made = StepFunctions()
    for each in (aws_machines, aws_repeating):
        monkeypatch.setattr(each, "client", lambda service: made)
    monkeypatch.setattr(repeating, "_LEAST_SECONDS", 0)
    return made


class World:
    """The function, and the executions that it starts: after each step those that were handed over end, unless they are
    to `hang`."""

    def __init__(self, doors: Doors, aws: StepFunctions) -> None:
        self.doors, self.stores, self.aws = doors, doors.stores, aws
        rows, machines = doors.stores.bulk_runs, Machines(AwsSettings(machine_prefix="m", machine_role_arn=ROLE))
        feeding = Feeding(rows, self.stores.workflows, self.stores.blobs, self.stores.queue, SystemClock(), "")
        self.woken = Woken()
        executions = AwsExecutions(self.stores.executions, machines, self.stores.progress, KeptBus(), self.woken)
        self.deps = Deps(feeding, rows, executions, machines, self.woken)
        self.hang = False
        self.failing: set[int] = set()
        self.in_flight: list[int] = []
        api = doors.api_app.state
        api.deps = replace(api.deps, bulk_runs=AwsBulkRuns(rows, Repeating("arn:machine")))

    async def function(self, given: dict[str, Any]) -> Mapping[str, Any]:
        answer = await core.step(self.deps, BulkStep.model_validate(given))
        bulk = await self.row(given["id"])
        if bulk is not None:
            await self.go_on(bulk)
        return answer

    async def go_on(self, bulk: BulkRun) -> None:
        begun = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)
        found = await self.stores.bulk_runs.items(bulk, statuses=begun, limit=1_000)
        self.in_flight.append(len(found))
        for each in found:
            await self.write(each.execution_id, ExecutionStatus.RUNNING)
            stopped = each.execution_id in self.aws.stopped
            if stopped or not self.hang:
                failed = bulk.index_of(each.execution_id) in self.failing
                well = ExecutionStatus.FAILED if failed else ExecutionStatus.SUCCEEDED
                await self.write(each.execution_id, ExecutionStatus.CANCELLED if stopped else well)

    async def write(self, execution_id: str, status: ExecutionStatus) -> None:
        error = {"name": "E", "cause": "c"} if status is ExecutionStatus.FAILED else None
        change = StatusChange(status, SystemClock().now(), error=error)
        await self.stores.journal.write(execution_id, DEFAULT_PROJECT_ID, (), change)

    async def row(self, bulk_id: str) -> BulkRun | None:
        return await self.stores.bulk_runs.get(DEFAULT_PROJECT_ID, bulk_id)

    async def started(self, count: int, key: str | None = None, mode: str = "durable", **query: Any) -> dict[str, Any]:
        """A bulk run of so many inputs, as the API answers."""
        workflow = await self.doors.workflow(settings={"mode": mode})
        headers = {"Idempotency-Key": key} if key else {}
        target = f"/api/workflows/{workflow['id']}/bulk"
        answer = await self.doors.api.post(target, json=[{"n": n} for n in range(count)], params=query, headers=headers)
        assert answer.status_code == 202, answer.text
        return {**answer.json(), "target": target}

    async def shown(self, bulk_id: str) -> dict[str, Any]:
        return (await self.doors.api.get(f"/api/bulk/{bulk_id}")).raise_for_status().json()

    async def run(self, name: str) -> None:
        change = await self.aws.run(name, self.function)
        assert change.status is ExecutionStatus.SUCCEEDED, change.error

    def other(self, *names: str) -> str:
        """The name of the machine that was started beside these."""
        (name,) = set(self.aws.started) - set(names)
        return name


@pytest.fixture
async def world(doors: Doors, aws: StepFunctions) -> World:
    async with doors.stores.engine.begin() as connection:
        await connection.execute(text("TRUNCATE workflow_executions, bulk_runs"))
    return World(doors, aws)


async def test_a_bulk_run_is_fed_to_its_end_as_many_at_a_time_as_it_allows(world: World):
    world.failing = {7}
    bulk = await world.started(400, max_in_flight=150)
    assert bulk["status"] == "running"

    await world.run(bulk["id"])

    ended = await world.shown(bulk["id"])
    assert (ended["status"], ended["submitted"]) == ("completed", 400)
    assert (ended["counts"]["succeeded"], ended["counts"]["failed"]) == (399, 1)
    assert world.in_flight == [150, 150, 100]
    row = await world.row(bulk["id"])
    items = await world.stores.bulk_runs.items(row, limit=1_000)
    assert Counter(row.index_of(each.execution_id) for each in items) == Counter(range(400))


async def test_a_step_that_has_no_time_left_is_followed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch):
    class OneBatch(core.Turn):
        batches = 0

        @property
        def over(self) -> bool:
            return self.batches > 0

        async def rest(self, seconds: float) -> bool:
            more = await super().rest(seconds)
            self.batches += 1
            return more

    monkeypatch.setattr(core, "Turn", OneBatch)
    bulk = await world.started(600, max_in_flight=1_000)
    wanted = BulkStep(id=bulk["id"], project_id=DEFAULT_PROJECT_ID)

    first = await core.step(world.deps, wanted)

    assert (first["done"], first["seconds"]) == (False, 0)
    assert (await world.shown(bulk["id"]))["submitted"] == 250
    await world.run(bulk["id"])
    assert (await world.shown(bulk["id"]))["counts"]["succeeded"] == 600


async def test_the_function_does_not_wait_for_executions_but_says_when_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(repeating, "_LEAST_SECONDS", 2)
    world.hang, answers = True, []
    bulk = await world.started(20, max_in_flight=5)

    for _ in range(8):
        idle = answers[-1]["idle"] if answers else 0
        answers.append(await core.step(world.deps, BulkStep(id=bulk["id"], project_id=DEFAULT_PROJECT_ID, idle=idle)))

    assert [each["seconds"] for each in answers] == [2, 4, 8, 16, 32, 60, 60, 60]


async def test_what_a_process_that_died_had_begun_is_gone_on_with(world: World):
    bulk = await world.started(20)
    assert await world.stores.bulk_runs.claim("dead", only=bulk["id"])
    wanted = BulkStep(id=bulk["id"], project_id=DEFAULT_PROJECT_ID)
    assert not (await core.step(world.deps, wanted))["done"]
    assert (await world.shown(bulk["id"]))["submitted"] == 0, "it may be alive"

    async with world.stores.engine.begin() as connection:
        await connection.execute(text("UPDATE bulk_runs SET claimed_until = now() - interval '1 second'"))
    await world.run(bulk["id"])

    assert (await world.shown(bulk["id"]))["counts"]["succeeded"] == 20


async def test_where_no_machine_can_be_started_nothing_is_kept(world: World):
    world.aws.away = True
    workflow = await world.doors.workflow()

    answer = await world.doors.api.post(f"/api/workflows/{workflow['id']}/bulk", json=[1])

    assert_problem(answer, 503, "platform.store_unavailable")
    assert (await world.doors.api.get("/api/bulk")).json()["items"] == []


async def test_a_repeated_request_has_the_first_one_fed_on(world: World):
    bulk = await world.started(3, key="k")
    headers = {"Idempotency-Key": "k"}

    again = await world.doors.api.post(bulk["target"], json=[{"n": n} for n in range(3)], headers=headers)

    assert again.json()["id"] == bulk["id"]
    on, without_row = sorted(set(world.aws.started) - {bulk["id"]}, key=lambda name: not name.startswith(bulk["id"]))
    await world.run(without_row)  # its row never came
    assert (await world.shown(bulk["id"]))["submitted"] == 0
    await world.run(on)
    assert (await world.shown(bulk["id"]))["status"] == "completed"


async def test_a_cancel_stops_what_runs_and_nothing_more_is_started(world: World):
    world.hang = True
    bulk = await world.started(30, max_in_flight=10)
    await world.function(world.aws.started[bulk["id"]])

    answer = await world.doors.api.post(f"/api/bulk/{bulk['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    await world.run(world.other(bulk["id"]))

    ended = await world.shown(bulk["id"])
    assert (ended["status"], ended["submitted"], ended["counts"]["cancelled"]) == ("cancelled", 10, 10)
    assert len(world.aws.stopped) == 10
    await world.run(bulk["id"])  # the first one finds nothing to do
    assert (await world.shown(bulk["id"])) == ended


async def test_a_cancel_stops_those_of_a_run_that_was_handed_over_as_a_whole(world: World):
    world.hang = True
    bulk = await world.started(5)
    await world.run(bulk["id"])

    await world.doors.api.post(f"/api/bulk/{bulk['id']}/cancel")
    await world.run(world.other(bulk["id"]))

    assert (await world.shown(bulk["id"]))["counts"]["cancelled"] == 5
    assert None in world.woken.times, "those that never began may have had places"


async def test_a_cancel_leaves_express_executions_to_end_by_themselves(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(core, "_STOPPED_AT_ONCE", 5)
    world.hang = True
    bulk = await world.started(30, mode="express", max_in_flight=10)
    await world.function(world.aws.started[bulk["id"]])
    await world.doors.api.post(f"/api/bulk/{bulk['id']}/cancel")

    await world.run(world.other(bulk["id"]))

    assert world.aws.stopped == []
    assert (await world.shown(bulk["id"]))["status"] == "cancelling"
    world.hang = False
    await world.go_on(await world.row(bulk["id"]))
    ended = await world.shown(bulk["id"])
    assert (ended["status"], ended["submitted"], ended["counts"]["succeeded"]) == ("cancelled", 10, 10)


async def test_express_executions_that_failed_are_started_anew_not_retried(world: World):
    world.failing = {0}
    bulk = await world.started(2, mode="express")
    await world.run(bulk["id"])

    answer = await world.doors.api.post(f"/api/bulk/{bulk['id']}/retry")

    assert_problem(answer, 409, "resource.conflict")
    assert "the workflow is express. Start those inputs in a new bulk run." in answer.json()["detail"]
    assert set(world.aws.started) == {bulk["id"]}


async def test_what_failed_goes_on_where_step_functions_has_not_forgotten_it(world: World):
    world.failing = set(range(120))
    bulk = await world.started(130)
    await world.run(bulk["id"])
    row = await world.row(bulk["id"])
    world.failing, world.aws.forgot = set(), {row.item_id(3)}

    answer = await world.doors.api.post(f"/api/bulk/{bulk['id']}/retry")

    assert (answer.status_code, answer.json()["redriven"]) == (202, 120)
    assert (await world.shown(bulk["id"]))["status"] == "running"
    await world.run(world.other(bulk["id"]))
    ended = await world.shown(bulk["id"])
    assert sorted(world.aws.redriven) == [row.item_id(n) for n in range(120) if n != 3]
    assert (ended["status"], ended["counts"]["succeeded"], ended["counts"]["failed"]) == ("completed", 129, 1)


async def test_a_retry_that_no_machine_can_be_started_for_leaves_all_as_it_was(world: World):
    world.failing = {0}
    bulk = await world.started(2)
    await world.run(bulk["id"])
    before, world.aws.away = await world.shown(bulk["id"]), True

    answer = await world.doors.api.post(f"/api/bulk/{bulk['id']}/retry")

    assert_problem(answer, 503, "platform.store_unavailable")
    assert await world.shown(bulk["id"]) == before


async def test_nothing_failed_nothing_is_retried(world: World):
    bulk = await world.started(1)

    answer = await world.doors.api.post(f"/api/bulk/{bulk['id']}/retry")

    assert_problem(answer, 409, "resource.conflict")
    assert set(world.aws.started) == {bulk["id"]}


def test_the_sample_is_a_step(monkeypatch: pytest.MonkeyPatch):
    seen: list[BulkStep] = []

    async def step(deps: Any, wanted: BulkStep) -> dict[str, Any]:
        seen.append(wanted)
        return {"done": True}

    monkeypatch.setattr(module, "_deps", lambda: None)
    monkeypatch.setattr(module, "step", step)

    assert module.handler(SAMPLE, object()) == {"done": True}
    assert [(each.id, each.idle, each.retry, each.after) for each in seen] == [(SAMPLE["id"], 1, True, 49)]
