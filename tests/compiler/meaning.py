"""The meaning of a graph (DESIGN §3), evaluated directly: no states, no regions, just nodes in topological order.

Node types as far as the property test draws them. Failures come from the input: `$input.fails` lists node ids.
"""

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from shared.workflow.expressions import ExpressionError, compiled, source_of


class ExecutionFails(Exception):
    """A node failed, and nothing handles it."""


@dataclass
class Meaning:
    ran: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    result: Any = None


def evaluate(workflow: dict[str, Any], value: Any) -> Meaning:
    """What a run of `workflow` on this input does. Raises ExecutionFails."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    before: dict[str, list[dict[str, Any]]] = {node: [] for node in nodes}
    for edge in workflow["edges"]:
        before[edge["to"]].append(edge)
    order = TopologicalSorter({node: {edge["from"] for edge in edges} for node, edges in before.items()})
    meaning = Meaning()
    outcome: dict[str, str] = {}
    for node in order.static_order():
        edges = before[node]
        if not edges or any(outcome.get(edge["from"]) == _needs(edge) for edge in edges):
            meaning.ran.append(node)
            outcome[node] = _run(nodes[node], workflow, value, meaning.outputs)
    sources = {edge["from"] for edge in workflow["edges"]}
    sinks = {node: meaning.outputs[node] for node in nodes if node not in sources and node in meaning.outputs}
    meaning.result = _value(workflow["output"], value, meaning.outputs) if "output" in workflow else sinks
    return meaning


def _needs(edge: dict[str, Any]) -> str:
    return "error" if edge.get("error") else f"case {edge['case']}" if "case" in edge else "done"


def _run(node: dict[str, Any], workflow: dict[str, Any], value: Any, outputs: dict[str, Any]) -> str:
    try:
        output = _work(node, value, outputs)
    except ExpressionError as error:
        return _failed(node, workflow, outputs, "States.QueryEvaluationError", error.message)
    except Boom:
        return _failed(node, workflow, outputs, "Boom", "it failed")
    outputs[node["id"]] = output
    return f"case {output['case']}" if node["type"] == "condition" else "done"


def _failed(node: dict[str, Any], workflow: dict[str, Any], outputs: dict[str, Any], name: str, cause: str) -> str:
    caught = any(edge.get("error") and edge["from"] == node["id"] for edge in workflow["edges"])
    if not caught and node.get("on_error") != "continue":
        raise ExecutionFails(node["id"])
    outputs[node["id"]] = {"error": {"name": name, "cause": cause}}
    return "error" if caught else "done"


class Boom(Exception):
    """The work of a node failed."""


def work(node: str, body: Any, fails: list[str]) -> Any:
    """What a webhook of the property test does."""
    if node in fails:
        raise Boom
    return {"v": node, "saw": body}


def _work(node: dict[str, Any], value: Any, outputs: dict[str, Any]) -> Any:
    config = node["config"]
    if node["type"] == "webhook":
        return work(node["id"], _value(config["body"], value, outputs), value["fails"])
    if node["type"] == "transform":
        return _value(config["output"], value, outputs)
    for case in config["cases"]:
        if _value(case["when"], value, outputs) is True:
            return {"case": case["case"]}
    return {"case": config["default"]}


def _value(template: Any, value: Any, outputs: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: _value(item, value, outputs) for key, item in template.items()}
    source = source_of(template)
    return compiled(source).evaluate({**outputs, "input": value}) if source is not None else template
