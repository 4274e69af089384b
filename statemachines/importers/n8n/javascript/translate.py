"""JavaScript expressions to JSONata: the syntax. Methods and n8n's own names are in the modules beside this one.

`$json.a?.b ?? 'x'` becomes `($json.a.b != null) ? $json.a.b : "x"`.
"""

import json
import re
from collections.abc import Callable

from tree_sitter import Node

from shared.workflow.expressions import ExpressionError, compiled
from statemachines.importers.n8n import code as c
from statemachines.importers.n8n.code import Code
from statemachines.importers.n8n.javascript import calls, functions, roots
from statemachines.importers.n8n.javascript.parse import children, parse_expression, part, shown, string_value, text
from statemachines.importers.n8n.javascript.scope import Roots, Scope
from statemachines.importers.n8n.problems import NotSimple

_ORDER = {"<": "<", ">": ">", "<=": "<=", ">=": ">="}
_ARITHMETIC = {"-": "-", "*": "*", "/": "/", "%": "%"}
_REGEX_FLAGS = frozenset("gim")


def expression(source: str, names: Roots) -> Code:
    """The JSONata for a JavaScript expression.

    Raises:
        NotSimple: it has no plain counterpart; the message says which part has none.
    """
    return checked(translate(parse_expression(source), Scope(names)))


def checked(code: Code) -> Code:
    """The same, where it is JSONata. Raises NotSimple where a part of it is no value."""
    if code.namespace is not None:
        raise NotSimple(f"`{code.namespace}` alone is no value")
    try:
        compiled(code.text)
    except ExpressionError as error:
        raise NotSimple(f"what it would become is not JSONata ({error.message})") from None
    return code


def translate(node: Node, scope: Scope) -> Code:
    """The JSONata for a part of the syntax tree. Raises NotSimple."""
    handler = _HANDLERS.get(node.type)
    if handler is None:
        raise NotSimple(f"`{shown(node)}` has no plain counterpart in JSONata")
    return handler(node, scope)


def _inner(node: Node, scope: Scope) -> Code:
    found = children(node)
    if len(found) != 1:
        raise NotSimple(f"`{shown(node)}` has no plain counterpart in JSONata")
    return translate(found[0], scope)


def _number(node: Node, _: Scope) -> Code:
    source = text(node).replace("_", "")
    try:
        if source.lower().startswith(("0x", "0o", "0b")):
            return c.constant(int(source, 0))
        return c.constant(json.loads(re.sub(r"^\.", "0.", re.sub(r"\.(?=$|[eE])", "", source))))
    except ValueError:
        raise NotSimple(f"the number {source[:40]} is not JSON's") from None


def _template(node: Node, scope: Scope) -> Code:
    parts = [
        _inner(each, scope) if each.type == "template_substitution" else c.constant(string_value(each))
        for each in children(node)
    ]
    # Unlike n8n's templates, JavaScript's show null as text, as JSONata's `&` does.
    whole = " & ".join(c.value(each).operand for each in parts)
    return Code(whole if len(parts) > 1 else f"'' & {whole}", "string", tight=False) if parts else c.constant("")


def _regex(node: Node, _: Scope) -> Code:
    flags = set(text(flag)) if (flag := node.child_by_field_name("flags")) else set()
    if not flags <= _REGEX_FLAGS:
        raise NotSimple(f"the flags of `{shown(node)}` are not JSONata's")
    pattern = text(part(node, "pattern"))
    return Code(f"/{pattern}/{'i' * ('i' in flags)}{'m' * ('m' in flags)}", "regex", literal="g" in flags)


def _identifier(node: Node, scope: Scope) -> Code:
    name = text(node)
    if name in scope.names:
        return scope.names[name]
    return roots.named(name, scope)


def _undefined(_: Node, __: Scope) -> Code:
    return Code("$lookup({}, '')")


def _object(node: Node, scope: Scope) -> Code:
    parts: list[Code] = []
    members: dict[str, Code] = {}
    for each in children(node):
        if each.type == "spread_element":
            if members:
                parts.append(c.entries(members))
                members = {}
            parts.append(_inner(each, scope))
        elif each.type == "shorthand_property_identifier":
            members[text(each)] = _identifier(each, scope)
        elif each.type == "pair":
            members[_key(part(each, "key"))] = translate(part(each, "value"), scope)
        else:
            raise NotSimple(f"`{shown(each)}` in an object has no plain counterpart in JSONata")
    if members or not parts:
        parts.append(c.entries(members))
    return c.merged(parts)


def _key(node: Node) -> str:
    if node.type == "string":
        return string_value(node)
    if node.type in ("property_identifier", "number"):
        return text(node)
    raise NotSimple(f"the key `{shown(node)}` is computed")


def _array(node: Node, scope: Scope) -> Code:
    found = children(node)
    if not any(each.type == "spread_element" for each in found):
        return c.array([translate(each, scope) for each in found])
    whole = c.constant([])
    for each in found:
        piece = _inner(each, scope) if each.type == "spread_element" else c.array([translate(each, scope)])
        whole = piece if whole.constant and whole.literal == [] else c.call("append", whole, piece, kind="array")
    return c.listed(whole)


def _ternary(node: Node, scope: Scope) -> Code:
    test = c.truth(translate(part(node, "condition"), scope))
    return c.choose(test, translate(part(node, "consequence"), scope), translate(part(node, "alternative"), scope))


def _unary(node: Node, scope: Scope) -> Code:
    operator, argument = text(part(node, "operator")), translate(part(node, "argument"), scope)
    if operator == "!":
        return c.negated(argument)
    if operator == "+":
        return c.number_of(argument)
    if operator == "-":
        if argument.constant and isinstance(argument.literal, int | float):
            return c.constant(-argument.literal)
        return Code(f"-{c.number_of(argument).operand}", "number", tight=False)
    raise NotSimple(f"the operator `{operator}` has no plain counterpart in JSONata")


def _binary(node: Node, scope: Scope) -> Code:
    operator = text(part(node, "operator"))
    left, right = part(node, "left"), part(node, "right")
    if operator in ("===", "==", "!==", "!="):
        return _equality(operator, left, right, scope)
    a, b = translate(left, scope), translate(right, scope)
    if operator in _ORDER:
        return c.operation(a, operator, b, "test")
    if operator in _ARITHMETIC:
        return c.operation(c.number_of(a), operator, c.number_of(b), "number")
    handler = _BINARY.get(operator)
    if handler is None:
        raise NotSimple(f"the operator `{operator}` has no plain counterpart in JSONata")
    return handler(a, b, scope)


def _equality(operator: str, left: Node, right: Node, scope: Scope) -> Code:
    if right.type == "undefined" or left.type == "undefined":
        whole = translate(left if right.type == "undefined" else right, scope)
        equal = Code(f"$exists({whole.text}) ? false : true", "boolean", tight=False)
        if len(operator) == 2:  # noqa: PLR2004 - the loose ones: null counts, too
            equal = Code(f"{c.given(whole)} ? false : true", "boolean", tight=False)
    else:
        a, b = translate(left, scope), translate(right, scope)
        if "null" in (a.kind, b.kind) and len(operator) == 2:  # noqa: PLR2004 - as above
            equal = Code(f"{c.given(b if a.kind == 'null' else a)} ? false : true", "boolean", tight=False)
        elif len(operator) == 2 and a.kind != b.kind and {a.kind, b.kind} & {"string", "number"}:  # noqa: PLR2004
            equal = c.operation(c.string_of(a), "=", c.string_of(b), "boolean")
        else:
            equal = c.operation(c.value(a), "=", c.value(b), "boolean")
    return c.negated(equal) if operator.startswith("!") else equal


def _plus(a: Code, b: Code, _: Scope) -> Code:
    if "string" in (a.kind, b.kind):
        return Code(f"{_in_text(a)} & {_in_text(b)}", "string", tight=False)
    if a.kind == b.kind == "number":
        return c.operation(a, "+", b, "number")
    texts = " or ".join(f"$type({each.text}) = 'string'" for each in (a, b) if each.kind != "number")
    return Code(f"({texts}) ? {a.operand} & {b.operand} : {a.operand} + {b.operand}", tight=False)


def _in_text(code: Code) -> str:
    return c.value(code).operand


def _and(a: Code, b: Code, _: Scope) -> Code:
    if {a.kind, b.kind} <= {"boolean", "test"}:
        return c.operation(a, "and", b, "boolean")
    return c.choose(c.truth(a), b, a)


def _or(a: Code, b: Code, _: Scope) -> Code:
    if {a.kind, b.kind} <= {"boolean", "test"}:
        return c.operation(a, "or", b, "boolean")
    return c.choose(c.truth(a), a, b)


def _coalesce(a: Code, b: Code, _: Scope) -> Code:
    return c.choose(c.given(a), a, b)


_BINARY: dict[str, Callable[[Code, Code, Scope], Code]] = {"+": _plus, "&&": _and, "||": _or, "??": _coalesce}

_HANDLERS: dict[str, Callable[[Node, Scope], Code]] = {
    "parenthesized_expression": _inner,
    "string": lambda node, _: c.constant(string_value(node)),
    "number": _number,
    "true": lambda _, __: c.constant(literal=True),
    "false": lambda _, __: c.constant(literal=False),
    "null": lambda _, __: c.constant(None),
    "undefined": _undefined,
    "template_string": _template,
    "regex": _regex,
    "identifier": _identifier,
    "object": _object,
    "array": _array,
    "ternary_expression": _ternary,
    "unary_expression": _unary,
    "binary_expression": _binary,
    "member_expression": lambda node, scope: calls.member(node, scope, translate),
    "subscript_expression": lambda node, scope: calls.subscript(node, scope, translate),
    "call_expression": lambda node, scope: calls.call(node, scope, translate),
    "new_expression": lambda node, scope: functions.created(node, scope, translate),
}
