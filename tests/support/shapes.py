"""Workflows of any number of nodes, in shapes that ask different things of the compiler."""

from collections.abc import Callable
from typing import Any

Definition = dict[str, Any]
Edge = tuple[int, int]


def transform(index: int, *reads: int) -> Definition:
    """Node n<index>, whose output reads others."""
    members = "".join(f", 'n{each}': $n{each}.v" for each in reads)
    return {"id": f"n{index}", "type": "transform", "config": {"output": f"{{% {{'v': {index}{members}}} %}}"}}


def task(index: int, *reads: int) -> Definition:
    """The same by an HTTP request."""
    body = {f"n{each}": f"{{% $n{each}.v %}}" for each in reads}
    return {"id": f"n{index}", "type": "webhook", "config": {"url": "https://example.com/", "body": body}}


def condition(index: int, *reads: int) -> Definition:
    """Chooses `a` or `b`."""
    when = " or ".join(f"$n{each}.v = 1" for each in reads) or "$input.go"
    config = {"cases": [{"case": "a", "when": f"{{% {when} %}}"}], "default": "b"}
    return {"id": f"n{index}", "type": "condition", "config": config}


def workflow(nodes: list[Definition], edges: list[Edge]) -> Definition:
    return {"name": "shape", "nodes": nodes, "edges": [{"from": f"n{a}", "to": f"n{b}"} for a, b in edges]}


def chain(node: Callable[..., Definition], size: int) -> Definition:
    nodes = [node(0), *(node(i, i - 1) for i in range(1, size))]
    return workflow(nodes, [(i - 1, i) for i in range(1, size)])


def chain_of_transforms(size: int) -> Definition:
    return chain(transform, size)


def chain_of_tasks(size: int) -> Definition:
    return chain(task, size)


def wide_fork(size: int) -> Definition:
    """One node, all the others at once, and one that reads ten of them."""
    last = size - 1
    nodes = [transform(0), *(task(i, 0) for i in range(1, last)), transform(last, *range(1, min(11, last)))]
    return workflow(nodes, [*((0, i) for i in range(1, last)), *((i, last) for i in range(1, last))])


def diamonds(size: int) -> Definition:
    """Forks of two that join, one after another."""
    nodes, edges = [transform(0)], []
    for i in range(1, size - 2, 3):
        nodes += [task(i, i - 1), transform(i + 1, i - 1), transform(i + 2, i, i + 1)]
        edges += [(i - 1, i), (i - 1, i + 1), (i, i + 2), (i + 1, i + 2)]
    return workflow(nodes, edges)


def n_ladder(size: int) -> Definition:
    """Two rails with a rung from one to the other at every step: no two forks nest, so everything is waves."""
    nodes, edges = [transform(0), transform(1)], []
    for i in range(2, size - 1, 2):
        nodes += [task(i, i - 2), transform(i + 1, i - 1, i - 2)]
        edges += [(i - 2, i), (i - 2, i + 1), (i - 1, i + 1)]
    return workflow(nodes, edges)


def conditions_across_forks(size: int) -> Definition:
    """At every step a condition that decides both about its own branch and about the one beside it."""
    nodes, edges = [transform(0)], []
    for i in range(1, size - 3, 4):
        nodes += [condition(i, i - 1), task(i + 1, i - 1), transform(i + 2, i - 1), transform(i + 3, i + 1, i + 2)]
        edges += [(i - 1, i), (i - 1, i + 1), (i, i + 2), (i, i + 3), (i + 1, i + 3), (i + 2, i + 3)]
    found = workflow(nodes, edges)
    for edge in found["edges"]:
        if (int(edge["from"][1:]) - 1) % 4 == 0:
            edge["case"] = "a" if (int(edge["to"][1:]) - 1) % 4 == 2 else "b"
    return found


def nested_loops(size: int) -> Definition:
    """Loops three deep with two nodes in each body, one after another."""
    nodes, edges, last = [transform(0)], [], 0
    for i in range(1, size - 8, 9):
        body = workflow(
            [transform(i + 6), transform(i + 7, i + 6), task(i + 8, i + 7, last)], [(i + 6, i + 7), (i + 7, i + 8)]
        )
        for j in (i + 4, i + 2):
            body.pop("name")
            body = workflow([transform(j, last), loop(j + 1, j, body)], [(j, j + 1)])
        body.pop("name")
        nodes += [loop(i, last, body), transform(i + 1, i)]
        edges += [(last, i), (i, i + 1)]
        last = i + 1
    return workflow(nodes, edges)


def loop(index: int, reads: int, body: Definition) -> Definition:
    config = {"kind": "for_each", "items": f"{{% [$n{reads}.v] %}}", "body": body}
    return {"id": f"n{index}", "type": "loop", "config": config}


def everything_reads_everything(size: int) -> Definition:
    """A chain in which each node reads the hundred before it, and the last one all."""
    nodes = [transform(i, *range(max(0, i - 100), i)) for i in range(size - 1)]
    nodes.append(transform(size - 1, *range(size - 1)))
    return workflow(nodes, [(i - 1, i) for i in range(1, size)])


def dense_layers(size: int) -> Definition:
    """Layers of four, each of whose nodes waits for all four before."""
    edges = [(i, j) for i in range(size) for j in range(4 * (i // 4 + 1), min(4 * (i // 4 + 2), size))]
    return workflow([task(i, *([i - 4] if i > 3 else [])) for i in range(size)], edges)


def side_branches(size: int) -> Definition:
    """A pipeline that leaves a task running beside it at every step: forks that open and never close."""
    nodes, edges = [transform(0)], []
    for i in range(1, size - 1, 2):
        nodes += [task(i, i - 1), transform(i + 1, i - 1)]
        edges += [(i - 1, i), (i - 1, i + 1)]
    return workflow(nodes, edges)


def conditions_in_conditions(size: int) -> Definition:
    """Every condition is within a case of the one before."""
    found = workflow([condition(i) for i in range(size)], [(i - 1, i) for i in range(1, size)])
    for edge in found["edges"]:
        edge["case"] = "a"
    return found


def ends_at_every_depth(size: int) -> Definition:
    """Conditions within conditions, each with a node that ends there, all of which the workflow's output reads."""
    nodes, edges = [condition(0)], []
    for i in range(1, size - 1, 2):
        nodes += [transform(i), condition(i + 1)]
        edges += [(i - 1, i), (i - 1, i + 1)]
    found = workflow(nodes, edges)
    for edge in found["edges"]:
        edge["case"] = "a" if int(edge["to"][1:]) % 2 else "b"
    return found


def independent(size: int) -> Definition:
    """Nodes that wait for nothing."""
    return workflow([task(i) for i in range(size)], [])


def error_edges(size: int) -> Definition:
    """Tasks each with a rescue by an error edge, which all go on into the next."""
    nodes, edges = [task(0)], []
    for i in range(1, size - 1, 2):
        nodes += [transform(i), task(i + 1, i)]
        edges += [(i - 1, i), (i - 1, i + 1), (i, i + 1)]
    found = workflow(nodes, edges)
    for edge in found["edges"][::3]:
        edge["error"] = True
    return found


SHAPES: dict[str, Callable[[int], Definition]] = {
    shape.__name__: shape
    for shape in (
        chain_of_transforms,
        chain_of_tasks,
        wide_fork,
        diamonds,
        n_ladder,
        conditions_across_forks,
        nested_loops,
        everything_reads_everything,
        dense_layers,
        side_branches,
        conditions_in_conditions,
        ends_at_every_depth,
        independent,
        error_edges,
    )
}
"""By name: the number of nodes → a definition of about as many."""
