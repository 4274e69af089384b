"""No run takes more than the worst case, and none in which nothing fails takes less than the best."""

from typing import Any

import pytest
from hypothesis import event, given, note, settings

from tests.compiler.graphs import CASES_ASKED, RANDOM_GRAPHS, workflows
from tests.compiler.test_properties import _Worker, readable
from tests.plan.runs import Counting, between, compiled, entered, planner, record


@pytest.mark.timeout(900)
@settings(RANDOM_GRAPHS, max_examples=CASES_ASKED)
@given(case=workflows())
def test_every_run_lies_between_best_and_worst(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    definition, value = case
    note(readable({"input": value, **definition}))
    for optimize in (True, False):
        workflow = compiled(definition, optimize=optimize)
        runner = Counting(_Worker(value))
        recorded = record(workflow, value, runner)
        planned = planner(workflow, assumed_items=20)
        plan = planned.plan()
        found = planned.of_run(recorded.history, recorded.children)

        failed = any(each.type.endswith(("Failed", "TimedOut")) for each in recorded.history)
        event("something failed" if failed else "nothing failed")
        assert all(count <= found.lambda_calls[name] for name, count in runner.calls.items())
        least = plan.best if not failed else found
        assert between(least, found, plan.worst) == []
        if not failed:  # else calls may be scheduled that a failure beside them keeps from being made
            assert found.lambda_calls == dict(runner.calls)
            assert found.transitions == entered(recorded) + 1
            assert between(least, found, plan.worst_without_retries) == []
