"""Nodes on the list of items as a whole: split out, aggregate, limit, sort, remove duplicates, rename keys."""

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.nodes.fields import without
from statemachines.importers.n8n.places import Place
from statemachines.importers.n8n.problems import Untranslatable
from statemachines.importers.n8n.registry import translates
from statemachines.importers.n8n.values import Value
from statemachines.importers.n8n.work import Work

_ROW = Code("$row")
_TODO = "Write it in JSONata."


def _names(text: str) -> list[str]:
    return [name for each in text.split(",") if (name := each.strip().removeprefix("$json."))]


@translates(
    "n8n-nodes-base.splitOut",
    becomes="`transform`",
    remarks="One field, with or without the others. What is behind it works on a list. Nothing runs for an empty one.",
)
def split_out(work: Work) -> None:
    """A list of items out of a list within each item."""
    fields = _names(work.node.text("fieldToSplitOut"))
    if len(fields) != 1 or fields[0].startswith(("=", "$binary")):
        raise Untranslatable("it splits several fields, files, or a computed one", _TODO)
    if work.input.many:
        rows = _split(work, Code("$json"), fields[0]).text
        reduced = f"$reduce({work.input.as_list().text}, function($all, $json) {{ $append($all, {rows}) }}, [])"
        work.transform(Value(Code(f"[{reduced}]", "array"), many=True))
    else:
        work.transform(Value(_split(work, work.input.code, fields[0]), many=True))
    work.only_some(0)


def _split(work: Work, item: Code, field: str) -> Code:
    dotted = not work.node.flag("options.disableDotNotation")
    source = c.path(item, field) if dotted else c.member(item, field)
    name = work.node.text("options.destinationFieldName").strip()
    include = work.node.text("include", "noOtherFields")
    named = c.entries({name or field: _ROW})
    if include == "allOtherFields":
        if "." in field and dotted:
            raise Untranslatable("it keeps the other fields of a field below another one", _TODO)
        row = c.merged([without(item, [field]), named])
    elif include == "selectedOtherFields":
        others = {other: c.path(item, other) for other in _names(work.node.text("fieldsToInclude"))}
        row = c.merged([named, c.entries(others)])
    else:
        row = named if name else Code(f"$type($row) = 'object' ? $row : {named.text}")
    return Code(f"[$map([{source.text}], function($row) {{ {row.text} }})]", "array")


@translates(
    "n8n-nodes-base.aggregate",
    becomes="`transform`",
    remarks="Individual fields, or all item data; the list becomes one item.",
)
def aggregate(work: Work) -> None:
    """One item out of all."""
    rows = work.input.as_list()
    if work.node.text("aggregate", "aggregateIndividualFields") == "aggregateAllItemData":
        name = work.node.text("destinationFieldName", "data") or "data"
        work.transform(Value(c.entries({name: _picked(work, rows)})))
        return
    members: dict[str, Code] = {}
    for each in work.node.rows("fieldsToAggregate.fieldToAggregate"):
        field = str(each.get("fieldToAggregate", ""))
        renamed = each.get("outputFieldName") if each.get("renameField") is True else None
        if not field or field.startswith("="):
            raise Untranslatable("a field's name is empty or computed", _TODO)
        members[str(renamed or field.rpartition(".")[2])] = _column(work, rows, field)
    if not members:
        raise Untranslatable("it names no field", _TODO)
    work.transform(Value(c.entries(members)))


def _picked(work: Work, rows: Code) -> Code:
    include = work.node.text("include", "allFields")
    if include == "specifiedFields":
        names = _names(work.node.text("fieldsToInclude"))
        row = c.entries({name: c.path(_ROW, name) for name in names})
    elif include == "allFieldsExcept":
        row = without(_ROW, _names(work.node.text("fieldsToExclude")))
    else:
        return rows.of_kind("array")
    return Code(f"[$map({rows.text}, function($row) {{ {row.text} }})]", "array")


def _column(work: Work, rows: Code, field: str) -> Code:
    cell = c.path(_ROW, field)
    if work.node.flag("options.mergeLists"):
        return Code(f"[$reduce({rows.text}, function($all, $row) {{ $append($all, {cell.text}) }}, [])]", "array")
    if work.node.flag("options.keepMissing"):
        cell = Code(f"$exists({cell.text}) ? {cell.text} : null")
        return Code(f"[$map({rows.text}, function($row) {{ {cell.text} }})]", "array")
    given = f"$filter({rows.text}, function($row) {{ {c.given(cell)} }})"
    return Code(f"[$map({given}, function($row) {{ {cell.text} }})]", "array")


@translates("n8n-nodes-base.limit", becomes="`transform`", remarks="The first or the last items.")
def limit(work: Work) -> None:
    """Some of the items."""
    count = work.node.get("maxItems", 1)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise Untranslatable("the number of items is computed", _TODO)
    rows = work.input.as_list().text
    first = work.node.text("keep", "firstItems") == "firstItems"
    test = f"$pos < {count}" if first else f"$pos >= $count({rows}) - {count}"
    # The first items keep their positions, and so what they come from.
    lineage = work.input.lineage if first else frozenset()
    _list(work, f"$filter({rows}, function($row, $pos) {{ {test} }})", lineage)


def _list(work: Work, text: str, lineage: frozenset[str] = frozenset()) -> None:
    """The list that text gives; a single item stays single."""
    if work.input.many:
        work.transform(Value(Code(f"[{text}]", "array"), many=True, lineage=lineage))
    else:
        work.transform(work.input)


@translates("n8n-nodes-base.sort", becomes="`transform`", remarks="By fields, up or down; not at random, not by code.")
def sort(work: Work) -> None:
    """The items in another order."""
    rows = work.node.rows("sortFieldsUi.sortField")
    if work.node.text("type", "simple") != "simple" or not rows:
        raise Untranslatable("it sorts at random or by code", _TODO)
    before, tests = "", []
    for each in rows:
        field = str(each.get("fieldName", ""))
        if not field or field.startswith("="):
            raise Untranslatable("a field's name is empty or computed", _TODO)
        left, right = c.path(Code("$left"), field).text, c.path(Code("$other"), field).text
        operator = "<" if each.get("order") == "descending" else ">"
        tests.append(f"({before}{left} {operator} {right})")
        before += f"{left} = {right} and "
    _list(work, f"$sort({work.input.as_list().text}, function($left, $other) {{ {' or '.join(tests)} }})")


@translates(
    "n8n-nodes-base.removeDuplicates",
    becomes="`transform`",
    remarks="Within the items, by all or by some fields; not against earlier executions.",
)
def remove_duplicates(work: Work) -> None:
    """Each item once."""
    if work.node.text("operation", "removeDuplicateInputItems") != "removeDuplicateInputItems":
        raise Untranslatable("it compares with earlier executions", "Keep what was seen in a store of your own.")
    compare = work.node.text("compare", "allFields")
    rows = work.input.as_list().text
    if compare == "allFields":
        _list(work, f"$distinct({rows})")
        return
    fields = _names(work.node.text("fieldsToCompare" if compare == "selectedFields" else "fieldsToExclude"))
    if compare != "selectedFields" or not fields:
        raise Untranslatable(f"it compares by '{compare[:40]}'", _TODO)
    key = [{name: c.path(Code(f"${row}"), name) for name in fields} for row in ("row", "left")]
    same = f"$string({c.entries(key[1]).text}) = $string({c.entries(key[0]).text})"
    known = f"$exists($filter($all, function($left) {{ {same} }}))"
    _list(work, f"$reduce({rows}, function($all, $row) {{ {known} ? $all : $append($all, [$row]) }}, [])")


@translates("n8n-nodes-base.renameKeys", becomes="`transform`", remarks="Plain names; not by regular expressions.")
def rename_keys(work: Work) -> None:
    """Fields under other names."""
    rows = work.node.rows("keys.key")
    old = [str(each.get("currentKey", "")) for each in rows]
    new = [str(each.get("newKey", "")) for each in rows]
    if not all([*old, *new]) or any("." in each for each in old) or work.node.get("additionalOptions.regexReplacement"):
        raise Untranslatable("it renames by regular expressions, or fields below others", _TODO)

    def item(place: Place) -> Code:
        renamed = {after: c.member(place.current, before) for before, after in zip(old, new, strict=True)}
        return c.merged([without(place.current, old), c.entries(renamed)])

    work.each(item)
