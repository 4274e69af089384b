"""The same random graphs on Millrace's own interpreter: result, and every node's run as the projector shows it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clock import SystemClock
from shared.executions.projector import project
from shared.executions.records import ExecutionStatus, HistoryEvent, StartRequest, StatusChange
from shared.ports import TaskCall, TaskFailed
from statemachines.compiler import CompiledWorkflow, compile_workflow
from statemachines.interpreter import Interpreter, Machine
from tests.compiler import meaning
from tests.compiler.graphs import workflows


class _Journal:
    def __init__(self) -> None:
        self.events: list[HistoryEvent] = []

    async def write(
        self, execution_id: str, project_id: str, events: Sequence[HistoryEvent], change: StatusChange | None = None
    ) -> None:
        self.events.extend(events)


class _Runner:
    def __init__(self, fails: list[str]) -> None:
        self.fails = fails

    async def run(self, call: TaskCall) -> Any:
        payload = call.arguments["Payload"]
        try:
            output = meaning.work(payload["node"], payload["config"]["body"], self.fails)
        except meaning.Boom:
            raise TaskFailed("Boom", "it failed") from None
        return {"Payload": {"output": output, "meta": {}}, "StatusCode": 200}


async def _run(compiled: CompiledWorkflow, value: dict[str, Any]) -> tuple[StatusChange, list[HistoryEvent]]:
    journal = _Journal()
    interpreter = Interpreter(journal=journal, runner=_Runner(value["fails"]), clock=SystemClock())
    request = StartRequest("e", "p", "w", 1, value, {}, datetime(2026, 1, 1, tzinfo=UTC))
    change = await interpreter.run(Machine.load(compiled.asl), request, workflow_name="random", mode="express")
    return change, journal.events


def _without_causes(value: Any) -> Any:
    """The words of a cause are the interpreter's own."""
    if isinstance(value, dict):
        return {key: _without_causes(item) for key, item in value.items() if key != "cause"}
    return value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workflows(), st.booleans())
async def test_an_interpreted_graph_does_what_it_means(
    case: tuple[dict[str, Any], dict[str, Any]], optimize: bool
) -> None:
    workflow, value = case
    compiled = compile_workflow({**workflow, "settings": {"optimize": optimize}})
    change, events = await _run(compiled, value)
    try:
        expected = meaning.evaluate(workflow, value)
    except meaning.ExecutionFails:
        assert change.status == ExecutionStatus.FAILED
        return
    assert change.status == ExecutionStatus.SUCCEEDED, change.error
    assert _without_causes(change.result) == _without_causes(expected.result)

    runs = [run for run in project(compiled.source_map, events) if run.status != "skipped"]
    assert sorted(run.node for run in runs) == sorted(expected.ran)
    assert _without_causes({run.node: run.output for run in runs}) == _without_causes(expected.outputs)
