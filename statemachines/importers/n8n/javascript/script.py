"""Code nodes: scripts that only map items. Everything else is not simple, and stays for a person to rewrite.

What is understood, in any combination:

    const rate = 1.19;
    for (const item of $input.all()) { item.json.gross = item.json.net * rate; }
    return $input.all();                    // or items; also items.filter(…)

    return items.map((item, index) => ({ json: { ...item.json, index } }));

    return [{ json: { count: $input.all().length } }];

and, where the code runs once for each item, `$input.item.json.x = …; return $input.item;` or `return { … };`.
"""

from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node

from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript.parse import children, parse_script, part, shown, string_value, text
from statemachines.importers.n8n.javascript.scope import Roots, Scope
from statemachines.importers.n8n.javascript.translate import checked, translate
from statemachines.importers.n8n.problems import NotSimple

MAX_TEXT = 20_000
_ALL = frozenset({"items", "$input.all()", "$items()"})
_ITEM = frozenset({"$input.item", "item"})


@dataclass(frozen=True)
class Mapping:
    """What a script gives: `each` the JSON of one item out of one item, `one` item for all, `many` items for all."""

    shape: Literal["each", "one", "many"]
    code: Code


def mapping(source: str, whole: Roots, item: Roots, *, each: bool, bare: bool = False) -> Mapping:
    """The mapping that a script is. `whole` names the data of all items, `item` that of one; `each` says that the
    script runs once for each item, and `bare` that its variable `item` is the item's JSON itself.

    Raises:
        NotSimple: it is more than a mapping.
    """
    statements = children(parse_script(f"function f() {{\n{source}\n}}"))
    if len(statements) != 1 or statements[0].type != "function_declaration":
        raise NotSimple("it is not a list of statements")
    reader = _Reader(Scope(whole), Scope(item))
    body = children(part(statements[0], "body"))
    name = "item" if bare else None
    found = Mapping("each", reader.item_result(body, name, bare=bare)) if each else reader.all_result(body)
    if len(found.code.text) > MAX_TEXT:
        raise NotSimple("what it would become is too long")
    return Mapping(found.shape, checked(c.value(found.code)))


class _Reader:
    """Reads statements in order. Variables are put in where they are read: what they stand for has no effects."""

    def __init__(self, whole: Scope, item: Scope) -> None:
        self.whole = whole
        self.item = item

    def all_result(self, statements: list[Node]) -> Mapping:
        changed: Code | None = None
        for number, statement in enumerate(statements):
            if statement.type == "return_statement":
                if number != len(statements) - 1:
                    break
                return self.returned(statement, changed)
            if statement.type == "for_in_statement" and changed is None:
                changed = self.loop(statement)
            elif statement.type in ("lexical_declaration", "variable_declaration"):
                self.declare(statement)
            else:
                raise NotSimple(f"`{shown(statement)}` is more than a mapping")
        raise NotSimple("it does not end with its only `return`")

    def declare(self, statement: Node) -> None:
        self.whole = declared(statement, self.whole)
        self.item = Scope(self.item.roots, {**self.item.names, **self.whole.names})

    def loop(self, statement: Node) -> Code:
        if text(part(statement, "right")) not in _ALL or text(part(statement, "operator")) != "of":
            raise NotSimple(f"`{shown(statement)}` loops over something else than the items")
        name = text(part(statement, "left"))
        body = part(statement, "body")
        return self.item_result(children(body) if body.type == "statement_block" else [body], name)

    def returned(self, statement: Node, changed: Code | None) -> Mapping:
        value = _returned(statement)
        if changed is not None:
            if text(value) not in _ALL:
                raise NotSimple(f"`{shown(statement)}` does not return the items that the loop changed")
            return Mapping("each", changed)
        if value.type == "call_expression" and text(part(value, "arguments"))[:1] == "(":
            function = part(value, "function")
            if function.type == "member_expression" and text(part(function, "property")) == "map":
                return self.mapped(value, part(function, "object"))
        if value.type == "array":
            found = [_json(each, self.whole) for each in children(value)]
            return Mapping("one", found[0]) if len(found) == 1 else Mapping("many", c.array(found))
        if value.type == "object":
            return Mapping("one", _json(value, self.whole))
        found_code = translate(value, self.whole)
        return Mapping("many", c.listed(found_code))

    def mapped(self, node: Node, receiver: Node) -> Mapping:
        arguments = children(part(node, "arguments"))
        if len(arguments) != 1:
            raise NotSimple(f"`{shown(node)}` is more than a mapping")
        if text(receiver) in _ALL:
            parameters = _names(arguments[0])
            position = {parameters[1]: self.item.roots.position()} if len(parameters) > 1 else {}
            self.item = self.item.bind(position)
            return Mapping("each", self.item_result(_body(arguments[0]), parameters[0] if parameters else None))
        rows = translate(receiver, self.whole)
        parameters = _names(arguments[0])
        roots, kind = self.whole.roots, "item" if rows.kind == "items" else "any"
        bound = {
            name: Code(f"${roots.free(name)}", "item" if number == 0 and kind == "item" else "any")
            for number, name in enumerate(parameters[:2])
        }
        inner = _Reader(self.whole, self.whole.bind(bound))
        code = inner.item_result(_body(arguments[0]), None)
        names = ", ".join(each.text for each in bound.values())
        return Mapping("many", Code(f"[$map({rows.text}, function({names}) {{ {c.value(code).text} }})]", "array"))

    def item_result(self, statements: list[Node], name: str | None, *, bare: bool = False) -> Code:
        """The JSON that statements give for one item; `name` is the variable of the item, where there is one."""
        scope = self.item
        if name is not None:
            scope = scope.bind({name: scope.roots.item().of_kind("any" if bare else "item")})
        assigned = _Assigned(scope.roots.item(), name, bare=bare)
        for number, statement in enumerate(statements):
            if statement.type in ("lexical_declaration", "variable_declaration"):
                scope = declared(statement, scope)
            elif statement.type == "expression_statement":
                scope = assigned.take(children(statement)[0], scope)
            elif number == len(statements) - 1 and _gives(statement):
                value = _returned(statement)
                return assigned.json if assigned.is_item(value) else _json(assigned.readable(value), scope)
            else:
                raise NotSimple(f"`{shown(statement)}` is more than a mapping")
        return assigned.json


class _Assigned:
    """The item's JSON after assignments to its members."""

    def __init__(self, item: Code, name: str | None, *, bare: bool) -> None:
        self.json = item.of_kind("any")
        self._names = _ITEM | ({name} if name else set())
        self._name = name
        self._bare = bare
        self._changed = False

    def is_item(self, node: Node) -> bool:
        return text(node) in self._names

    def take(self, node: Node, scope: Scope) -> Scope:
        """Takes an assignment; the scope after it."""
        if node.type not in ("assignment_expression", "augmented_assignment_expression"):
            raise NotSimple(f"`{shown(node)}` is more than a mapping")
        steps = self._steps(part(node, "left"))
        new = translate(self.readable(part(node, "right")), scope)
        if node.type == "augmented_assignment_expression":
            raise NotSimple(f"`{shown(node)}` changes a value in place; write it as an assignment")
        self.json = _set(self.json, steps, new)
        self._changed = True
        return scope.bind({self._name or "item": self.json.of_kind("any" if self._bare else "item")})

    def readable(self, node: Node) -> Node:
        """The expression, unless it reads the item by n8n's names after it has been changed."""
        if self._changed and ("$json" in text(node) or "$input" in text(node)):
            raise NotSimple(f"`{shown(node)}` reads the item after it was changed")
        return node

    def _steps(self, node: Node) -> list[str]:
        steps: list[str] = []
        while text(node) not in self._names:
            if node.type == "member_expression":
                steps.append(text(part(node, "property")))
            elif node.type == "subscript_expression" and part(node, "index").type == "string":
                steps.append(string_value(part(node, "index")))
            else:
                raise NotSimple(f"`{shown(node)}` is not a member of the item")
            node = part(node, "object")
        steps.reverse()
        if self._bare and steps:
            return steps
        if steps[:1] != ["json"] or len(steps) == 1:
            raise NotSimple("only members of an item's `json` can be set")
        return steps[1:]


def _set(whole: Code, steps: list[str], new: Code) -> Code:
    inner = new if len(steps) == 1 else _set(c.member(whole, steps[0]), steps[1:], new)
    return c.merged([whole, c.entries({steps[0]: inner})])


def declared(statement: Node, scope: Scope) -> Scope:
    """The scope after `const a = …, b = …`. Raises NotSimple for what is no plain constant."""
    for each in children(statement):
        name = part(each, "name")
        if name.type != "identifier":
            raise NotSimple(f"`{shown(each)}` takes a value apart")
        scope = scope.bind({text(name): translate(part(each, "value"), scope)})
    return scope


def _gives(node: Node) -> bool:
    """Whether it is a `return`, or the expression of `x => …`, which is one."""
    return node.type == "return_statement" or (node.parent is not None and node.parent.type == "arrow_function")


def _returned(statement: Node) -> Node:
    found = children(statement) if statement.type == "return_statement" else [statement]
    if len(found) != 1:
        raise NotSimple("it returns nothing")
    value = found[0]
    while value.type == "parenthesized_expression":
        value = children(value)[0]
    return value


def _json(node: Node, scope: Scope) -> Code:
    """The JSON of what a script returns for one item: `{json: …}`, an item, or the JSON itself."""
    while node.type == "parenthesized_expression":
        node = children(node)[0]
    if node.type == "object":
        pairs = {text(part(each, "key")).strip("'\""): each for each in children(node) if each.type == "pair"}
        if "binary" in pairs:
            raise NotSimple("binary data is not kept")
        if "json" in pairs:
            return translate(part(pairs["json"], "value"), scope).of_kind("any")
    code = translate(node, scope)
    return code.of_kind("any") if code.kind == "item" else code


def _names(node: Node) -> list[str]:
    if node.type not in ("arrow_function", "function_expression"):
        raise NotSimple(f"`{shown(node)}` is no function")
    single = node.child_by_field_name("parameter")
    names = [single] if single else children(part(node, "parameters"))
    if any(each.type != "identifier" for each in names):
        raise NotSimple(f"the parameters of `{shown(node)}` are not plain names")
    return [text(each) for each in names]


def _body(node: Node) -> list[Node]:
    body = part(node, "body")
    if body.type == "statement_block":
        return children(body)
    return [body]
