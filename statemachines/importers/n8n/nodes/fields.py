"""Edit Fields (`set`), in all its versions.

v1, v2     values: {string: [{name, value}], number: […], boolean: […]}, keepOnlySet
v3 to 3.2   fields: {values: [{name, type: numberValue, numberValue}]}, include: all | none | selected | except
v3.3 on    assignments: {assignments: [{name, type, value}]}, includeOtherFields, include
raw mode   jsonOutput: JSON as text
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.document import N8nNode
from statemachines.importers.n8n.parameters import is_computed
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.result import Level
from statemachines.importers.n8n.work import Work

_ASSIGNMENTS = 3.3
_FIELDS = 3.0


class Field(NamedTuple):
    name: str
    type: str
    value: Any


@translates(
    "n8n-nodes-base.set",
    becomes="`transform`",
    remarks="All versions: typed fields, JSON mode, other fields kept or not, dot notation.",
)
def edit_fields(work: Work) -> None:
    """A transform that sets the fields of each item."""
    if work.node.flag("duplicateItem"):
        message = "`duplicateItem`, which is for tests in n8n's editor, is left out."
        work.say(Level.CHECK, "set.duplicate", message)
    work.each(lambda place: _item(work, place))


def _item(work: Work, place: Place) -> Code:
    kept = _kept(work.node, place.current)
    if work.node.text("mode") == "raw":
        made = work.json_code(work.node.get("jsonOutput", "{}"), place)
        return c.merged([kept, made]) if kept else made
    dotted = work.node.flag("options.dotNotation", otherwise=True)
    fields = [(each.name, _typed(work, each, place)) for each in _fields(work.node)]
    return with_fields(kept, fields, dotted=dotted)


def with_fields(kept: Code | None, fields: list[tuple[str, Code]], *, dotted: bool) -> Code:
    """`kept` with more fields; a name with dots is a path, whose other members stay."""
    tree: dict[str, Any] = {}
    for name, code in fields:
        steps = name.split(".") if dotted else [name]
        if any("[" in step for step in steps) and dotted:
            raise Untranslatable(f"the field name '{name}' sets an element of a list", "Set it in JSONata.")
        branch = tree
        for step in steps[:-1]:
            inner = branch.get(step)
            branch[step] = branch = inner if isinstance(inner, dict) else {}
        branch[steps[-1]] = code
    return _merged(kept, tree)


def _merged(kept: Code | None, tree: dict[str, Any]) -> Code:
    members = {
        name: _merged(c.member(kept, name) if kept else None, inner) if isinstance(inner, dict) else inner
        for name, inner in tree.items()
    }
    if kept is None:
        return c.entries(members)
    return c.merged([kept, c.entries(members)]) if members else kept


def _kept(node: N8nNode, item: Code) -> Code | None:
    """What stays of the item's own fields; None where nothing does."""
    if node.version < _FIELDS:
        return None if node.flag("keepOnlySet") else item
    if node.version >= _ASSIGNMENTS:
        include = node.text("include", "all") if node.flag("includeOtherFields") else "none"
    else:
        include = node.text("include", "all")
    names = [
        each.strip() for each in node.text("includeFields" if include == "selected" else "excludeFields").split(",")
    ]
    if include == "selected":
        return with_fields(None, [(name.split(".")[-1], c.path(item, name)) for name in names if name], dotted=False)
    if include == "except":
        if any("." in name for name in names):
            raise Untranslatable("a field below another one is excluded", "Exclude it in JSONata.")
        return without(item, [name for name in names if name])
    return None if include == "none" else item


def without(item: Code, names: list[str]) -> Code:
    """The object without some members; `{}` where nothing is left, which $sift would give as nothing."""
    listed = ", ".join(map(c.quoted, names))
    return Code(f"$merge([{{}}, $sift({item.text}, function($left, $key) {{ $not($key in [{listed}]) }})])", "object")


def _fields(node: N8nNode) -> Iterator[Field]:
    if node.version < _FIELDS:
        for kind in ("string", "number", "boolean"):
            for row in node.rows(f"values.{kind}"):
                yield Field(_name(row), kind, row.get("value", ""))
    for row in node.rows("fields.values"):
        kind = str(row.get("type", "stringValue"))
        yield Field(_name(row), kind.removesuffix("Value"), row.get(kind, ""))
    for row in node.rows("assignments.assignments"):
        yield Field(_name(row), str(row.get("type", "string")), row.get("value", ""))


def _name(row: dict[str, Any]) -> str:
    name = row.get("name")
    if not isinstance(name, str) or not name or is_computed(name):
        raise Untranslatable("a field's name is empty or computed", "Set it in JSONata.")
    return name


def _typed(work: Work, field: Field, place: Place) -> Code:
    """The value, converted as n8n does."""
    if is_computed(field.value):
        code = (
            work.json_code(field.value, place) if field.type in ("object", "array") else work.code(field.value, place)
        )
        converted = _COMPUTED.get(field.type)
        return converted(code) if converted and work.node.version >= _FIELDS else code
    return c.constant(_constant(field))


def _number(code: Code) -> Code:
    if code.kind == "number":
        return code
    return Code(f"{code.operand} = null ? null : {c.number_of(code).text}", tight=False)


_COMPUTED: dict[str, Callable[[Code], Code]] = {"string": c.string_of, "number": _number}


def _constant(field: Field) -> Any:
    value = field.value
    try:
        if field.type == "number" and isinstance(value, str):
            number = float(value or 0)
            return int(number) if number.is_integer() else number
        if field.type == "boolean" and isinstance(value, str):
            return {"true": True, "1": True, "false": False, "0": False}[value.lower() or "false"]
        if field.type in ("array", "object") and isinstance(value, str):
            return json.loads(value or ("[]" if field.type == "array" else "{}"))
    except (ValueError, KeyError, OverflowError):
        raise Untranslatable(
            f"the value of the field '{field.name}' is not of the type {field.type}", "Correct the value."
        ) from None
    if field.type == "string" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value
