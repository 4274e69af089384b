"""Loop Over Items (`splitInBatches`): a `for_each` whose body is what n8n's loop output leads to.

Orders → Loop Over Items ─loop→ Get customer → Edit Fields ─┐        for_each over the orders, one at a time,
              ↑ done → Report                               │   →    body: get_customer → edit_fields;
              └─────────────────────────────────────────────┘        its output is what comes back
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.bench import Bench, Known, Session
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.graph import LoopShape, loop_shape
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.values import Port, Value
from statemachines.importers.n8n.work import Work

if TYPE_CHECKING:
    from statemachines.importers.n8n.builder import Builder

LOOP_TYPE = "n8n-nodes-base.splitInBatches"
BECOMES = "`loop` (for_each)"
REMARKS = "Versions 2 and 3; one batch after another. Version 1, which asks for `noItemsLeft`, is a placeholder."
_TODO = "Use a `loop` node whose body is what repeats."
_FIRST_WITH_DONE = 2
_DONE_FIRST = 3


def is_loop(node: N8nNode) -> bool:
    """Whether a node is n8n's loop."""
    return node.type == LOOP_TYPE


def _loop_output(node: N8nNode) -> int:
    return 1 if node.version >= _DONE_FIRST else 0


def outermost(session: Session, names: Collection[str]) -> dict[str, LoopShape]:
    """The loops of a graph that are in no other loop of it."""
    nodes = session.document.nodes
    shapes: dict[str, LoopShape] = {}
    for name in names:
        node = nodes[name]
        if is_loop(node) and not node.disabled and node.version >= _FIRST_WITH_DONE:
            shape = loop_shape(session.graph, name, names, _loop_output(node))
            if shape is not None and shape.body <= set(names):
                shapes[name] = shape
    inner = {name for name in shapes for other, shape in shapes.items() if other != name and name in shape.body}
    return {name: shape for name, shape in shapes.items() if name not in inner}


def translate(work: Work, shape: LoopShape | None, builder: "Builder") -> None:
    """The loop with its body."""
    if work.node.version < _FIRST_WITH_DONE:
        raise Untranslatable("version 1 of the loop has no output for when it is done", _TODO)
    if shape is None:
        raise Untranslatable("its body is entered from outside, or goes on behind it", _TODO)
    output = _loop_output(work.node)
    if not shape.body:
        work.say(Level.NOTE, "loop.empty", "The loop has no body; its items are passed on.")
        work.transform(Value(work.input.as_list(), many=True))
        work.ports = {1 - output: work.ports[0]}
        return
    size = _batch_size(work)
    bench = Bench(outer=work.bench)
    back = _body(work, shape, builder, bench, many=size > 1)
    if not back:
        message = "Nothing comes back to the loop, so n8n would stop after the first batch; here every batch runs."
        work.say(Level.CHECK, "loop.open", message)
    single = len(back) == 1 and not back[0].ways and not back[0].value.many
    results = back[0].value.code if single else _collected(back)
    items = work.input.as_list().text
    config: dict[str, Any] = {
        "kind": "for_each",
        "items": f"{{% {items if size == 1 else f'$partition({items}, {size})'} %}}",
        "body": {"nodes": bench.nodes, "edges": bench.edges, "output": results.template()},
        "max_concurrency": 1,
    }
    work.emit("loop", config)
    _done(work, 1 - output, single=single)


def _batch_size(work: Work) -> int:
    size = work.node.get("batchSize", 1)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise Untranslatable("its batch size is not a constant number", _TODO)
    return size


def _body(work: Work, shape: LoopShape, builder: "Builder", bench: Bench, *, many: bool) -> list[Port]:
    """Translates the body; the ports that come back."""
    session, name = work.session, work.node.name
    first = session.ids.make(f"{work.id}_item")
    session.owner[first] = name
    label = f"{'Batch' if many else 'Item'} of {name}"[:120]
    bench.add({"id": first, "type": "transform", "name": label, "config": {"output": "{% $item %}"}})
    start = Port({"from": first}, f"$exists(${first})", Value(c.variable(first), many, frozenset({name})))
    session.values[name] = Known(start.value, bench)
    ports = builder.scope(bench, shape.body, {(name, _loop_output(work.node)): start})
    found = [ports.get((link.source, link.output)) for link in shape.back]
    return [port for port in found if port is not None]


def _collected(back: list[Port]) -> Code:
    """The items that come back in one round, from all the ways that were taken."""
    code = c.constant([])
    for port in back:
        items = port.value.as_list()
        taken = Code(f"{port.live} ? {items.text} : []", "array", tight=False) if port.ways else items
        code = taken if code.constant else c.call("append", code, taken)
    return c.listed(code)


def _done(work: Work, output: int, *, single: bool) -> None:
    name = work.node.name
    if single:
        value = Value(c.variable(work.id), many=True, lineage=work.input.lineage | {name})
        work.out(output, value)
        work.session.values[name] = Known(value, work.bench)
        return
    work.out(output, Value(c.variable(work.id), many=True))
    flat = f"[$reduce(${work.id}, function($all, $row) {{ $append($all, $row) }}, [])]"
    helper = work.helper("done", "transform", {"output": f"{{% {flat} %}}"}, f"Items of {name}", work.ports[output])
    ways = work.ports[output].ways
    work.ports[output] = Port({"from": helper}, f"$exists(${helper})", Value(c.variable(helper), many=True), ways)
    work.only_some(output)
    work.session.values[name] = Known(work.ports[output].value, work.bench)
