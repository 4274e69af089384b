"""IF, Filter and Switch: a condition for one item; for many, lists of those that go each way."""

from typing import Any

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.choices import send_each
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.nodes.conditions import filter_test, old_test, typed_rows_test
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.work import Work

_FILTERS = 2.0
_MAX_OUTPUTS = 50
_OLD_OUTPUTS = 4
_TODO = "Use a `condition` node with the cases that you need."


@translates(
    "n8n-nodes-base.if",
    becomes="`condition`",
    remarks="Versions 1 and 2: typed operators, all or any. With many items each goes its own way.",
)
def if_node(work: Work) -> None:
    """Outputs: true, false."""
    send_each(work, lambda place: [("true", _test(work, place, "combineOperation"))], rest="false")


@translates(
    "n8n-nodes-base.filter",
    becomes="`condition`, or `transform` for many items",
    remarks="Versions 1 and 2. Items that do not pass go nowhere.",
)
def filter_node(work: Work) -> None:
    """Output: what passes."""
    send_each(work, lambda place: [("kept", _test(work, place, "combineConditions"))], rest=None)


def _test(work: Work, place: Place, combine: str) -> Code:
    if work.node.version >= _FILTERS or "conditions" in (work.node.get("conditions") or {}):
        return filter_test(work, work.node.get("conditions"), place)
    any_one = work.node.text(combine).lower() in ("any", "or")
    return typed_rows_test(work, "conditions", "or" if any_one else "and", place)


@translates(
    "n8n-nodes-base.switch",
    becomes="`condition`",
    remarks="Versions 1 to 3, rules and expression mode, fallback output. `allMatchingOutputs` is a placeholder.",
)
def switch(work: Work) -> None:
    """Outputs: one for each rule, or as many as there are in expression mode; then the fallback's."""
    if work.node.flag("options.allMatchingOutputs"):
        raise Untranslatable("an item may take several outputs at once", "Use one `condition` node for each rule.")
    if work.node.text("mode") == "expression":
        _by_number(work)
    elif work.node.version < _FILTERS:
        _old_rules(work)
    else:
        _rules(work)


def _by_number(work: Work) -> None:
    node = work.node
    count = node.get("numberOutputs", node.get("outputsAmount", _OLD_OUTPUTS))
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MAX_OUTPUTS:
        raise Untranslatable(f"its number of outputs is not one of 1 to {_MAX_OUTPUTS}", _TODO)

    def tests(place: Place) -> list[tuple[str, Code]]:
        chosen = c.number_of(work.code(node.get("output", 0), place))
        return [(f"output {index}", c.operation(chosen, "=", c.constant(index), "boolean")) for index in range(count)]

    send_each(work, tests, rest=None)


def _old_rules(work: Work) -> None:
    """Version 1: each rule names its output, and several may name the same."""
    rows = work.node.rows("rules.rules")
    fallback = work.node.get("fallbackOutput", -1)
    kind = work.node.text("dataType", "number")

    def tests(place: Place) -> list[tuple[str, Code]]:
        left = work.code(work.node.get("value1", ""), place)
        found: list[tuple[str, Code]] = []
        before: list[str] = []
        by_output: dict[int, list[str]] = {}
        for row in rows:
            test = c.truth(_compared(work, kind, row, left, place))
            # A rule only counts where none before it was met, because each may lead to any output.
            alone = " and ".join([*(f"({each} ? false : true)" for each in before), test])
            by_output.setdefault(_output(row.get("output", 0)), []).append(f"({alone})")
            before.append(test)
        if _output(fallback) >= 0:
            none = " and ".join(f"({each} ? false : true)" for each in before) or "true"
            by_output.setdefault(_output(fallback), []).append(f"({none})")
        for output in range(_OLD_OUTPUTS):
            text = " or ".join(by_output.get(output, ["false"]))
            found.append((f"output {output}", Code(text, "test", tight=False)))
        return found

    send_each(work, tests, rest=None)


def _output(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or raw >= _OLD_OUTPUTS:
        raise Untranslatable("a rule names an output that is not there", _TODO)
    return raw


def _rules(work: Work) -> None:
    rows = _rows(work.node)
    names = _names(rows)
    fallback = work.node.get("options.fallbackOutput", work.node.get("fallbackOutput", "none"))
    kind = work.node.text("dataType", "number")

    def tests(place: Place) -> list[tuple[str, Code]]:
        found = []
        for name, row in zip(names, rows, strict=True):
            if "conditions" in row:
                test = filter_test(work, row["conditions"], place)
            else:
                left = work.code(work.node.get("value1", ""), place)
                test = _compared(work, kind, row, left, place)
            found.append((name, test))
        if isinstance(fallback, int) and not isinstance(fallback, bool) and 0 <= fallback < len(found):
            none = " and ".join(f"({c.truth(test)} ? false : true)" for _, test in found)
            name, own = found[fallback]
            found[fallback] = (name, Code(f"{c.truth(own)} or ({none})", "test", tight=False))
        return found

    send_each(work, tests, rest=_free("fallback", names) if fallback in ("extra", "last") else None)


def _rows(node: N8nNode) -> list[dict[str, Any]]:
    rows = node.rows("rules.values") or node.rows("rules.rules")
    if not 1 <= len(rows) <= _MAX_OUTPUTS - 1:
        raise Untranslatable(f"it has {len(rows)} rules; 1 to {_MAX_OUTPUTS - 1} can be cases of a condition", _TODO)
    return rows


def _names(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the cases: what the outputs are called in n8n, or their numbers."""
    names: list[str] = []
    for index, row in enumerate(rows):
        given = row.get("outputKey")
        name = given.strip()[:60] if isinstance(given, str) and given.strip() and not given.startswith("=") else ""
        names.append(_free(name or f"output {index}", names))
    return names


def _free(name: str, taken: list[str]) -> str:
    number = 2
    found = name
    while found in taken or found == "none":
        found, number = f"{name[:58]} {number}", number + 1
    return found


def _compared(work: Work, kind: str, row: dict[str, Any], left: Code, place: Place) -> Code:
    otherwise = {"number": 0, "boolean": False}.get(kind, "")
    default = {"number": "smaller", "dateTime": "after"}.get(kind, "equal")
    right = work.code(row.get("value2", otherwise), place)
    return old_test(kind, str(row.get("operation", default)), left, right)
