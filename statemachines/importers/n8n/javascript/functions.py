"""Functions that belong to no value: `Number(x)`, `Math.round(x)`, `JSON.stringify(x)`, `$if(…)`, `new Date()`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tree_sitter import Node

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.parse import children, part, shown, text
from statemachines.importers.n8n.javascript.scope import Scope
from statemachines.importers.n8n.problems import NotSimple

if TYPE_CHECKING:
    from statemachines.importers.n8n.javascript.calls import Call


def call(made: "Call") -> Code:
    """The code of a function's call. Raises NotSimple."""
    space = made.receiver.namespace
    handler = _FUNCTIONS.get(f"{space}.{made.name}" if space else made.name)
    if handler is None:
        raise made.unsupported()
    return handler(made)


def created(node: Node, scope: Scope, translate: Callable[[Node, Scope], Code]) -> Code:
    """`new Date()`, `new Date(x)`."""
    arguments = node.child_by_field_name("arguments")
    nodes = children(arguments) if arguments else []
    if text(part(node, "constructor")) != "Date" or len(nodes) > 1:
        raise NotSimple(f"`{shown(node)}` has no plain counterpart in JSONata")
    return point_in_time(translate(nodes[0], scope)) if nodes else Code("$millis()", "date")


def point_in_time(code: Code) -> Code:
    """Milliseconds: of a date, of a number that says them, or of text in ISO 8601."""
    if code.kind in ("date", "number"):
        return code.of_kind("date")
    if code.kind == "string":
        return c.call("toMillis", code, kind="date")
    either = f"$type({code.text}) = 'number' ? {code.operand} : $toMillis({code.text})"
    return Code(either, "date", tight=False)


def _math(function: str) -> Callable[["Call"], Code]:
    return lambda made: c.call(function, c.number_of(made.argument(0)), kind="number")


def _extreme(function: str) -> Callable[["Call"], Code]:
    def handler(made: "Call") -> Code:
        if len(made.nodes) == 1 and made.nodes[0].type == "spread_element":
            return c.call(function, made.translate(children(made.nodes[0])[0], made.scope), kind="number")
        return c.call(function, c.array([c.number_of(each) for each in made.arguments()]), kind="number")

    return handler


def _round(made: "Call") -> Code:
    """JavaScript rounds halves up, JSONata to even."""
    return Code(f"$floor({c.number_of(made.argument(0)).operand} + 0.5)", "number")


def _integer(made: "Call") -> Code:
    if len(made.nodes) > 1 and made.argument(1).text != "10":
        raise made.unsupported()
    number = c.number_of(made.argument(0)).text
    return Code(f"$number({number}) < 0 ? $ceil({number}) : $floor({number})", "number", tight=False)


def _stringify(made: "Call") -> Code:
    whole = c.value(made.argument(0))
    indented = len(made.nodes) > 2 and made.argument(2).text not in ("0", "null", '""')  # noqa: PLR2004 - its third
    found = c.call("string", whole, *([c.constant(literal=True)] if indented else []), kind="string")
    return Code(found.text, "string", unquoted=whole)


def _if(made: "Call") -> Code:
    return c.choose(c.truth(made.argument(0)), made.argument(1), made.argument(2))


def _if_empty(made: "Call") -> Code:
    whole = made.argument(0)
    return c.choose(c.emptiness(whole).operand, made.argument(1), whole)


def _one(function: str, kind: c.Kind) -> Callable[["Call"], Code]:
    return lambda made: c.call(function, made.argument(0), kind=kind)


def _each(body: str) -> Callable[["Call"], Code]:
    return lambda made: Code(f"[$each({made.argument(0).text}, function($left, $key) {{ {body} }})]", "array")


def _is_array(made: "Call") -> Code:
    return Code(f"$type({made.argument(0).text}) = 'array'", "boolean", tight=False)


_FUNCTIONS: dict[str, Callable[["Call"], Code]] = {
    "Number": lambda made: c.number_of(made.argument(0)),
    "parseFloat": lambda made: c.number_of(made.argument(0)),
    "Number.parseFloat": lambda made: c.number_of(made.argument(0)),
    "parseInt": _integer,
    "Number.parseInt": _integer,
    "String": lambda made: c.string_of(made.argument(0)),
    "Boolean": lambda made: Code(c.truth(made.argument(0)), "test"),
    "encodeURIComponent": _one("encodeUrlComponent", "string"),
    "decodeURIComponent": _one("decodeUrlComponent", "string"),
    "encodeURI": _one("encodeUrl", "string"),
    "Math.floor": _math("floor"),
    "Math.ceil": _math("ceil"),
    "Math.abs": _math("abs"),
    "Math.sqrt": _math("sqrt"),
    "Math.round": _round,
    "Math.max": _extreme("max"),
    "Math.min": _extreme("min"),
    "$max": _extreme("max"),
    "$min": _extreme("min"),
    "Math.pow": lambda made: c.call(
        "power", c.number_of(made.argument(0)), c.number_of(made.argument(1)), kind="number"
    ),
    "Math.random": lambda _: Code("$random()", "number"),
    "JSON.stringify": _stringify,
    "JSON.parse": _one("parse", "any"),
    "Object.keys": lambda made: c.listed(_one("keys", "any")(made)),
    "Object.values": _each("$left"),
    "Object.entries": _each("[[$key, $left]]"),
    "Object.assign": lambda made: c.merged(made.arguments()),
    "Array.isArray": _is_array,
    "Date.now": lambda _: Code("$millis()", "number"),
    "DateTime.now": lambda _: Code("$millis()", "date"),
    "DateTime.utc": lambda _: Code("$millis()", "date"),
    "DateTime.fromISO": lambda made: point_in_time(made.argument(0)),
    "DateTime.fromMillis": lambda made: c.number_of(made.argument(0)).of_kind("date"),
    "DateTime.fromSeconds": lambda made: Code(f"{c.number_of(made.argument(0)).operand} * 1000", "date", tight=False),
    "$if": _if,
    "$ifEmpty": _if_empty,
}
