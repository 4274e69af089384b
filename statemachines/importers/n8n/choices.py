"""Nodes that send items different ways: a condition for one item, lists for many."""

from collections.abc import Callable

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.values import Value
from statemachines.importers.n8n.work import Work


def send_each(work: Work, build: Callable[[Place], list[tuple[str, Code]]], *, rest: str | None) -> None:
    """A node that sends each item to the first output whose test is true. Outputs are those of the list in order;
    `rest` names one more, for items that no test is true for, or is None where they go nowhere."""
    if work.input.many:
        _split(work, build(work.item_place()), rest)
    else:
        _choose(work, build(work.place()), rest)


def _choose(work: Work, tests: list[tuple[str, Code]], rest: str | None) -> None:
    cases = [
        {"case": name, "when": f"{{% {c.value(test).text if test.constant else test.text} %}}"} for name, test in tests
    ]
    default = rest if rest is not None else "none"
    while any(default == name for name, _ in tests):
        default += "_"
    work.emit("condition", {"cases": cases, "default": default})
    names = [name for name, _ in tests] + ([default] if rest is not None else [])
    for output, name in enumerate(names):
        work.out(output, work.input, case=name)


def _split(work: Work, tests: list[tuple[str, Code]], rest: str | None) -> None:
    before: list[str] = []
    lists: dict[str, Code] = {}
    for _, test in tests:
        condition = " and ".join([*before, c.truth(test)])
        lists[f"out{len(lists)}"] = _filtered(work, condition)
        before.append(f"({c.truth(test)} ? false : true)")
    if rest is not None:
        lists[f"out{len(lists)}"] = _filtered(work, " and ".join(before))
    work.emit("transform", {"output": c.entries(lists).template()})
    for output, name in enumerate(lists):
        if work.connected(output):
            work.some(output, Value(c.member(c.variable(work.id), name), many=True))


def _filtered(work: Work, test: str) -> Code:
    return Code(f"[$filter({work.input.code.text}, function($json, $pos) {{ {test} }})]", "array")
