"""What people see of executions that were redriven, handed over or distributed, projected from their histories."""

from typing import Any

from shared.executions.node_runs import NodeRun
from shared.executions.projector import Projector, project
from tests.interpreter.harness import (
    EXECUTION,
    Case,
    HandsOver,
    Raises,
    Returns,
    branch,
    ending,
    fails,
    pass_,
    play,
    play_redriven,
    succeeds,
    task,
)
from tests.interpreter.test_callback import waits
from tests.interpreter.test_distributed import CALL, distributed


def source_map(**types: str) -> dict[str, Any]:
    states = {name: {"node": name, "role": "main", "fused": []} for name in types}
    return {"states": states, "nodes": {name: {"type": kind, "name": None} for name, kind in types.items()}}


def runs(case: Case, **types: str) -> dict[str, NodeRun]:
    run = play(case) if case.redriven is None else play_redriven(case)
    return {each.node: each for each in project(source_map(**types), run.journal.of(EXECUTION))}


def test_a_task_that_waits_for_somebody():
    case = Case("wait", {"t": waits()}, tasks={"t": [HandsOver((succeeds(1, 5),))]})
    run = runs(case, t="approval")["t"]

    assert (run.status, run.attempts, run.duration_ms) == ("succeeded", 1, 5000)


def test_a_task_that_could_not_be_handed_over():
    case = Case("wait", {"t": waits()}, tasks={"t": [Raises("Busy", "b")]})
    run = runs(case, t="approval")["t"]

    assert (run.status, run.error) == ("failed", {"name": "Busy", "cause": "b"})


def test_a_redriven_node_goes_on():
    case = Case("redriven", {"a": task(Next="b"), "b": task()}, tasks={"a": [Returns()], "b": [Raises("Bad", "x")]})
    case.redriven = {"b": [Returns(1)]}
    found = runs(case, a="tool", b="tool", c="tool")

    assert [(each.node, each.status, each.attempts, each.error) for each in found.values()] == [
        ("a", "succeeded", 1, None),
        ("b", "succeeded", 2, None),
        ("c", "skipped", 0, None),
    ]


def test_a_redrive_is_told_as_it_happens():
    case = Case("redriven", {"a": task()}, tasks={"a": [Raises("Bad", "x")]}, redriven={"a": [Returns(1)]})
    projector = Projector(source_map(a="tool"))
    told = []
    for event in play_redriven(case).journal.of(EXECUTION):
        told += [
            (type(each).__name__, getattr(each, "status", None) or each.run.status) for each in projector.feed(event)
        ]

    assert told == [
        ("ExecutionChange", "running"),
        ("NodeChange", "running"),
        ("NodeChange", "running"),
        ("NodeChange", "failed"),
        ("ExecutionChange", "failed"),
        ("ExecutionChange", "running"),
        ("NodeChange", "running"),
        ("NodeChange", "running"),
        ("NodeChange", "succeeded"),
        ("ExecutionChange", "succeeded"),
    ]


def test_branches_that_were_cancelled_go_on_too():
    branches = [branch(a=task()), branch(b=task()), branch(w=ending({"Type": "Wait", "Seconds": 9}))]
    case = Case(
        "parallel",
        {"p": ending({"Type": "Parallel", "Branches": branches})},
        tasks={"a": [Returns()], "b": [Raises("Bad", "x", 1)]},
        redriven={"b": [Returns()]},
    )
    before = {
        each.node: each.status
        for each in project(source_map(p="parallel", a="tool", b="tool", w="delay"), play(case).journal.events)
    }
    after = {node: each.status for node, each in runs(case, p="parallel", a="tool", b="tool", w="delay").items()}

    assert before == {"p": "failed", "a": "succeeded", "b": "failed", "w": "cancelled"}
    assert after == {"p": "succeeded", "a": "succeeded", "b": "succeeded", "w": "succeeded"}


def test_iterations_that_failed_go_on_too():
    state = ending({"Type": "Map", "Items": [1, 2, 3], "ItemProcessor": branch(i=task("{% $states.input %}"))})
    case = Case(
        "map",
        {"m": state},
        tasks={"i": lambda payload, _: Raises("Bad", "x", 1) if payload == 2 else Returns(seconds=payload)},
        redriven={"i": [Returns()]},
    )
    found = project(source_map(m="loop", i="tool"), play_redriven(case).journal.of(EXECUTION))

    assert [(each.node, each.iteration, each.status) for each in found] == [
        ("m", None, "succeeded"),
        ("i", 0, "succeeded"),
        ("i", 1, "succeeded"),
        ("i", 2, "succeeded"),
    ]


def test_a_distributed_loop_says_why_it_failed():
    case = Case("run", {"m": distributed(CALL, Items=[1])}, tasks={"t": [Raises("Bad", "x")]})
    run = runs(case, m="loop")["m"]

    assert run.status == "failed"
    assert run.error is not None
    assert run.error["name"] == "States.ExceedToleratedFailureThreshold"


def test_and_that_it_was_caught():
    caught = distributed(CALL, Items=[1], Catch=[{"ErrorEquals": ["States.ALL"], "Next": "h"}], Next="h")
    case = Case("run", {"m": caught, "h": pass_()}, tasks={"t": [Raises("Bad", "x")]})
    found = runs(case, m="loop", h="transform")

    assert (found["m"].status, found["h"].status) == ("failed", "succeeded")


def test_a_completion_that_failed_is_the_nodes_error():
    case = Case("wait", {"t": waits()}, tasks={"t": [HandsOver((fails("Refused", "no", 5),))]})
    run = runs(case, t="approval")["t"]

    assert (run.status, run.error) == ("failed", {"name": "Refused", "cause": "no"})
