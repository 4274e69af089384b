"""Random graphs: the compiled machine does what the graph means, and nothing else."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statemachines.compiler import compile_workflow
from tests.compiler import meaning
from tests.compiler.graphs import workflows
from tests.compiler.strict_machine import Machine, StateError


def machine_input(value: Any) -> dict[str, Any]:
    return {"input": value, "execution": {"id": "x"}}


def lambda_of(value: dict[str, Any]) -> Any:
    def task(arguments: dict[str, Any]) -> Any:
        payload = arguments["Payload"]
        try:
            output = meaning.work(payload["node"], payload["config"]["body"], value["fails"])
        except meaning.Boom:
            raise StateError("Boom", "it failed") from None
        return {"Payload": {"output": output, "meta": {}}, "StatusCode": 200}

    return task


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(workflows(), st.booleans())
def test_a_compiled_graph_does_what_it_means(case: tuple[dict[str, Any], dict[str, Any]], optimize: bool) -> None:
    workflow, value = case
    compiled = compile_workflow({**workflow, "settings": {"optimize": optimize}})
    machine = Machine(compiled.asl, lambda_of(value))
    try:
        expected = meaning.evaluate(workflow, value)
    except meaning.ExecutionFails:
        expected = None
    if expected is None:
        with pytest.raises(StateError):
            machine.run(machine_input(value))
        return
    result = machine.run(machine_input(value))
    assert result == expected.result
    if optimize:
        return
    mains = {name: state["node"] for name, state in compiled.source_map["states"].items() if state["role"] == "main"}
    assert Counter(mains[name] for name in machine.entered if name in mains) == Counter(expected.ran)
