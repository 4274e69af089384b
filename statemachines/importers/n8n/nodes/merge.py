"""Merge: the items of several inputs put together.

v1       mode: append | mergeByIndex | mergeByKey | multiplex | passThrough | wait …
v2       mode: append | combine | chooseBranch; combinationMode: mergeByFields | mergeByPosition | multiplex
v3       mode: append | combine | chooseBranch; combineBy: combineByFields | combineByPosition | combineAll
"""

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.values import Port, Value, all_exclusive, together
from statemachines.importers.n8n.work import Work

_TODO = "Put the inputs together in JSONata."
_MODES = {
    "mergeByIndex": "position",
    "mergeByPosition": "position",
    "combineByPosition": "position",
    "mergeByKey": "fields",
    "mergeByFields": "fields",
    "combineByFields": "fields",
    "multiplex": "all",
    "combineAll": "all",
    "append": "append",
    "passThrough": "choose",
    "wait": "choose",
    "chooseBranch": "choose",
}


@translates(
    "n8n-nodes-base.merge",
    becomes="`transform`",
    remarks="Append; combine by position, by fields (matches, or enriching input 1) and all with all; choose a branch. "
    "SQL and the other joins are placeholders. After the two ways of an IF it passes on what came.",
)
def merge(work: Work) -> None:
    """A transform that waits for its inputs."""
    node = work.node
    mode = node.text("mode", "append")
    if mode == "combine":
        mode = node.text("combineBy") or node.text("combinationMode") or "combineByFields"
    handler = {"append": _append, "position": _by_position, "fields": _by_fields, "all": _all, "choose": _choose}.get(
        _MODES.get(mode, "")
    )
    if handler is None:
        raise Untranslatable(f"the mode '{mode[:40]}' is not known", _TODO)
    handler(work, list(work.inputs.values()))


def _append(work: Work, ports: list[Port]) -> None:
    if len(ports) > 1 and not all_exclusive(ports):
        lists = [Code(f"{each.live} ? {each.value.as_list().text} : []") for each in ports]
        code = lists[0]
        for each in lists[1:]:
            code = c.call("append", code, each)
        work.transform(Value(c.listed(code), many=True))
    else:
        work.transform(together(ports))


def _pair(work: Work, ports: list[Port]) -> tuple[Port, Port]:
    if set(work.inputs) != {0, 1}:
        raise Untranslatable("it does not have exactly two inputs", _TODO)
    first, second = ports
    clash = work.node.text("options.clashHandling.values.resolveClash", "preferLast")
    if clash not in ("preferLast", "preferInput1", "preferInput2"):
        raise Untranslatable("fields of both inputs get other names", _TODO)
    message = "Where both items have the same field, one of them is taken whole; n8n can merge objects in them."
    work.say(Level.NOTE, "merge.shallow", message)
    return first, second


def _row(work: Work, left: Code, right: Code) -> Code:
    first_wins = work.node.text("options.clashHandling.values.resolveClash") == "preferInput1"
    return c.merged([right, left] if first_wins else [left, right])


def _by_position(work: Work, ports: list[Port]) -> None:
    first, second = _pair(work, ports)
    if work.node.flag("options.includeUnpaired") or work.node.text("join") in ("left", "outer"):
        raise Untranslatable("it keeps items without a partner", _TODO)
    if not first.value.many and not second.value.many:
        work.transform(Value(_row(work, first.value.code, second.value.code)))
        return
    left, right = first.value.as_list().text, second.value.as_list().text
    row = _row(work, Code("$row"), Code(f"{right}[$pos]"))
    paired = f"$filter({left}, function($row, $pos) {{ $pos < $count({right}) }})"
    work.transform(Value(Code(f"[$map({paired}, function($row, $pos) {{ {row.text} }})]", "array"), many=True))
    work.only_some(0)


def _by_fields(work: Work, ports: list[Port]) -> None:
    first, second = _pair(work, ports)
    keys = _keys(work)
    mode = work.node.text("joinMode", "keepMatches")
    if mode not in ("keepMatches", "enrichInput1") or work.node.text("outputDataFrom", "both") != "both":
        raise Untranslatable(f"the join '{mode[:40]}' is not known", _TODO)
    left, right = first.value.as_list().text, second.value.as_list().text
    same = " and ".join(
        c.operation(c.path(Code("$row"), a), "=", c.path(Code("$other"), b), "boolean").text for a, b in keys
    )
    found = f"$filter({right}, function($other) {{ {same} }})"
    if work.node.text("options.multipleMatches", "all") == "first":
        found += "[0]"
    rows = f"[$map({found}, function($other) {{ {_row(work, Code('$row'), Code('$other')).text} }})]"
    if mode == "enrichInput1":
        rows = f"$exists({found}) ? {rows} : [$row]"
    reduced = f"[$reduce({left}, function($all, $row) {{ $append($all, {rows}) }}, [])]"
    work.transform(Value(Code(reduced, "array"), many=True))
    work.only_some(0)


def _keys(work: Work) -> list[tuple[str, str]]:
    node = work.node
    plain = [each.strip() for each in node.text("fieldsToMatchString").split(",") if each.strip()]
    if node.flag("advanced") or not plain:
        rows = node.rows("mergeByFields.values")
        keys = [(str(each.get("field1", "")), str(each.get("field2", ""))) for each in rows]
        if node.text("propertyName1"):
            keys = [(node.text("propertyName1"), node.text("propertyName2"))]
    else:
        keys = [(each, each) for each in plain]
    if not keys or any(not each or each.startswith("=") for pair in keys for each in pair):
        raise Untranslatable("the fields to match by are empty or computed", _TODO)
    return keys


def _all(work: Work, ports: list[Port]) -> None:
    first, second = _pair(work, ports)
    left, right = first.value.as_list().text, second.value.as_list().text
    rows = f"[$map({right}, function($other) {{ {_row(work, Code('$row'), Code('$other')).text} }})]"
    work.transform(
        Value(Code(f"[$reduce({left}, function($all, $row) {{ $append($all, {rows}) }}, [])]", "array"), many=True)
    )
    work.only_some(0)


def _choose(work: Work, _: list[Port]) -> None:
    """All inputs are waited for, and one of them goes on."""
    node = work.node
    if node.text("output", "specifiedInput") == "empty":
        work.transform(Value(c.constant({})))
        return
    chosen = node.text("useDataOfInput") or node.text("output", "input1")
    index = "2" in chosen if node.version < 3 else (int(chosen) - 1 if chosen.isdecimal() else 0)  # noqa: PLR2004 - since version 3 inputs have numbers
    port = work.inputs.get(int(index))
    if port is None:
        raise Untranslatable(f"its input {int(index) + 1} is not connected", _TODO)
    work.transform(port.value)
