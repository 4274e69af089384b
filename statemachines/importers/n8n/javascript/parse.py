"""JavaScript's syntax, by tree-sitter, which reads the whole language and marks what is no part of it."""

from collections.abc import Iterator
from functools import lru_cache

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from statemachines.importers.n8n.problems import NotSimple

MAX_LENGTH = 20_000
MAX_DEPTH = 150
"""Of the syntax tree. A translation recurses over it, and what nests deeper is not simple."""

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


@lru_cache(maxsize=1)
def _parser() -> Parser:
    return Parser(Language(tree_sitter_javascript.language()))


def parse_expression(source: str) -> Node:
    """The syntax tree of one expression.

    Raises:
        NotSimple: it is none.
    """
    program = parse_script(f"({source}\n)")
    statements = children(program)
    if len(statements) != 1 or statements[0].type != "expression_statement":
        raise NotSimple("it is not one JavaScript expression")
    return children(statements[0])[0]


def parse_script(source: str) -> Node:
    """The syntax tree of statements.

    Raises:
        NotSimple: they are not well-formed, too long or too deep.
    """
    if len(source) > MAX_LENGTH:
        raise NotSimple(f"it is longer than {MAX_LENGTH} characters")
    root = _parser().parse(source.encode()).root_node
    if root.has_error:
        raise NotSimple("it is not well-formed JavaScript")
    if _depth(root) > MAX_DEPTH:
        raise NotSimple(f"it nests deeper than {MAX_DEPTH} levels")
    return root


def children(node: Node) -> list[Node]:
    """The children that mean something."""
    return [each for each in node.named_children if each.type != "comment"]


def text(node: Node) -> str:
    """The source text."""
    return (node.text or b"").decode()


def part(node: Node, name: str) -> Node:
    """The child of this name. Raises NotSimple where there is none."""
    found = node.child_by_field_name(name)
    if found is None:
        raise NotSimple(f"`{shown(node)}` is incomplete")
    return found


def shown(node: Node) -> str:
    """The source text as a message may quote it."""
    source = " ".join(text(node).split())
    return source if len(source) <= 60 else f"{source[:59]}…"  # noqa: PLR2004 - one line of a report


def string_value(node: Node) -> str:
    """What a string, or the fixed part of a template, stands for."""
    return "".join(_pieces(node))


def _pieces(node: Node) -> Iterator[str]:
    for each in [node] if node.type in ("string_fragment", "escape_sequence") else node.named_children:
        yield _escape(text(each)) if each.type == "escape_sequence" else text(each)


def _escape(sequence: str) -> str:
    body = sequence[1:]
    if body[0] in "ux":
        return _character(int(body[1:].strip("{}"), 16))
    return _ESCAPES.get(body, body)


def _character(number: int) -> str:
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF or number == 0:  # noqa: PLR2004 - Unicode's surrogates
        raise NotSimple("a text in it has half a character")
    return chr(number)


def _depth(root: Node) -> int:
    deepest, waiting = 0, [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((each, depth + 1) for each in node.children)
    return deepest
