"""Random workflows: forks, joins, N shapes, conditions that cross forks, error edges, on_error: continue, loops of both
kinds and parallel nodes with random bodies.

What a node does depends on the execution's input only, so that its meaning can be told beforehand:
  input.fails    places of transforms, delays and conditions whose expressions raise
  input.chosen   place → case of a condition
  input.items    loop → what it iterates over
  input.plans    place → {"error", "failures", "seconds"}: how often the work of a node fails first, and how long it
                 takes
A place is a node's id, with `@<index>` of the innermost loop where it is in one.
"""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.compiler.drafts import BLOCKS, CASES, HUB, Body, Draft, Link, bodies, crossings
from tests.compiler.meaning import TIME_LIMIT

CASES_ASKED = {"quick": 200, "long": 2_000}[os.environ.get("MILLRACE_TEST_TIER", "quick")]
"""How many random workflows a property is asked about; `make test-long` sets the long tier."""

RANDOM_GRAPHS = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
)
"""For properties of such workflows: one mistake at a time, as small as it gets."""

MAX_NODES = 40
PARALLEL = ("left", "right", "middle")


def workflows() -> st.SearchStrategy[tuple[dict[str, Any], dict[str, Any]]]:
    """(workflow, input), with up to MAX_NODES nodes, those of bodies included."""
    return (bodies() | bodies() | crossings()).map(lambda draft: _Builder().workflow(draft))


class _Around(NamedTuple):
    """Where a node stands: what it may read of others, the kind of the innermost loop around it, bodies around it."""

    reads: list[str]
    loop: str
    depth: int


class _Builder:
    def __init__(self) -> None:
        self.count = 0
        self.kinds: dict[str, str] = {}
        self.input: dict[str, Any] = {"fails": [], "chosen": {}, "plans": {}, "items": {}}

    def workflow(self, draft: Body) -> tuple[dict[str, Any], dict[str, Any]]:
        graph = self.graph(draft, [], "", 0)
        return {"name": "random", "settings": {"timeout_seconds": 10_000_000}, **graph}, self.input

    def graph(self, draft: Body, outer: list[str], loop: str, depth: int) -> dict[str, Any]:
        """`outer`: nodes around the graph that its own may read. `loop`: the kind of the innermost loop around it."""
        nodes: list[dict[str, Any]] = []
        edges: list[dict[str, Any]] = []
        upstream: dict[str, dict[str, None]] = {}
        for each in draft.nodes or (_EMPTY,):
            if self.count < MAX_NODES or not nodes:
                name = f"n{self.count}"
                upstream[name] = {}
                for source, link in _sources(nodes, each.links):
                    upstream[name][source["id"]] = None
                    edges += _edges(source, name, link)
                    upstream[name] |= upstream[source["id"]]
                around = _Around(_picked([*outer, *upstream[name]], each.reads), loop, depth)
                nodes.append(self.node(each, name, around))
        _settle(nodes, edges, depth)
        found: dict[str, Any] = {"nodes": nodes, "edges": edges}
        if draft.output is not None:
            names = [node["id"] for node in nodes]
            found["output"] = self.saw(names if depth == 0 else _picked(names, draft.output), loop)
        return found

    def node(self, draft: Draft, name: str, around: _Around) -> dict[str, Any]:
        self.count += 1
        block = draft.kind in BLOCKS and self.count < MAX_NODES - len(draft.bodies)
        kind = draft.kind if block or draft.kind not in BLOCKS else "transform"
        self.kinds[name] = kind
        node: dict[str, Any] = {"id": name, "type": "loop" if kind in ("for_each", "while") else kind}
        if draft.goes_on:
            node["on_error"] = "continue"
        if block:
            return {**node, **self.block(kind, draft, name, around)}
        self.troubles(draft, name, kind, around.loop)
        return {**node, **self.leaf(kind, draft, name, around)}

    def leaf(self, kind: str, draft: Draft, name: str, around: _Around) -> dict[str, Any]:
        here = f"('{name}@' & $string($index))" if around.loop else f"'{name}'"
        raising = f"{here} in $input.fails ? $error('boom')"
        saw = self.saw(around.reads, around.loop)
        if kind == "transform":
            return {"config": {"output": f"{{% {raising} : {{'v': '{name}', 'saw': {_bare(saw)}}} %}}"}}
        if kind == "delay":
            return {"config": {"seconds": f"{{% {raising} : {draft.number} %}}"}}
        if kind == "condition":
            taken = f"$lookup($input.chosen, {here})"
            cases = [{"case": case, "when": f"{{% {raising} : {taken} = '{case}' %}}"} for case in CASES[:-1]]
            return {"config": {"cases": cases[: draft.number or 3], **({"default": CASES[-1]} if draft.retry else {})}}
        retry = {1: {"max_attempts": 1}, 2: {"max_attempts": 2, "errors": ["Boom"]}}.get(draft.retry)
        work = (
            {"url": "https://example.com/", "body": saw}
            if kind == "webhook"
            else {"tool": "t", "arguments": {"saw": saw}}
        )
        return {"config": work, "timeout_seconds": TIME_LIMIT, **({"retry": retry} if retry else {})}

    def troubles(self, draft: Draft, name: str, kind: str, loop: str) -> None:
        """Writes what goes wrong at the node into the input."""
        places = [f"{name}@{index}" for index in range(3)] if loop else [name]
        if kind == "condition":
            self.input["chosen"] |= {place: CASES[case] for place, case in zip(places, draft.chosen, strict=False)}
        for trouble in draft.troubles:
            place = places[trouble.iteration % len(places)]
            if kind in ("webhook", "tool"):
                plan = {"error": trouble.error, "failures": trouble.failures, "seconds": trouble.seconds}
                self.input["plans"][place] = plan
            elif trouble.raises:
                self.input["fails"].append(place)

    def block(self, kind: str, draft: Draft, name: str, around: _Around) -> dict[str, Any]:
        """Blocks do the same again when they are retried, and so fail again."""
        reads, loop, depth = around
        retry = {"retry": {"max_attempts": 2, "errors": ["States.ALL"]}} if draft.retry == 1 else {}
        if kind == "parallel":
            branches = {
                branch: self.graph(body, reads, loop, depth + 1)
                for branch, body in zip(PARALLEL, draft.bodies, strict=False)
            }
            return {"config": {"branches": branches}, **retry}
        if kind == "while":
            config: dict[str, Any] = {
                "condition": f"{{% $index < {draft.number} %}}",
                "initial": f"{{% {{'v': 'start', 'saw': {_bare(self.saw(reads, loop))}}} %}}",
                "max_iterations": draft.chosen[0] or 3,
            }
        else:
            self.input["items"][name] = list(range(draft.number)) if sum(draft.chosen) < 9 else "no list"
            config = {
                "items": f"{{% $lookup($input.items, '{name}') %}}",
                "max_concurrency": draft.chosen[0] or 10,
                "on_item_error": "continue" if draft.flag else "fail",
            }
        return {
            "config": {"kind": kind, **config, "body": self.graph(draft.bodies[0], reads, kind, depth + 1)},
            **retry,
        }

    def saw(self, reads: Iterable[str], loop: str) -> str:
        """An object that tells of each node whether it is there, and what of it."""
        members = [f"'{name}': {self.of(name)}" for name in reads]
        if loop:
            members += ["'index': $index", f"'item': $item{'' if loop == 'for_each' else '.v'}"]
        return f"{{% {{{', '.join(members)}}} %}}"

    def of(self, name: str) -> str:
        """Only of one node it is certain by which name it failed; of a block any of several may have come first."""
        parts = [f"'there': $exists(${name})", f"'v': ${name}.v", f"'failed': $exists(${name}.error)"]
        if self.kinds[name] not in BLOCKS:
            parts += [f"'case': ${name}.case", f"'error': ${name}.error.name"]
        return f"{{{', '.join(parts)}}}"


_EMPTY = Draft("transform", (), (), False, 0, 0, False, (0, 0, 0), ())
"""The node of a graph for which none was drawn."""


def _bare(template: str) -> str:
    return template.removeprefix("{% ").removesuffix(" %}")


def _picked(items: list[Any], backs: Iterable[int]) -> list[Any]:
    """Different items, each by how far it is from the end; those that are not there are left out."""
    return [items[-1 - back] for back in dict.fromkeys(backs) if back < len(items)]


def _sources(nodes: list[dict[str, Any]], links: Iterable[Link]) -> list[tuple[dict[str, Any], Link]]:
    """The nodes that edges come from, each once."""
    hubs = [index for index, node in enumerate(reversed(nodes)) if node["type"] == "condition"]
    backs = {(hubs[0] if hubs else 0) if link.back == HUB else link.back: link for link in links}
    return [(nodes[-1 - back], link) for back, link in backs.items() if back < len(nodes)]


def _edges(source: dict[str, Any], target: str, link: Link) -> list[dict[str, Any]]:
    edge = {"from": source["id"], "to": target}
    if link.error:
        return [{**edge, "error": True}]
    if source["type"] != "condition":
        return [edge]
    config = source["config"]
    cases = [case["case"] for case in config["cases"]] + ([config["default"]] if "default" in config else [])
    taken = dict.fromkeys(cases[index % len(cases)] for index in link.cases or (0,))
    return [{**edge, "case": case} for case in taken]


def _settle(nodes: list[dict[str, Any]], edges: list[dict[str, Any]], depth: int) -> None:
    """Takes back what would be refused, or what would leave open how a run ends."""
    handled = {edge["from"] for edge in edges if edge.get("error")}
    for node in nodes:
        if node["id"] in handled or node["type"] == "condition":
            node.pop("on_error", None)
        if node["type"] == "condition" and depth and node["id"] not in handled:
            # Nothing catches a Choice that matches nothing; beside another failure, either could come first.
            node["config"].setdefault("default", CASES[-1])
