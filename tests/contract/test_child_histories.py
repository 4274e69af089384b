"""Distributed Maps on PostgreSQL: the items' histories and the ledger are kept, and found again after a crash."""

import asyncio
from collections.abc import Sequence
from typing import Any

from shared.clock import SystemClock
from shared.executions.records import HistoryEvent, StatusChange
from shared.ids import derived_id, new_id
from shared.ports import TaskCall
from statemachines.interpreter import Interpreter, Machine
from tests.support.stores import Stores, new_request, new_version, new_workflow

ITEMS = 30
MACHINE = {
    "QueryLanguage": "JSONata",
    "StartAt": "m",
    "States": {
        "m": {
            "Type": "Map",
            "Items": list(range(ITEMS)),
            "MaxConcurrency": 4,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "t",
                "States": {
                    "t": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::lambda:invoke",
                        "Arguments": {"Payload": "{% $states.input %}"},
                        "Output": "{% $states.result.Payload %}",
                        "End": True,
                    }
                },
            },
            "End": True,
        }
    },
}


class Counting:
    """Gives an item back; stops the interpreter when half of them were asked for."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.half = asyncio.Event()

    async def run(self, call: TaskCall) -> Any:
        self.items.append(call.arguments["Payload"])
        if len(self.items) >= ITEMS // 2:
            self.half.set()
        return {"Payload": call.arguments["Payload"]}

    async def stop(self, call: TaskCall) -> None:
        """Nothing runs on."""


def answered(histories: Sequence[Sequence[HistoryEvent]]) -> int:
    return sum(event.type == "TaskSucceeded" for history in histories for event in history)


async def test_finished_items_are_not_run_again(stores: Stores) -> None:
    workflow, _ = new_workflow()
    await stores.workflows.create(workflow, new_version(workflow))
    request = new_request(workflow)
    await stores.queue.submit(request, worker="local")
    runner = Counting()

    def fresh() -> Interpreter:
        return Interpreter(journal=stores.journal, runner=runner, clock=SystemClock(), histories=stores.executions)

    first = fresh()
    running = asyncio.create_task(first.run(Machine.load(MACHINE), request, workflow_name="w"))
    await runner.half.wait()
    await first.close()
    assert running.cancelled()
    history = await stores.executions.history(request.execution_id)
    run_id = derived_id(request.execution_id, "map-run/3")
    children = [await stores.executions.history(derived_id(run_id, str(index))) for index in range(ITEMS)]
    done = answered(children)
    made = len(runner.items)

    change = await fresh().run(Machine.load(MACHINE), request, workflow_name="w", history=history)

    assert isinstance(change, StatusChange)
    assert change.result == list(range(ITEMS))
    assert len(runner.items) - made == ITEMS - done
    assert len(await stores.executions.history(run_id)) == ITEMS
    assert [event.type for event in await stores.executions.history(request.execution_id)][2:5] == [
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
    ]


def test_ids_of_children_sort_beside_their_parent() -> None:
    parent = new_id()

    assert derived_id(parent, "0")[:14] == parent[:14]
    assert derived_id(parent, "0") == derived_id(parent, "0")
    assert len({derived_id(parent, str(index)) for index in range(1000)}) == 1000
