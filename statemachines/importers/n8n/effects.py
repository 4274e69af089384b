"""Nodes that do work for each item: the node itself for one, a loop around it for many."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.values import Value
from statemachines.importers.n8n.work import Work, retry


def effect(
    work: Work,
    kind: str,
    build: Callable[[Place], Mapping[str, Any]],
    result: Callable[[Code], Code],
    *,
    one_by_one: bool = False,
) -> None:
    """A node that does work for each item; `result` gives the item's JSON out of its output."""
    if work.input.many:
        _looped(work, kind, build, result, one_by_one=one_by_one)
        return
    work.emit(kind, build(work.place()), **work.on_error())
    value = result(c.variable(work.id))
    work.out(0, Value(value, lineage=frozenset({work.node.name})))
    if work.on_error() and value.text != f"${work.id}":
        failed = f'{{"error": ${work.id}.error}}'
        either = Code(f"$exists(${work.id}.error) ? {failed} : {value.operand}")
        helper = work.helper(
            "result", "transform", {"output": either.template()}, f"Result of {work.node.name}", work.ports[0]
        )
        work.ports[0] = replace(
            work.ports[0], edge={"from": helper}, live=f"$exists(${helper})", value=Value(c.variable(helper))
        )
    work.error_port()


def _looped(
    work: Work,
    kind: str,
    build: Callable[[Place], Mapping[str, Any]],
    result: Callable[[Code], Code],
    *,
    one_by_one: bool,
) -> None:
    inner = work.session.ids.make(f"{work.id}_each")
    work.session.owner[inner] = work.node.name
    inside = {"id": inner, "type": kind, "name": work.node.name[:120], "config": dict(build(work.loop_place()))}
    body = {"nodes": [inside | {"retry": retry(work.node)}], "output": result(c.variable(inner)).template()}
    config: dict[str, Any] = {"kind": "for_each", "items": f"{{% {work.input.as_list().text} %}}", "body": body}
    if one_by_one:
        config["max_concurrency"] = 1
    keeps = work.error_mode() != "stopWorkflow"
    if keeps:
        config["on_item_error"] = "continue"
    work.emit("loop", config)
    value = c.variable(work.id)
    if work.error_mode() == "continueErrorOutput":
        _sorted(work, value)
    else:
        work.out(0, Value(value, many=True, lineage=work.input.lineage | {work.node.name}))


def _sorted(work: Work, value: Code) -> None:
    """The items that were done and those that failed, apart."""
    work.out(0, Value(value, many=True))
    start = work.ports[0]
    for output, suffix, test in (
        (0, "done", f"$exists($json.error){c.NOT}"),
        (1, "failed", "$exists($json.error)"),
    ):
        if output == 0 or work.connected(output):
            listed = Code(f"[$filter({value.text}, function($json) {{ {test} }})]", "array")
            name = f"What {suffix}: {work.node.name}"
            helper = work.helper(suffix, "transform", {"output": listed.template()}, name, start)
            work.ports[output] = replace(start, edge={"from": helper}, value=Value(c.variable(helper), many=True))
            work.only_some(output)
