"""Random workflows on the tests' strict machine, which refuses what Step Functions might let pass: the compiled machine
does what the graph means, and nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statemachines.compiler import compile_workflow
from tests.compiler import meaning
from tests.compiler.graphs import CASES_ASKED, RANDOM_GRAPHS, workflows
from tests.compiler.strict_machine import Machine, StateError


def lambda_of(value: dict[str, Any]) -> Any:
    def task(arguments: dict[str, Any]) -> Any:
        payload = arguments["Payload"]
        indices = payload.get("iteration", [])
        plan = meaning.planned(value, payload["node"], indices)
        config = payload["config"]["body" if payload["type"] == "webhook" else "arguments"]
        try:
            output = meaning.work(payload["node"], config, indices, payload["attempt"], plan)
        except meaning.Fails as failure:
            raise StateError(*failure.names, "it failed") from None
        return {"Payload": {"output": output, "meta": {}}, "StatusCode": 200}

    return task


@pytest.mark.timeout(900)
@settings(RANDOM_GRAPHS, max_examples=CASES_ASKED)
@given(workflows(), st.booleans())
def test_a_compiled_graph_does_what_it_means(case: tuple[dict[str, Any], dict[str, Any]], optimize: bool) -> None:
    workflow, value = case
    expected = meaning.evaluate(workflow, value)
    compiled = compile_workflow({**workflow, "settings": {**workflow.get("settings", {}), "optimize": optimize}})
    machine = Machine(compiled.asl, lambda_of(value))
    given_input = {"input": value, "execution": {"id": "x"}}
    if expected.fails:
        with pytest.raises(StateError) as caught:
            machine.run(given_input)
        assert caught.value.error in expected.fails
    else:
        assert meaning.same(expected.result, machine.run(given_input))
