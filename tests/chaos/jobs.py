"""The mixed load: workflows of every kind of work and waiting, each with the output that it must give.

Every call to the service names the execution's number `n` and the place of the call, so that the service can count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """A workflow by its definition; `expected` gives the output for the number of an execution."""

    definition: dict[str, Any]
    expected: Callable[[int], Any]
    durable: bool = True
    nested: bool = False
    """Whether only other workflows start it."""


def jobs(url: str) -> dict[str, Job]:
    """By name; `url` is the service's."""
    found = [_chain(url), _express(url), _parallel(url), _map(url), _retry(url), _short(url), _long(url), _child(url)]
    found += [_approval(url)]
    return {job.definition["name"]: job for job in [*found, _parent()]}


def _call(node: str, url: str, place: Any, **fields: Any) -> dict[str, Any]:
    body = {"n": "{% $input.n %}", "place": place}
    return {"id": node, "type": "webhook", "config": {"method": "POST", "url": f"{url}/call", "body": body}, **fields}


def _line(name: str, *nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    ids = [node["id"] for node in nodes]
    edges = [{"from": before, "to": after} for before, after in pairwise(ids)]
    return {"name": name, "nodes": list(nodes), "edges": edges, **fields}


def _chain(url: str) -> Job:
    nodes = (_call("first", url, "first"), _call("second", url, "second"), _call("third", url, "third"))
    output = "{% [$first.body.n, $second.body.n, $third.body.n] %}"
    return Job(_line("chain", *nodes, output=output), lambda n: [n, n, n])


def _express(url: str) -> Job:
    settings = {"mode": "express", "timeout_seconds": 300}
    nodes = (_call("one", url, "one"), _call("two", url, "two"))
    return Job(_line("express", *nodes, settings=settings, output="{% $two.body.n %}"), lambda n: n, durable=False)


def _parallel(url: str) -> Job:
    branches = [_call(f"b{index}", url, f"b{index}") for index in range(4)]
    last = {"id": "last", "type": "transform", "config": {"output": "{% $b0.body.n + $b3.body.n %}"}}
    edges = [{"from": branch["id"], "to": "last"} for branch in branches]
    definition = {"name": "parallel", "nodes": [*branches, last], "edges": edges, "output": "{% $last %}"}
    return Job(definition, lambda n: 2 * n)


def _map(url: str) -> Job:
    inner = _call("ask", url, "{% 'item-' & $string($item) %}")
    body = {"nodes": [inner], "output": "{% $ask.body.n %}"}
    config = {"kind": "for_each", "items": "{% [1..6] %}", "max_concurrency": 3, "body": body}
    return Job(_line("map", {"id": "all", "type": "loop", "config": config}, output="{% $all %}"), lambda n: [n] * 6)


def _retry(url: str) -> Job:
    retry = {"max_attempts": 6, "interval_seconds": 1, "backoff_rate": 1}
    nodes = (_call("flaky", url, "flaky", retry=retry), _call("after", url, "after"))
    return Job(_line("retry", *nodes, output="{% $after.body.n %}"), lambda n: n)


def _short(url: str) -> Job:
    nap = {"id": "nap", "type": "delay", "config": {"seconds": 2}}
    nodes = (_call("before", url, "before"), nap, _call("then", url, "then"))
    return Job(_line("short-wait", *nodes, output="{% $then.body.n %}"), lambda n: n)


def _long(url: str) -> Job:
    nap = {"id": "nap", "type": "delay", "config": {"seconds": 8}}
    nodes = (_call("before", url, "before"), nap, _call("then", url, "then"))
    return Job(_line("long-wait", *nodes, output="{% $then.body.n %}"), lambda n: n)


def _child(url: str) -> Job:
    return Job(_line("child", _call("inner", url, "inner"), output="{% $inner.body.n %}"), lambda n: n, nested=True)


def _parent() -> Job:
    sub = {"id": "sub", "type": "workflow", "config": {"workflow": "child", "input": {"n": "{% $input.n %}"}}}
    more = {**sub, "id": "more"}
    return Job(_line("parent", sub, more, output="{% [$sub, $more] %}"), lambda n: [n, n])


def _approval(url: str) -> Job:
    """Somebody approves: see Load."""
    ask = {"id": "ask", "type": "approval", "config": {"title": "Go?", "approvers": ["chaos"]}}
    nodes = (_call("before", url, "before"), ask, _call("then", url, "then"))
    return Job(_line("approval", *nodes, output="{% [$ask.by, $then.body.n] %}"), lambda n: ["chaos", n])
