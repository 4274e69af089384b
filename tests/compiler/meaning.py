"""The meaning of a graph (DESIGN §3), evaluated directly: no states, no regions, just nodes in topological order.

A node runs once, when every incoming edge is decided and at least one is live; else it is skipped, and so on down.
What nodes do is in the execution's input; see graphs. Where several nodes that may run at once fail, it is open which
is first: the failure then has several names, and the runs inside of what failed are only possible ones.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from shared.errors import retryable_error_names
from shared.workflow.expressions import ExpressionError, UndefinedResult, compiled, source_of

QUERY = "States.QueryEvaluationError"
RUNTIME = "States.Runtime"
TIMEOUT = "States.Timeout"
TIME_LIMIT = 20
"""Every working node's timeout_seconds."""

UNCATCHABLE = frozenset({RUNTIME})
"""See docs/adr/0006: a Choice that nothing matches ends the execution."""


class Fails(Exception):
    """A node, or an execution, fails by one of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(names)
        self.names = frozenset(names)

    @property
    def output(self) -> dict[str, Any]:
        return {"error": {"name": "|".join(sorted(self.names))}}


@dataclass(frozen=True)
class Run:
    """`iteration`: index of the innermost loop."""

    node: str
    iteration: int | None
    status: str
    output: Any = field(hash=False, default=None)


@dataclass
class Meaning:
    """`certain` runs happen; `possible` ones may happen besides, or may not."""

    certain: list[Run] = field(default_factory=list)
    possible: list[Run] = field(default_factory=list)
    result: Any = None
    fails: frozenset[str] = frozenset()
    """Why the execution fails; empty where it succeeds."""


def evaluate(workflow: dict[str, Any], value: dict[str, Any]) -> Meaning:
    """What a run of `workflow` on this input does."""
    meaning = Meaning()
    evaluator = _Evaluator(meaning, value)
    try:
        meaning.result = evaluator.graph(workflow, {"input": value}, ())
    except Fails as failure:
        meaning.fails = failure.names
        evaluator.unsettle((0, 0), 1)
    return meaning


def work(node: str, config: dict[str, Any], indices: list[int], attempt: int, plan: dict[str, Any]) -> Any:
    """What the work of a node gives at an attempt, or Fails."""
    if plan.get("seconds", 0) > TIME_LIMIT:
        raise Fails([TIMEOUT])
    if attempt < plan.get("failures", 0):
        raise Fails([plan["error"]])
    return {"v": node, "saw": config, "attempt": attempt, "indices": indices}


def planned(value: dict[str, Any], node: str, indices: Iterable[int]) -> dict[str, Any]:
    """The plan of a node's work at its place."""
    plan: dict[str, Any] = value["plans"].get(place(node, indices), {})
    return plan


def place(node: str, indices: Iterable[int]) -> str:
    """See graphs."""
    return "".join([node, *(f"@{index}" for index in list(indices)[-1:])])


class _Evaluator:
    def __init__(self, meaning: Meaning, value: dict[str, Any]) -> None:
        self.meaning = meaning
        self.input = value

    def graph(self, graph: dict[str, Any], scope: dict[str, Any], indices: tuple[int, ...]) -> Any:
        """The result of a graph whose expressions may read `scope`, besides its own nodes."""
        nodes = {node["id"]: node for node in graph["nodes"]}
        before: dict[str, list[dict[str, Any]]] = {node: [] for node in nodes}
        for edge in graph["edges"]:
            before[edge["to"]].append(edge)
        outputs: dict[str, Any] = {}
        outcomes: dict[str, str] = {}
        undecided: set[str] = set()
        names: set[str] = set()
        order = TopologicalSorter({node: {edge["from"] for edge in edges} for node, edges in before.items()})
        for node in order.static_order():
            edges = before[node]
            if any(edge["from"] in undecided for edge in edges):
                undecided.add(node)
            elif not edges or any(outcomes.get(edge["from"]) == _needs(edge) for edge in edges):
                try:
                    caught = any(each["from"] == node and each.get("error") for each in graph["edges"])
                    outcomes[node], outputs[node] = self.node(nodes[node], caught, {**scope, **outputs}, indices)
                except Fails as failure:
                    undecided.add(node)
                    names |= failure.names
        if names:
            raise Fails(names)
        return self.result(graph, nodes, {**scope, **outputs}, outputs)

    def result(self, graph: dict[str, Any], nodes: Iterable[str], scope: dict[str, Any], outputs: Any) -> Any:
        if "output" in graph:
            return _value(graph["output"], scope)
        sources = {edge["from"] for edge in graph["edges"]}
        return {node: outputs[node] for node in nodes if node not in sources and node in outputs}

    def node(
        self, node: dict[str, Any], caught: bool, scope: dict[str, Any], indices: tuple[int, ...]
    ) -> tuple[str, Any]:
        """(outcome, output) of a node that runs. Raises Fails where its failure leads nowhere."""
        try:
            output = self.output(node, caught, scope, indices)
        except Fails as failure:
            leads = (caught or node.get("on_error") == "continue") and not failure.names & UNCATCHABLE
            self.ran(node, indices, "failed", failure.output if leads else None)
            if not leads:
                raise
            return ("error" if caught else "done"), failure.output
        self.ran(node, indices, "succeeded", output)
        return (f"case {output['case']}" if node["type"] == "condition" else "done"), output

    def ran(self, node: dict[str, Any], indices: tuple[int, ...], status: str, output: Any) -> None:
        self.meaning.certain.append(Run(node["id"], indices[-1] if indices else None, status, output))

    def output(self, node: dict[str, Any], caught: bool, scope: dict[str, Any], indices: tuple[int, ...]) -> Any:
        config, kind = node["config"], node["type"]
        if kind == "transform":
            return _value(config["output"], scope)
        if kind == "delay":
            _value(config["seconds"], scope)
            return {}
        if kind == "condition":
            return {"case": self.case(config, caught, scope)}
        if kind in ("webhook", "tool"):
            return self.worked(
                node, _value(config["body"] if kind == "webhook" else config["arguments"], scope), indices
            )
        return self.block(node, scope, indices)

    def case(self, config: dict[str, Any], caught: bool, scope: dict[str, Any]) -> str:
        for case in config["cases"]:
            if _value(case["when"], scope, absent=False) is True:
                return str(case["case"])
        if "default" in config:
            return str(config["default"])
        raise Fails([QUERY if caught else RUNTIME])

    def worked(self, node: dict[str, Any], config: Any, indices: tuple[int, ...]) -> Any:
        retry = node.get("retry", {})
        retried = retry.get("errors") or retryable_error_names()
        plan = planned(self.input, node["id"], indices)
        attempt = 0
        while True:
            try:
                return work(node["id"], config, list(indices), attempt, plan)
            except Fails as failure:
                attempt += 1
                if attempt == retry.get("max_attempts", 3) or not failure.names & set(retried):
                    raise

    def block(self, node: dict[str, Any], scope: dict[str, Any], indices: tuple[int, ...]) -> Any:
        """A loop or a parallel. Another attempt at it would end as the first one did."""
        begin = self.mark()
        try:
            if node["type"] == "parallel":
                return self.parallel(node["config"], scope, indices)
            if node["config"]["kind"] == "for_each":
                return self.for_each(node["config"], scope, indices)
            return self.while_loop(node["config"], scope, indices)
        except Fails:
            self.unsettle(begin, node.get("retry", {}).get("max_attempts", 1))
            raise

    def mark(self) -> tuple[int, int]:
        return len(self.meaning.certain), len(self.meaning.possible)

    def unsettle(self, begin: tuple[int, int], attempts: int) -> None:
        """The runs since `begin` are inside of what failed, at each attempt: any of them may have been cut off."""
        certain, possible = begin
        inside = self.meaning.certain[certain:] + self.meaning.possible[possible:]
        self.meaning.possible[possible:] = inside * attempts
        del self.meaning.certain[certain:]

    def parallel(self, config: dict[str, Any], scope: dict[str, Any], indices: tuple[int, ...]) -> Any:
        results: dict[str, Any] = {}
        names: set[str] = set()
        for name, branch in config["branches"].items():
            try:
                results[name] = self.graph(branch, scope, indices)
            except Fails as failure:
                names |= failure.names
        if names:
            raise Fails(names)
        return results

    def for_each(self, config: dict[str, Any], scope: dict[str, Any], indices: tuple[int, ...]) -> Any:
        items = _value(config["items"], scope)
        if not isinstance(items, list):
            raise Fails([QUERY])
        results: list[Any] = []
        names: set[str] = set()
        for index, item in enumerate(items):
            begin = self.mark()
            try:
                results.append(self.graph(config["body"], {**scope, "item": item, "index": index}, (*indices, index)))
            except Fails as failure:
                self.unsettle(begin, 1)
                if config["on_item_error"] == "fail" or failure.names & UNCATCHABLE:
                    names |= failure.names
                results.append(failure.output)
        if names:
            raise Fails(names)
        return results

    def while_loop(self, config: dict[str, Any], scope: dict[str, Any], indices: tuple[int, ...]) -> Any:
        item, index = _value(config["initial"], scope), 0
        while _value(config["condition"], {**scope, "item": item, "index": index}, absent=False) is True:
            if index == config["max_iterations"]:
                raise Fails(["LoopLimitExceeded"])
            item = self.graph(config["body"], {**scope, "item": item, "index": index}, (*indices, index))
            index += 1
        return item


def _needs(edge: dict[str, Any]) -> str:
    return "error" if edge.get("error") else f"case {edge['case']}" if "case" in edge else "done"


_REQUIRED = object()


def _value(template: Any, scope: dict[str, Any], *, absent: Any = _REQUIRED) -> Any:
    """A template's value; where an expression gives nothing, `absent`, or a failure."""
    if isinstance(template, dict):
        return {key: _value(item, scope) for key, item in template.items()}
    source = source_of(template)
    if source is None:
        return template
    try:
        return compiled(source).evaluate(scope)
    except UndefinedResult:
        if absent is _REQUIRED:
            raise Fails([QUERY]) from None
        return absent
    except ExpressionError:
        raise Fails([QUERY]) from None


def same(expected: Any, found: Any) -> bool:
    """Whether a value is what was expected. Of a failure the words of its cause are the interpreter's own, and its
    name is one of those that are possible."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() == {"name"} and "name" in found:
            return found["name"] in expected["name"].split("|")
        return expected.keys() == found.keys() and all(same(item, found[key]) for key, item in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return type(expected) is type(found) and expected == found


def counted(runs: Iterable[Run]) -> "Counter[tuple[str, int | None, str]]":
    """How often a node ran, and how it ended, in iterations of this index."""
    return Counter((run.node, run.iteration, run.status) for run in runs)
