"""Random workflows: what the compiled machine does on the interpreter is what the graph means, whatever the settings.

`MILLRACE_TEST_TIER=long` (`make test-long`) asks ten times as many. A failing case is printed as YAML with its input.
"""

import asyncio
from collections.abc import Container
from typing import Any

import pytest
import yaml
from hypothesis import event, given, note, settings

from shared.executions.node_runs import NodeRun
from shared.executions.projector import project
from shared.executions.records import ExecutionStatus, StatusChange
from shared.ports import TaskCall, TaskFailed
from statemachines.compiler import CompiledWorkflow, compile_workflow
from tests.compiler import meaning
from tests.compiler.graphs import CASES_ASKED, RANDOM_GRAPHS, workflows
from tests.compiler.meaning import Meaning, Run, counted, same
from tests.compiler.run import played
from tests.compiler.strict_machine import check
from tests.support.asl_validators import AslValidators


@pytest.mark.timeout(900)
@settings(RANDOM_GRAPHS, max_examples=CASES_ASKED)
@given(case=workflows())
def test_a_compiled_workflow_does_what_its_graph_means(
    case: tuple[dict[str, Any], dict[str, Any]], validators: AslValidators
) -> None:
    workflow, value = case
    note(readable({"input": value, **workflow}))
    expected = meaning.evaluate(workflow, value)
    event("fails" if expected.fails else "succeeds")
    compiled = [compile_workflow(_with(workflow, optimize=optimize)) for optimize in (True, False)]
    for each in compiled if compiled[0].asl != compiled[1].asl else compiled[:1]:
        check(each.asl)
        assert validators.errors(each.asl) == []
        change, events = played(each, value, _Worker(value), mode="express")
        compare_ends(expected, change)
        compare_runs(expected, each, project(each.source_map, events))


@pytest.mark.parametrize(
    ("items", "last", "expected"),
    [
        ("none", "1", {"outer": "failed", "inner": "failed", "deep": "skipped", "last": "skipped"}),
        ([1], "$error('boom')", {"outer": "failed", "inner": "succeeded", "deep": "succeeded", "last": "failed"}),
    ],
    ids=["items that are no list", "a node behind it"],
)
def test_what_fails_in_a_loop_around_a_loop_is_told_of_both(items: Any, last: str, expected: dict[str, str]) -> None:
    """A case that was once wrong: the inner loop's state was taken for what failed, and the outer one for well."""
    inner = {"kind": "for_each", "items": "{% $input.items %}", "body": {"nodes": [_transform("deep", "$item")]}}
    body = {
        "nodes": [{"id": "inner", "type": "loop", "config": inner}, _transform("last", last)],
        "edges": [{"from": "inner", "to": "last"}],
    }
    config = {"kind": "for_each", "items": "{% [0] %}", "body": body}
    outer = {"id": "outer", "type": "loop", "on_error": "continue", "config": config}
    for optimize in (True, False):
        compiled = compile_workflow({"name": "once", "nodes": [outer], "settings": {"optimize": optimize}})
        change, events = played(compiled, {"items": items}, _Worker({}), mode="express")
        assert change.status == ExecutionStatus.SUCCEEDED
        assert {run.node: str(run.status) for run in project(compiled.source_map, events)} == expected


def _transform(name: str, expression: str) -> dict[str, Any]:
    return {"id": name, "type": "transform", "config": {"output": f"{{% {expression} %}}"}}


class _Dumper(yaml.SafeDumper):
    """Expressions in double quotes: those in them are single ones."""


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "'" in text else None)
)


def readable(document: Any) -> str:
    """The document as YAML, as an author would write it."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1_000)


def _with(workflow: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**workflow, "settings": {**workflow["settings"], **more}}


class _Worker:
    """Does the work of nodes as the input plans it."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    async def run(self, call: TaskCall) -> Any:
        payload = call.arguments["Payload"]
        indices = payload.get("iteration", [])
        plan = meaning.planned(self.value, payload["node"], indices)
        config = payload["config"]["body" if payload["type"] == "webhook" else "arguments"]
        await asyncio.sleep(plan.get("seconds", 0))
        try:
            output = meaning.work(payload["node"], config, indices, payload["attempt"], plan)
        except meaning.Fails as failure:
            raise TaskFailed(*failure.names, "it failed") from None
        return {"Payload": {"output": output, "meta": {}}, "StatusCode": 200}

    async def stop(self, call: TaskCall) -> None:
        """Nothing is handed over."""


def compare_ends(expected: Meaning, change: StatusChange) -> None:
    """Status, and result or error."""
    if expected.fails:
        assert change.status == ExecutionStatus.FAILED
        assert change.error is not None
        assert change.error["name"] in expected.fails
    else:
        assert change.status == ExecutionStatus.SUCCEEDED, change.error
        assert same(expected.result, change.result), f"{change.result}\nis not\n{expected.result}"


def compare_runs(expected: Meaning, compiled: CompiledWorkflow, found: list[NodeRun]) -> None:
    """Every certain run happened as it should, every other one was possible, and nothing is told of other nodes."""
    rounds = {node for node, about in compiled.source_map["nodes"].items() if about.get("rounds")}
    certain, possible = (_numbered(runs, rounds) for runs in (expected.certain, expected.possible))
    ran = _numbered([_run(run) for run in found if run.status not in ("skipped", "cancelled")], rounds)
    missing, extra = counted(certain) - counted(ran), counted(ran) - counted(certain)
    assert not missing, f"did not run: {missing}; besides: {extra}"
    beyond = [run for run in extra - counted(possible) if not _cut_off(run, counted(possible))]
    beyond = [run for run in beyond if not _shares_the_blame(run, found, counted(possible))]
    assert not beyond, f"ran though it should not: {beyond}"
    cancelled = {run.node for run in found if run.status == "cancelled"}
    assert cancelled <= {run.node for run in possible}
    assert {run.node for run in found} == set(compiled.source_map["nodes"])
    for run in certain:
        outputs = [each.output for each in ran if (each.node, each.iteration) == (run.node, run.iteration)]
        assert any(same(run.output, output) for output in outputs), f"{run} gave {outputs}"


def _cut_off(run: tuple[str, int | None, str], possible: Container[tuple[str, int | None, str]]) -> bool:
    """Whether it failed at an attempt, and what is around it before it could succeed at the next."""
    node, iteration, status = run
    return status == "failed" and (node, iteration, "succeeded") in possible


def _shares_the_blame(
    run: tuple[str, int | None, str], found: list[NodeRun], possible: Container[tuple[str, int | None, str]]
) -> bool:
    """Whether the error says that it is one of several nodes in one expression that failed, and one of them did.

    Step Functions does not say where in an expression an error was (ADR 10).
    """
    node, iteration, status = run
    errors = [each.error or {} for each in found if (each.node, str(each.status)) == (node, "failed")]
    others = {other for error in errors for other in error.get("nodes", ()) if other != node}
    return status == "failed" and any((other, iteration, "failed") in possible for other in others)


def _run(run: NodeRun) -> Run:
    return Run(run.node, run.iteration, str(run.status), run.output)


def _numbered(runs: list[Run], rounds: set[str]) -> list[Run]:
    """A history does not say which round of a `while` a run was in; see the compiler's source map."""
    return [Run(run.node, None if run.node in rounds else run.iteration, run.status, run.output) for run in runs]
