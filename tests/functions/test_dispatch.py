"""From a message of the queue to a started machine, over the real database; Step Functions is a list of calls."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from functions.dispatch.core import DispatchDeps, dispatch
from shared.adapters.postgres.journal import PostgresJournal
from shared.clock import SystemClock
from shared.errors import NotFound, StoreUnavailable
from shared.executions.records import ExecutionStatus, FlowTicket, StartRequest, StatusChange, Watch
from shared.ids import new_id
from shared.settings import DEFAULT_PROJECT_ID
from shared.workflow.records import Workflow
from tests.support.stores import KeptBus, KeptWatches, Stores, Woken, new_request, new_workflow


@dataclass
class Machines:
    """Keeps names, as Step Functions does but for express ones; one that is `busy` starts nothing."""

    started: dict[str, Any] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    express: list[str] = field(default_factory=list)
    busy: bool = False
    meanwhile: Callable[[], Awaitable[object]] | None = None
    """What happens while one starts."""

    async def start(
        self, workflow_id: str, version: int, execution_id: str, input_: dict[str, object], *, express: bool
    ) -> None:
        if self.busy:
            raise StoreUnavailable("busy")
        if self.meanwhile is not None:
            await self.meanwhile()
        if express:
            self.express.append(execution_id)
        else:
            self.started.setdefault(execution_id, input_)

    async def stop(self, workflow_id: str, execution_id: str, cause: str) -> None:
        self.stopped.append(execution_id)


@pytest.fixture
def machines() -> Machines:
    return Machines()


async def nowhere(request: StartRequest) -> None:
    raise AssertionError(request)


@pytest.fixture
def deps(stores: Stores, machines: Machines) -> DispatchDeps:
    return DispatchDeps(
        progress=stores.progress,
        rows=stores.queue,
        journal=stores.journal,
        machines=machines,
        watches=KeptWatches(),
        wakes=Woken(),
        forward=nowhere,
        bus=KeptBus(),
        clock=SystemClock(),
    )


@pytest.fixture
async def workflow(stores: Stores) -> Workflow:
    workflow, version = new_workflow()
    await stores.workflows.create(workflow, version)
    return workflow


async def test_a_request_without_a_row_gets_one_and_starts_once(stores, deps, machines, workflow):
    request = new_request(workflow, input={"n": 1})

    for _ in range(3):  # SQS delivers at least once
        await dispatch(request, deps)

    assert list(machines.started) == [request.execution_id]
    assert deps.watches.asked == [], "Step Functions tells of its end"
    assert machines.started[request.execution_id]["input"] == {"n": 1}
    found = await stores.executions.get(DEFAULT_PROJECT_ID, request.execution_id)
    assert found.status is ExecutionStatus.RUNNING


async def test_of_two_requests_with_one_key_the_first_is_the_execution(stores, deps, machines, workflow):
    first = new_request(workflow, idempotency_key="k", request_digest="d")
    repeated = replace(first, execution_id=new_id())

    await dispatch(first, deps)
    await dispatch(repeated, deps)

    assert list(machines.started) == [first.execution_id]
    page = await stores.executions.list(DEFAULT_PROJECT_ID, workflow_id=workflow.id)
    assert [each.id for each in page.items] == [first.execution_id]


async def test_a_repeated_request_starts_what_the_first_one_could_not(deps, machines, workflow):
    first = new_request(workflow, idempotency_key="k", request_digest="d")
    machines.busy = True
    with pytest.raises(StoreUnavailable):
        await dispatch(first, deps)
    machines.busy = False

    await dispatch(replace(first, execution_id=new_id()), deps)

    assert list(machines.started) == [first.execution_id]


async def test_a_key_that_says_something_else_starts_nothing(deps, machines, workflow):
    first = new_request(workflow, idempotency_key="k", request_digest="d")
    await dispatch(first, deps)

    await dispatch(replace(first, execution_id=new_id(), request_digest="other"), deps)

    assert list(machines.started) == [first.execution_id]


async def test_what_was_cancelled_before_it_began_does_not_start(stores, deps, machines, workflow):
    request = new_request(workflow)
    await stores.queue.submit(request)
    await stores.executions.request_cancel(DEFAULT_PROJECT_ID, request.execution_id, SystemClock().now())

    await dispatch(request, deps)

    assert machines.started == {}


@pytest.mark.parametrize("mode", ["durable", "express"])
async def test_what_is_cancelled_while_it_starts_is_stopped(stores, deps, machines, mode):
    workflow, version = new_workflow(definition={"settings": {"mode": mode}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)
    await stores.queue.submit(request)
    now = SystemClock().now()
    machines.meanwhile = lambda: stores.executions.request_cancel(DEFAULT_PROJECT_ID, request.execution_id, now)

    assert not await dispatch(request, deps)

    durable = mode == "durable"
    assert [*machines.started, *machines.express] == [request.execution_id]
    assert machines.stopped == ([request.execution_id] if durable else []), "nothing stops an EXPRESS machine"
    found = await stores.executions.get(DEFAULT_PROJECT_ID, request.execution_id)
    assert (found.status, found.started_at) == (ExecutionStatus.CANCELLED, None)
    assert deps.bus.published == [], "nobody is told that it began"


async def test_what_was_cancelled_while_it_started_is_stopped_once_its_request_comes_again(
    stores, deps, machines, workflow
):
    request, now = new_request(workflow), SystemClock().now()
    await stores.queue.submit(request)
    machines.meanwhile = lambda: stores.executions.request_cancel(DEFAULT_PROJECT_ID, request.execution_id, now)
    with pytest.raises(StoreUnavailable):  # the process ends between the start and its second look
        await dispatch(request, replace(deps, journal=Forgetful(stores.journal)))

    assert not await dispatch(request, deps)

    assert (list(machines.started), machines.stopped) == ([request.execution_id], [request.execution_id])


async def test_what_was_cancelled_after_it_began_is_left_to_whoever_cancelled_it(stores, deps, machines, workflow):
    request = new_request(workflow)
    await dispatch(request, deps)
    cancelled = StatusChange(ExecutionStatus.CANCELLED, SystemClock().now())
    await stores.journal.write(request.execution_id, DEFAULT_PROJECT_ID, (), cancelled)

    await dispatch(request, deps)

    assert machines.stopped == []


@dataclass
class Forgetful:
    """A journal that is away when the start is noted."""

    journal: PostgresJournal
    away: bool = True

    async def write(self, *change: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await self.journal.write(*change)


async def test_an_express_execution_starts_on_its_own_machine_once_its_row_says_so(stores, deps, machines):
    workflow, version = new_workflow(definition={"settings": {"mode": "express"}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)

    for _ in range(3):
        await dispatch(request, deps)

    assert (machines.express, machines.started) == ([request.execution_id], {})
    assert deps.watches.asked == [Watch(DEFAULT_PROJECT_ID, workflow.id, request.execution_id)]


async def test_an_express_execution_whose_start_was_not_noted_starts_again(stores, deps, machines):
    workflow, version = new_workflow(definition={"settings": {"mode": "express"}})
    await stores.workflows.create(workflow, version)
    request, journal = new_request(workflow), Forgetful(stores.journal)
    with pytest.raises(StoreUnavailable):
        await dispatch(request, replace(deps, journal=journal))
    journal.away = False

    await dispatch(request, replace(deps, journal=journal))

    assert machines.express == [request.execution_id] * 2, "at least once"


async def test_an_express_execution_that_a_limit_holds_up_is_watched_once_it_begins(stores, deps, machines):
    workflow, version = new_workflow(definition={"settings": {"mode": "express", "max_concurrency": 1}})
    await stores.workflows.create(workflow, version)
    request = new_request(workflow)

    assert not await dispatch(request, deps)
    assert (machines.express, deps.watches.asked, deps.wakes.times) == ([], [], [None])
    await stores.admission.admit()

    assert await dispatch(request, deps)
    assert machines.express == [request.execution_id]
    assert [each.execution_id for each in deps.watches.asked] == [request.execution_id]


async def test_a_version_that_is_not_there_is_told(deps, machines, workflow):
    with pytest.raises(NotFound):
        await dispatch(replace(new_request(workflow), version=7), deps)

    assert machines.started == {}


async def test_what_a_limit_holds_up_wakes_somebody_and_begins_once_it_is_admitted(stores, deps, machines):
    workflow, version = new_workflow()
    definition = version.definition | {"settings": {"max_concurrency": 1}}
    await stores.workflows.create(workflow, replace(version, definition=definition))
    request = new_request(workflow)

    assert not await dispatch(request, deps)
    assert (machines.started, deps.wakes.times) == ({}, [None])
    await stores.admission.admit()

    assert await dispatch(request, deps)
    assert list(machines.started) == [request.execution_id]


async def test_a_request_with_a_ticket_goes_to_whoever_goes_by_it(deps, machines, workflow):
    passed_on: list[StartRequest] = []

    async def forward(request: StartRequest) -> None:
        passed_on.append(request)

    request = new_request(workflow, flow=FlowTicket("ada", {"concurrency": {"limit": 1}}, 18))

    assert not await dispatch(request, replace(deps, forward=forward))
    assert (passed_on, machines.started) == ([request], {})
