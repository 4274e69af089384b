"""What people see of failures that are caught, in histories of compiled workflows: who failed, by what, how often."""

from typing import Any

from shared.executions.node_runs import NodeRun
from shared.executions.projector import project
from shared.workflow.load import load_text
from statemachines.compiler import compile_workflow
from tests.compiler.run import Lambda, Worker, echo, fails, played
from tests.compiler.strict_machine import StateError

CALL = "nodes: [{id: call, type: webhook, retry: {max_attempts: 1}, config: {url: 'https://x/', body: '{% $index %}'}}]"


def runs(definition: str, work: Lambda = echo) -> list[NodeRun]:
    compiled = compile_workflow(load_text(f"name: caught\n{definition}"))
    return project(compiled.source_map, played(compiled, None, Worker(work))[1])


def told(found: list[NodeRun]) -> list[tuple[str, str, str | None]]:
    return [(run.node, str(run.status), run.error["name"] if run.error else None) for run in found]


def loop(config: str, body: str = CALL, more: str = "on_error: continue") -> str:
    return f"nodes: [{{id: loop1, type: loop, {more}, config: {{{config}, body: {{{body}}}}}}}]"


def test_an_expression_that_fails_and_goes_on() -> None:
    found = runs("nodes: [{id: bad, type: transform, on_error: continue, config: {output: \"{% $error('x') %}\"}}]")

    assert told(found) == [("bad", "failed", "States.QueryEvaluationError")]
    assert found[0].output["error"]["name"] == "States.QueryEvaluationError"


def test_a_while_loop_whose_body_fails() -> None:
    found = runs(loop("kind: while, condition: '{% true %}'"), fails("call"))

    assert told(found) == [("loop1", "failed", "DestinationRefused"), ("call", "failed", "DestinationRefused")]


def test_a_while_loop_that_goes_past_its_bound() -> None:
    found = runs(loop("kind: while, condition: '{% true %}', max_iterations: 2"))

    assert told(found) == [
        ("loop1", "failed", "LoopLimitExceeded"),
        ("call", "succeeded", None),
        ("call", "succeeded", None),
    ]


def test_a_for_each_loop_in_which_an_item_fails() -> None:
    def work(payload: dict[str, Any]) -> Any:
        if payload["iteration"] == [1]:
            raise StateError("Boom", "")
        return 1

    found = runs(loop("kind: for_each, items: '{% [7, 8] %}', max_concurrency: 1"), work)

    assert told(found) == [("loop1", "failed", "Boom"), ("call", "succeeded", None), ("call", "failed", "Boom")]


def test_a_block_that_is_retried_is_one_run_with_two_attempts() -> None:
    calls = []

    def work(payload: dict[str, Any]) -> Any:
        calls.append(payload)
        if len(calls) == 1:
            raise StateError("Boom", "")
        return 1

    again = "retry: {max_attempts: 2, errors: [Boom]}"
    found = runs(loop("kind: while, condition: '{% $index = 0 %}'", more=again), work)

    assert told(found) == [("loop1", "succeeded", None), ("call", "failed", "Boom"), ("call", "succeeded", None)]
    assert found[0].attempts == 2


def test_a_failure_beside_a_loop_leaves_what_is_outside_alone() -> None:
    items = loop("kind: for_each, items: '{% [1] %}'", more="on_error: fail")
    bad = CALL.replace("id: call", "id: bad").replace("$index", "1")
    found = runs(
        "nodes: [{id: before, type: transform, config: {output: 1}}, {id: both, type: parallel, on_error: continue,"
        f" config: {{branches: {{l: {{{bad}}}, r: {{{items}}}}}}}}}]\nedges: [{{from: before, to: both}}]",
        fails("bad"),
    )

    assert told(found)[:3] == [
        ("before", "succeeded", None),
        ("both", "failed", "DestinationRefused"),
        ("bad", "failed", "DestinationRefused"),
    ]
    assert {(run.node, str(run.status)) for run in found[3:]} == {("loop1", "cancelled"), ("call", "cancelled")}


def test_an_iteration_that_took_the_place_of_another_is_cancelled_with_its_loop() -> None:
    """It hung below the iteration that had ended, and stayed running for good."""
    rest = "nodes: [{id: rest, type: delay, config: {seconds: 10}}]"
    items = loop("kind: for_each, items: '{% [1, 2] %}', max_concurrency: 1", rest, more="on_error: fail")
    bad = (
        "nodes: [{id: pause, type: delay, config: {seconds: 15}},"
        " {id: bad, type: transform, config: {output: \"{% $error('x') %}\"}}], edges: [{from: pause, to: bad}]"
    )
    found = runs(
        "nodes: [{id: both, type: parallel, on_error: continue, config: {branches:"
        f" {{l: {{{bad}}}, r: {{{items}}}}}}}}}]"
    )

    assert [(run.iteration, str(run.status)) for run in found if run.node == "rest"] == [
        (0, "succeeded"),
        (1, "cancelled"),
    ]
