"""Members and calls: who the receiver is decides which table knows the name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tree_sitter import Node

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code, Kind
from statemachines.importers.n8n.javascript import functions, methods, roots
from statemachines.importers.n8n.javascript.parse import children, part, shown, string_value, text
from statemachines.importers.n8n.javascript.scope import Scope
from statemachines.importers.n8n.problems import NotSimple

Translate: TypeAlias = Callable[[Node, Scope], Code]


@dataclass(frozen=True)
class Call:
    """One call: of a method of `receiver`, or of a function where there is none."""

    receiver: Code
    name: str
    nodes: Sequence[Node]
    scope: Scope
    translate: Translate
    source: str

    def argument(self, index: int, otherwise: Code | None = None) -> Code:
        """An argument's code. Raises NotSimple where it is missing and there is no default."""
        if index < len(self.nodes):
            return self.translate(self.nodes[index], self.scope)
        if otherwise is None:
            raise NotSimple(f"`{self.source}` has too few arguments")
        return otherwise

    def arguments(self) -> list[Code]:
        return [self.translate(each, self.scope) for each in self.nodes]

    def constant(self, index: int, kind: Kind) -> Code:
        """An argument that must be a constant of this kind."""
        found = self.argument(index)
        if not found.constant or found.kind != kind:
            raise NotSimple(f"`{self.source}` works with a {kind} that is not constant")
        return found

    def function(self, index: int, kinds: Sequence[Kind]) -> tuple[str, Code]:
        """A function that is given as an argument, as JSONata: (parameters, body). `kinds` are those of what it is
        given."""
        if index >= len(self.nodes):
            raise NotSimple(f"`{self.source}` has too few arguments")
        names, body = lambda_parts(self.nodes[index])
        if len(names) > len(kinds):
            raise NotSimple(f"the function in `{self.source}` takes more than {len(kinds)} parameters")
        bound = {name: Code(f"${self.scope.roots.free(name)}", kind) for name, kind in zip(names, kinds, strict=False)}
        code = self.translate(body, self.scope.bind(bound))
        return ", ".join(each.text for each in bound.values()), code

    def unsupported(self) -> NotSimple:
        return NotSimple(f"`{self.source}` has no plain counterpart in JSONata")


def lambda_parts(node: Node) -> tuple[list[str], Node]:
    """Names of the parameters, and the expression that is returned. Raises NotSimple."""
    if node.type == "arrow_function" and (single := node.child_by_field_name("parameter")):
        names = [single]
    elif node.type in ("arrow_function", "function_expression"):
        names = children(part(node, "parameters"))
    else:
        raise NotSimple(f"`{shown(node)}` is no function")
    if any(each.type != "identifier" for each in names):
        raise NotSimple(f"the parameters of `{shown(node)}` are not plain names")
    body = part(node, "body")
    if body.type == "statement_block":
        statements = children(body)
        if len(statements) != 1 or statements[0].type != "return_statement" or not children(statements[0]):
            raise NotSimple(f"`{shown(node)}` does more than return a value")
        body = children(statements[0])[0]
    return [text(each) for each in names], body


def member(node: Node, scope: Scope, translate: Translate) -> Code:
    """`object.name`."""
    return _member(translate(part(node, "object"), scope), text(part(node, "property")), scope)


def subscript(node: Node, scope: Scope, translate: Translate) -> Code:
    """`object['name']`, `array[0]`."""
    whole, index = translate(part(node, "object"), scope), translate(part(node, "index"), scope)
    if index.constant and isinstance(index.literal, str):
        return _member(whole, index.literal, scope)
    if whole.namespace is not None or whole.kind == "item":
        raise NotSimple(f"`{shown(node)}` is computed")
    if index.kind == "number":
        return _at(whole, index)
    if index.kind == "string":
        return c.call("lookup", whole, index)
    key = Code("$key")
    either = f"$type($key) = 'number' ? {_at(whole, key).operand} : $lookup({whole.text}, $key)"
    return Code(f"($key := {index.text}; {either})")


def _at(whole: Code, index: Code) -> Code:
    if whole.kind == "items":
        return Code(f"{whole.operand}[{index.text}]", "item")
    if whole.kind == "string":
        return c.call("substring", whole, index, c.constant(1), kind="string")
    return Code(f"{whole.operand}[{index.text}]")


def _member(whole: Code, name: str, scope: Scope) -> Code:
    if whole.namespace is not None:
        return roots.member(whole.namespace, name, scope)
    if whole.kind == "item":
        if name != "json":
            raise NotSimple(f"an item's `{name}` is not kept; only its `json` is")
        return whole.of_kind("any")
    if name == "length":
        return _length(whole)
    if whole.kind in ("items", "date", "regex"):
        raise NotSimple(f"`.{name}` of {whole.kind} has no plain counterpart in JSONata")
    return c.member(whole, name)


def _length(whole: Code) -> Code:
    if whole.kind in ("array", "items"):
        return c.call("count", whole, kind="number")
    if whole.kind == "string":
        return c.call("length", whole, kind="number")
    text = whole.text
    return Code(f"$type({text}) = 'string' ? $length({text}) : $count({text})", "number", tight=False)


def call(node: Node, scope: Scope, translate: Translate) -> Code:
    """`receiver.method(…)`, `function(…)`."""
    function, arguments = part(node, "function"), part(node, "arguments")
    if arguments.type != "arguments":
        raise NotSimple(f"`{shown(node)}` has no plain counterpart in JSONata")
    nodes = children(arguments)
    if function.type == "identifier":
        made = Call(c.namespace(""), text(function), nodes, scope, translate, shown(node))
        return roots.call(made) or functions.call(made)
    if function.type == "subscript_expression" and part(function, "index").type == "string":
        name = string_value(part(function, "index"))
    elif function.type == "member_expression":
        name = text(part(function, "property"))
    else:
        raise NotSimple(f"`{shown(node)}` has no plain counterpart in JSONata")
    made = Call(translate(part(function, "object"), scope), name, nodes, scope, translate, shown(node))
    if made.receiver.namespace is not None:
        return roots.call(made) or functions.call(made)
    return methods.call(made)
